"""Files that are written here, as other programs read them."""

from __future__ import annotations

import hashlib
import io
import math
import struct
from datetime import UTC, date, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, QueryBuilder, convert_to_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.kernels.distinct import Distinct, Told, distinct
from connectors.parquet import column as columns
from connectors.parquet.file import FileWriter, Shelf

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {
    "text": (pa.string(), st.text(st.characters(codec="utf-8"), max_size=12)),
    "large": (pa.large_string(), st.sampled_from(["", "a", "mmol/L", "Ü" * 40])),
    "bytes": (pa.binary(), st.binary(max_size=40)),
    "tiny": (pa.int8(), st.integers(-128, 127)),
    "short": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "int": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "long": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "number": (pa.float64(), st.floats(allow_nan=True)),
    "flag": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), st.dates(date(1, 1, 1), date(9999, 1, 1))),
    "time": (
        pa.timestamp("us", "UTC"),
        st.integers(-(2**50), 2**50).map(lambda us: EPOCH + timedelta(microseconds=us)),
    ),
    "fields": (pa.list_(pa.string()), st.lists(st.one_of(st.none(), st.text(max_size=4)), max_size=5)),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in KINDS.items()])


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    count = draw(st.integers(1, 60))
    rows = {}
    for name, (kind, values) in KINDS.items():
        few = draw(st.lists(values, min_size=1, max_size=4))
        value = draw(st.sampled_from([values, st.sampled_from(few), st.just(few[0])]))
        drawn = draw(
            st.lists(
                draw(st.sampled_from([value, st.one_of(st.none(), value), st.none()])), min_size=count, max_size=count
            )
        )
        rows[name] = pa.array(drawn, kind)
    return pa.table(rows, schema=SCHEMA)


def written(*groups: pa.Table, shelf: Shelf | None = None, schema: pa.Schema | None = None) -> bytes:
    file = FileWriter(schema or groups[0].schema, shelf or Shelf())
    for group in groups:
        file.write(group)
    pieces, digest = file.finish()
    whole = b"".join(pieces)
    assert (file.size, digest) == (len(whole), hashlib.sha256(whole).hexdigest())
    return whole


def rows_of(table: pa.Table) -> list[tuple[object, ...]]:
    """Rows with NaN as a text, so that they compare."""
    plain = [table[name].to_pylist() for name in table.column_names]
    return list(
        zip(*[[("NaN" if isinstance(v, float) and math.isnan(v) else v) for v in c] for c in plain], strict=True)
    )


@settings(derandomize=True, max_examples=150, deadline=None)
@given(tables(), st.integers(0, 20))
def test_pyarrow_reads_every_value_back(table: pa.Table, begin: int) -> None:
    cut = table.slice(min(begin, table.num_rows - 1))
    read = pq.read_table(io.BytesIO(written(table, cut)))
    assert read.schema.equals(SCHEMA.set(1, pa.field("large", pa.string())))
    assert rows_of(read) == rows_of(table) + rows_of(cut)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(tables())
def test_duckdb_and_the_parquet_library_of_rust_read_the_same(tmp_path_factory, table: pa.Table) -> None:
    folder = tmp_path_factory.mktemp("table")
    flat = table.drop_columns("fields")
    (folder / "part.parquet").write_bytes(written(flat))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        read = connection.sql(f"SELECT * FROM read_parquet('{folder}/part.parquet')").to_arrow_table()
    want = rows_of(flat)
    assert rows_of(read.cast(read.schema.set(10, pa.field("time", pa.timestamp("us", "UTC"))))) == want
    convert_to_deltalake(str(folder))
    query = QueryBuilder().register("t", DeltaTable(folder)).execute("SELECT * FROM t")
    assert rows_of(pa.table(query).cast(pa.schema([SCHEMA.field(n) for n in flat.column_names]))) == want


def test_statistics_are_those_of_the_values_and_leave_out_what_is_not_bounded() -> None:
    table = pa.table(
        {
            "long": [5, None, -7],
            "number": [0.0, 2.5, None],
            "nan": [1.0, math.nan, 2.0],
            "text": ["b", "a", "c"],
            "_object": ["b", None, "a"],
            "unsent": pa.nulls(3, pa.int32()),
        }
    )
    group = pq.ParquetFile(io.BytesIO(written(table))).metadata.row_group(0)
    found = {group.column(n).path_in_schema: group.column(n).statistics for n in range(group.num_columns)}
    bounds = {name: (s.min, s.max) if s.has_min_max else None for name, s in found.items()}
    assert bounds == {
        "long": (-7, 5),
        "number": (-0.0, 2.5),
        "nan": None,
        "text": None,
        "_object": ("a", "b"),
        "unsent": None,
    }
    assert struct.pack("<d", bounds["number"][0]) == struct.pack("<d", -0.0)
    assert {name: s.null_count for name, s in found.items()} == {
        "long": 1,
        "number": 1,
        "nan": 0,
        "text": 0,
        "_object": 1,
        "unsent": 3,
    }


def test_pages_end_at_their_size_and_rows_of_lists_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "PAGE_BYTES", 200)
    distinct = [f"{n:030d}" for n in range(6000)]
    table = pa.table({"text": distinct[:3000], "fields": [distinct[2 * n : 2 * n + 2] for n in range(3000)]})
    sparse = pa.table(
        {"text": [d if n % 3 else None for n, d in enumerate(distinct)][:3000], "fields": table["fields"]}
    )
    for rows in (table, sparse):
        assert pq.read_table(io.BytesIO(written(rows))).to_pylist() == rows.to_pylist()


def test_each_page_is_full_but_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "PAGE_BYTES", 200)
    slots = []
    header = columns.parquet.data_page
    monkeypatch.setattr(
        columns.parquet, "data_page", lambda count, *sizes: slots.append(count) or header(count, *sizes)
    )
    columns.pages_of(pa.array([b"%030d" % n for n in range(20)]))
    assert slots == [7, 7, 6]


def test_a_column_without_values_takes_a_few_bytes_whatever_its_rows() -> None:
    assert columns.pages_of(pa.nulls(60_000, pa.string())).size < 40


def test_a_dictionary_is_made_only_where_values_repeat() -> None:
    def dictionary(values: list[str]) -> bool:
        file = pq.ParquetFile(io.BytesIO(written(pa.table({"text": values}))))
        return bool(file.metadata.row_group(0).column(0).has_dictionary_page)

    assert dictionary(["a", "b"] * 50)
    assert dictionary(["a"])
    assert not dictionary([f"{n}" for n in range(5000)])


def test_columns_that_tables_share_are_encoded_once_and_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    plain = columns.pages_of
    monkeypatch.setattr(
        "connectors.parquet.file.pages_of", lambda array, **how: encoded.append(how) or plain(array, **how)
    )
    shared = pa.array([f"key {n % 10}" for n in range(1000)])
    first, second = pa.table({"a": shared, "b": range(1000)}), pa.table({"c": shared, "d": range(1000)})
    shelf = Shelf()
    together = [written(first, shelf=shelf), written(second, shelf=shelf)]
    assert len(encoded) == 3
    assert together == [written(first), written(second)]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.none() | st.sampled_from(["a", "bb", "ccc" * 9, "d"]), min_size=1, max_size=80), st.booleans())
def test_what_is_told_of_a_column_changes_no_byte(values: list[str | None], merged: bool) -> None:
    source = distinct(pa.array(values, pa.string()))
    made = pc.utf8_upper(source.values) if not merged else pc.utf8_slice_codeunits(source.values, 1)
    column = source.column(made)
    told = Told()
    told.note(column, Distinct(made, source.codes))
    table = pa.table({"_object": column, "x": column})
    assert written(table, shelf=Shelf(told)) == written(table)
    assert (told.of(column) is None) == (len(set(made.to_pylist())) < len(made))


TEXT = st.none() | st.sampled_from(["", "a", "bb", "ccc" * 9, "d"])


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=80), st.integers(0, 40), st.integers(1, 40), st.booleans())
def test_known_dictionaries_of_arrow_and_slices_of_them_give_the_bytes_of_their_columns(
    values: list[str | None], begin: int, count: int, sure: bool
) -> None:
    told, column = Told(), pa.array(values, pa.string())
    apart = distinct(column)
    encoded = told.column(Distinct(apart.values, apart.codes, exact=sure), encoded=True)
    encoded.validate(full=True)
    whole = pa.table({"_object": encoded, "x": encoded})
    plain = pa.table({"_object": column, "x": column})
    cut = slice(min(begin, len(values) - 1), None)
    groups = (whole, whole[cut], whole[cut].slice(0, count))
    expected = written(plain, plain[cut], plain[cut].slice(0, count))
    assert written(*groups, shelf=Shelf(told), schema=plain.schema) == expected
    assert written(*groups, schema=plain.schema) == expected


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.lists(TEXT, max_size=6),
    st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=60),
    st.sampled_from([pa.string(), pa.large_string(), pa.binary()]),
    st.sampled_from([pa.int8(), pa.int32(), pa.uint16(), pa.int64()]),
    st.integers(0, 30),
)
def test_any_dictionary_of_arrow_gives_the_bytes_of_its_column(
    values: list[str | None], rows: list[int | None], kind: pa.DataType, width: pa.DataType, begin: int
) -> None:
    """Its values may be null, stand twice or nowhere, in any order."""
    indices = pa.array([None if row is None or row >= len(values) else row for row in rows], width)
    dictionary = pa.array(values, pa.string()).cast(kind)
    encoded = pa.DictionaryArray.from_arrays(indices, dictionary)
    column = pa.array([None if row is None else values[row] for row in indices.to_pylist()], pa.string()).cast(kind)
    plain, other = pa.table({"x": column}), pa.array(["other", "a"], pa.string()).cast(kind)
    cut = slice(min(begin, len(rows) - 1), None)
    assert written(pa.table({"x": encoded})[cut], schema=plain.schema) == written(plain[cut])
    behind = pa.DictionaryArray.from_arrays(pa.array([0, 1], width), other)
    together = pa.table({"x": pa.chunked_array([encoded, behind])})
    assert written(together, schema=plain.schema) == written(pa.table({"x": pa.chunked_array([column, other])}))


def test_dictionaries_of_numbers_are_written_out() -> None:
    plain = pa.table({"x": pa.array([1.5, None, 1.5, 2.5])})
    assert written(pa.table({"x": plain["x"].dictionary_encode()}), schema=plain.schema) == written(plain)


def test_slices_of_a_column_that_repeats_are_not_told_apart_again(monkeypatch: pytest.MonkeyPatch) -> None:
    column, told = pa.array(["b", None, "a", "b", "a"] * 3000), Told()
    told.distinct(column)
    table, otherwise = pa.table({"x": column})[2:], written(pa.table({"x": column})[2:])
    monkeypatch.setattr("connectors.parquet.column.codes_of", lambda spans: pytest.fail("asked again"))
    assert written(table, shelf=Shelf(told)) == otherwise


def test_a_slice_that_hardly_repeats_is_looked_at() -> None:
    column, told = pa.array([str(n % 30_000) for n in range(60_000)]), Told()
    told.note(column, Distinct(column[:30_000], np.arange(60_000, dtype=np.int32) % 30_000, exact=True))
    table = pa.table({"x": column[9:20_000]})
    assert told.of(column[9:20_000]) is None
    assert written(table, shelf=Shelf(told)) == written(table)


def test_what_is_told_is_not_asked_of_the_column_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source = distinct(pa.array(["a", "b", None, "a"] * 50))
    column, told = source.column(source.values), Told()
    told.note(column, source)
    monkeypatch.setattr("connectors.parquet.column.codes_of", lambda spans: pytest.fail("asked again"))
    written(pa.table({"x": column}), shelf=Shelf(told))
    told.forget()
    assert told.of(column) is None


def test_a_column_that_is_known_to_hardly_repeat_is_not_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    column, told = pa.array([str(n) for n in range(20_000)]), Told()
    table = pa.table({"x": column})
    otherwise = written(table)
    told.distinct(column)
    monkeypatch.setattr("connectors.parquet.column.codes_of", lambda spans: pytest.fail("asked again"))
    assert written(table, shelf=Shelf(told)) == otherwise


def test_a_shelf_that_is_full_lets_go_what_was_not_taken_for_longest() -> None:
    arrays = [pa.array(np.arange(k, k + 5000)) for k in range(3)]
    shelf = Shelf(held_bytes=110_000)
    first = shelf.pages("a", pa.chunked_array([arrays[0]]))
    shelf.pages("a", pa.chunked_array([arrays[1]]))
    assert shelf.pages("a", pa.chunked_array([arrays[0]])) is first
    shelf.pages("a", pa.chunked_array([arrays[2]]))
    assert shelf.pages("a", pa.chunked_array([arrays[0]])) is first
    assert shelf.pages("a", pa.chunked_array([arrays[1]])) is not None


def test_what_no_part_holds_is_refused() -> None:
    for kind in (
        pa.struct([("a", pa.int32())]),
        pa.decimal128(5, 2),
        pa.timestamp("ns"),
        pa.list_(pa.list_(pa.int8())),
    ):
        with pytest.raises(ConfigError, match="PART_SCHEMA"):
            FileWriter(pa.schema([("x", kind)]), Shelf())


def test_a_file_says_what_wrote_it() -> None:
    assert (
        pq.ParquetFile(io.BytesIO(written(pa.table({"a": [1]})))).metadata.created_by == "clinray-parquet version 1.0.0"
    )
