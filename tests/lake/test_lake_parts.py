from __future__ import annotations

import hashlib
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.kernels.distinct import Told, distinct
from connectors.lake import PartWriter, parts
from connectors.parquet.file import Shelf
from connectors.storage import open_store

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("raw", pa.binary()),
        ("fields", pa.list_(pa.string())),
        ("number", pa.float64()),
        ("at", pa.timestamp("us", "UTC")),
        ("_object", pa.string()),
    ]
)


def table(count: int) -> pa.Table:
    return pa.table(
        {
            "text": [None if n % 7 == 0 else f"text {n % 11}" for n in range(count)],
            "raw": [bytes([n % 256]) * (n % 5) for n in range(count)],
            "fields": [None if n % 3 == 0 else [str(n)] * (n % 4) for n in range(count)],
            "number": [n / 4 for n in range(count)],
            "at": [n * 1_000_000 for n in range(count)],
            "_object": [f"token-{n // 100}" for n in range(count)],
        },
        schema=SCHEMA,
    )


def written(folder, rows: list[pa.Table], **options) -> list[parts.Part]:
    writer = PartWriter(open_store(str(folder)), "deidentified", "rows", "b0", SCHEMA, **options)
    for some in rows:
        writer.write(some)
    return writer.close()


@given(st.lists(st.integers(0, 400), max_size=8), st.booleans())
@settings(derandomize=True, max_examples=25, deadline=None)
def test_parts_do_not_depend_on_how_rows_were_handed_in(tmp_path_factory, cuts, encoded):
    whole = table(400)
    edges = [0, *sorted(cuts), 400]
    slices = [whole.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    told = Told()
    if encoded:
        for name in ("text", "_object"):
            column = whole.schema.get_field_index(name)
            slices = [s.set_column(column, name, told_apart(s[name], told)) for s in slices]
    folder = tmp_path_factory.mktemp("lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "GROUP_ROWS", 90)
        patch.setattr(parts, "GROUP_BYTES", 1500)
        expected = written(folder, [whole], target_bytes=6000)
        assert written(folder, slices, target_bytes=6000, shelf=Shelf(told)) == expected
        assert written(folder, slices, target_bytes=6000) == expected


@given(st.lists(st.integers(0, 400), max_size=4), st.lists(st.booleans(), min_size=5, max_size=5))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_what_is_held_while_columns_are_forgotten_changes_no_byte(tmp_path_factory, cuts, known):
    whole, told, folder = table(400), Told(), tmp_path_factory.mktemp("lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "GROUP_ROWS", 90)
        expected = written(folder, [whole])
        writer = PartWriter(open_store(str(folder)), "deidentified", "rows", "b0", SCHEMA, shelf=Shelf(told))
        for (begin, end), is_known in zip(itertools.pairwise([0, *sorted(cuts), 400]), known, strict=False):
            writer.hold()
            told.forget()
            rows = whole.take(pa.array(range(begin, end), pa.int64())).combine_chunks()
            for name in ("text", "_object") if is_known and begin < end else ():
                told.distinct(rows[name].chunk(0))
            writer.write(rows)
        assert writer.close() == expected


def test_a_column_of_which_some_chunks_are_known_is_held_as_it_stands(tmp_path):
    rows, told = table(400).select(["text"]), Told()
    chunks = [rows["text"].chunk(0).take(pa.array(range(begin, begin + 200))) for begin in (0, 200)]
    told.distinct(chunks[1])
    lake = open_store(str(tmp_path))
    made = []
    for held in (False, True):
        writer = PartWriter(lake, "deidentified", "rows", "b0", rows.schema, shelf=Shelf(told))
        writer.write(pa.table({"text": pa.chunked_array(chunks)}))
        writer.write(rows.slice(0, 0))
        if held:
            writer.hold()
        made.append(writer.close())
    assert made[0] == made[1]


def test_what_is_held_is_not_told_apart_again(tmp_path, monkeypatch):
    rows, told = table(400).select(["text"]), Told()
    halves = [rows.take(list(range(begin, begin + 200))).combine_chunks() for begin in (0, 200)]
    lake = open_store(str(tmp_path))
    plain = PartWriter(lake, "deidentified", "rows", "b0", rows.schema)
    plain.write(rows)
    expected = plain.close()
    writer = PartWriter(lake, "deidentified", "rows", "b0", rows.schema, shelf=Shelf(told))
    monkeypatch.setattr("connectors.parquet.column.codes_of", lambda spans: pytest.fail("asked again"))
    for half in halves:
        writer.hold()
        told.forget()
        told.distinct(half["text"].chunk(0))
        writer.write(half)
    assert writer.close() == expected


def told_apart(column: pa.ChunkedArray, told: Told) -> pa.Array:
    """The column as a dictionary of Arrow that is known."""
    return told.column(distinct(column.combine_chunks()), encoded=True)


@pytest.mark.parametrize("group_bytes", [100, 2_000, 64 << 20])
def test_the_longest_value_of_a_dictionary_moves_no_row_group(tmp_path, monkeypatch, group_bytes):
    monkeypatch.setattr(parts, "GROUP_BYTES", group_bytes)
    rows = table(400)
    text = pa.array(["long" * 100 if n == 399 else f"{n % 3}" for n in range(400)])
    plain = rows.set_column(0, "text", text)
    assert written(tmp_path, [rows.set_column(0, "text", told_apart(plain["text"], Told()))]) == written(
        tmp_path, [plain]
    )


def test_a_part_says_what_its_file_is(tmp_path):
    (part,) = written(tmp_path, [table(1000)])
    data = (tmp_path / part.path).read_bytes()
    assert (part.rows, part.bytes) == (1000, len(data))
    assert part.sha256 == hashlib.sha256(data).hexdigest()
    assert part.path == f"deidentified/rows/part-b0-00000-{part.sha256[:16]}.zstd.parquet"
    assert pq.read_table(tmp_path / part.path).cast(SCHEMA).to_pylist() == table(1000).to_pylist()


def test_a_compressor_goes_only_over_what_it_can_make_smaller(tmp_path):
    schema = pa.schema([("text", pa.string()), ("unsent", pa.string()), ("at", pa.timestamp("us", "UTC"))])
    schema = schema.append(pa.field("count", pa.int32())).append(pa.field("_record_id", pa.binary()))
    text = [f"{n % 40}" for n in range(900)]
    rows = pa.table([text, [None] * 900, range(900), range(900), [bytes([n % 256]) * 32 for n in range(900)]], schema)
    writer = PartWriter(open_store(str(tmp_path)), "deidentified", "rows", "b0", schema)
    writer.write(rows)
    (part,) = writer.close()
    group = pq.ParquetFile(tmp_path / part.path).metadata.row_group(0)
    columns = {column.path_in_schema: column for column in map(group.column, range(group.num_columns))}
    assert {name: column.compression for name, column in columns.items()} == {
        "text": "ZSTD",
        "unsent": "UNCOMPRESSED",
        "at": "UNCOMPRESSED",
        "count": "UNCOMPRESSED",
        "_record_id": "UNCOMPRESSED",
    }
    assert [name for name, column in columns.items() if "DELTA_BINARY_PACKED" in column.encodings] == ["at", "count"]
    assert [name for name, column in columns.items() if column.has_dictionary_page] == ["text"]


def test_a_column_that_is_first_sent_in_a_later_row_group_is_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 100)
    rows = table(200).set_column(0, SCHEMA.field("text"), [[None] * 100 + [f"late {n}" for n in range(100)]])
    (part,) = written(tmp_path, [rows])
    assert pq.read_table(tmp_path / part.path).cast(SCHEMA).to_pylist() == rows.to_pylist()


def test_a_part_ends_after_the_row_group_that_reaches_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 100)
    found = written(tmp_path, [table(1000)], target_bytes=1)
    assert [part.rows for part in found] == [100] * 10
    assert [part.path.split("-")[2] for part in found] == [f"{n:05d}" for n in range(10)]


def test_a_row_group_ends_at_the_row_that_fills_it_with_bytes(monkeypatch):
    monkeypatch.setattr(parts, "GROUP_BYTES", 100)
    lengths = [10, 0, 89, 1, 5, 200, 3]
    rows = pa.table({"raw": [b"x" * length for length in lengths]})
    assert parts.group_rows(rows, 308, last=False) == 4
    assert parts.group_rows(rows.slice(4), 308, last=False) == 2
    assert parts.group_rows(rows.slice(6), 308, last=False) == 0
    assert parts.group_rows(rows.slice(6), 308, last=True) == 1


def test_values_in_lists_count_as_bytes_of_their_row():
    rows = pa.array([["ab", "c"], None, [], ["defg"]], pa.list_(pa.string()))
    assert parts._sizes(rows).tolist() == [3, 0, 0, 4]
    assert parts._sizes(rows.slice(3)).tolist() == [4]


def test_no_rows_make_no_part(tmp_path):
    assert written(tmp_path, []) == []
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_table_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="PART_SCHEMA"):
        written(tmp_path, [table(1).drop_columns("raw")])
    with pytest.raises(ConfigError, match="PART_SCHEMA"):
        written(tmp_path, [table(1).append_column("more", [["x"]])])


def test_a_bundle_cannot_name_a_path(tmp_path):
    with pytest.raises(ConfigError, match="BUNDLE_NAME"):
        PartWriter(open_store(str(tmp_path)), "deidentified", "rows", "../x", SCHEMA)
