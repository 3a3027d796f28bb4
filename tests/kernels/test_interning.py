"""Columns told apart, against dictionaries of Python."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kernels.distinct import Distinct, Told, combinations, distinct, joined, spread, written_out
from connectors.kernels.interning import all_differ, codes_of_numbers, is_constant, whole_words
from connectors.kernels.short_values import LONGEST_SHORT, short
from connectors.kernels.spans import spans_of

KINDS = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
VALUES = st.none() | st.sampled_from([b"", b"a", b"bb", b"c" * 7, b"c" * 8, b"d" * 9, b"e" * 33])


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(VALUES, max_size=60), st.sampled_from(KINDS))
def test_distinct_values_stand_in_order_of_appearance(values: list[bytes | None], kind: pa.DataType) -> None:
    column = pa.array([b"first", *values], pa.binary()).cast(kind)[1:]
    told = distinct(column)
    present = dict.fromkeys(v for v in values if v is not None)
    assert told.values.type == kind
    assert told.values.cast(pa.binary()).to_pylist() == list(present)
    assert told.places().tolist() == [-1 if v is None else list(present).index(v) for v in values]
    assert told.column(told.values).to_pylist() == column.to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_without_a_value_has_no_distinct_one(kind: pa.DataType) -> None:
    column = pa.nulls(3, kind)
    told = distinct(column)
    assert (told.values.type, len(told.values), told.places().tolist()) == (kind, 0, [-1, -1, -1])
    assert told.column(told.values).equals(column)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.none() | st.binary(max_size=7), max_size=60), st.integers(1, 40))
def test_short_values_are_told_apart_as_others_are(values: list[bytes | None], times: int) -> None:
    column = pa.array([b"first", *values * times], pa.binary())[1:]
    told = distinct(column)
    longer = distinct(pa.array([None if v is None else v + b"behind." for v in values * times], pa.binary()))
    assert told.places().tolist() == longer.places().tolist()
    assert told.column(told.values).equals(column)


@pytest.mark.parametrize("size", range(20))
def test_no_byte_outside_the_data_is_read_for_a_short_value(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = whole_words(np.arange(1, size + 1, dtype=np.uint8))
    assert data[:size].tolist() == list(range(1, size + 1))

    def load(at: int) -> np.uint64:
        assert 0 <= at <= data.size - 8
        return np.uint64(int.from_bytes(data[at : at + 8].tobytes(), "little"))

    monkeypatch.setattr("connectors.kernels.short_values.load", load)
    for start in range(size):
        for end in range(start, min(start + LONGEST_SHORT, size) + 1):
            word = int(short.py_func(start, end - start, data.size - 8))
            assert word.to_bytes(8, "little") == bytes(8 - end + start) + data[start:end].tobytes()


@pytest.mark.parametrize("distinct_values", [1, 3, 900, 20_000, 30_000, 10**9])
@pytest.mark.parametrize("cuts", [[5, 40_000], [100, 9_000, 9_001, 30_000], [59_000]])
def test_dictionaries_one_behind_the_other_are_told_apart_as_their_column(
    distinct_values: int, cuts: list[int]
) -> None:
    """Where values repeat and where they hardly do, with values of other rows in the dictionaries of all."""
    numbers = np.random.default_rng(5).integers(0, distinct_values, 60_000)
    column = pa.array([None if n % 29 == 5 else f"value {n}" for n in numbers.tolist()])
    edges = [0, *cuts, len(column)]
    whole = column.dictionary_encode()
    several = [
        whole[a:b] if n % 2 else column[a : b + 50].dictionary_encode()[: b - a]
        for n, (a, b) in enumerate(itertools.pairwise(edges))
    ]
    told, expected = joined(several), distinct(column)
    assert (told.codes is None) == (expected.codes is None) == (distinct_values == 10**9)
    assert told.equals(expected)


@pytest.mark.parametrize("distinct_values", [3, 900, 1_100, 20_000])
def test_many_short_values_have_the_codes_of_a_dictionary_of_python(distinct_values: int) -> None:
    numbers = np.random.default_rng(7).integers(0, distinct_values, 60_000)
    values = [None if n % 11 == 5 else f"{n}" for n in numbers.tolist()]
    told = distinct(pa.array(values))
    codes: dict[str, int] = {}
    for value in values:
        if value is not None:
            codes.setdefault(value, len(codes))
    assert told.codes is not None
    assert told.values.to_pylist() == list(codes)
    assert told.codes.tolist() == [-1 if value is None else codes[value] for value in values]


def test_a_column_of_many_values_that_hardly_repeat_stays_as_it_is() -> None:
    column = pa.array([None if n % 1000 == 7 else str(n) for n in range(50_000)])
    told = distinct(column)
    assert told.codes is None
    assert told.values is column
    assert told.column(pc.utf8_upper(column)).equals(column)
    assert told.places().tolist() == [-1 if n % 1000 == 7 else n for n in range(50_000)]


def test_a_few_values_fill_many_rows_whichever_stands_last_in_their_buffer() -> None:
    values, codes = ["", "a", "b" * 8, "c" * 33, "d" * 31, "e"], np.random.default_rng(7).integers(-1, 6, 500)
    for several in (values, values[:1], values[:3], values[:5]):
        rows = np.minimum(codes, len(several) - 1).astype(np.int32)
        column = Distinct(pa.array(several), rows).column(pa.array(several))
        column.validate(full=True)
        assert column.to_pylist() == [None if row < 0 else several[row] for row in rows.tolist()]


@pytest.mark.parametrize("made", [pa.array([1, 2]), pa.array(["x", None])])
def test_what_is_made_of_distinct_values_may_be_of_any_type_and_null(made: pa.Array) -> None:
    told = distinct(pa.array(["a", "b", None, "a"]))
    first, second = made.to_pylist()
    assert told.column(made).to_pylist() == [first, second, None, first]


def test_what_is_made_of_distinct_values_is_told_apart_again() -> None:
    told = distinct(pa.array(["a", "b", None, "c", "b"]))
    several = told.mapped(pa.array(["x", None, "x"]))
    assert several.column(several.values).to_pylist() == ["x", None, None, "x", None]
    assert (several.values.to_pylist(), several.exact) == (["x"], True)
    others = pa.array(["z", "y", "x"])
    made = told.mapped(others)
    assert (made.values, made.codes is told.codes, made.exact) == (others, True, True)


def test_what_is_made_of_a_column_that_is_not_told_apart_stands_as_it_is() -> None:
    told = distinct(pa.array([str(n) for n in range(50_000)]))
    made = pa.array(["x"] * 50_000)
    assert (told.mapped(made).values, told.mapped(made).codes) == (made, None)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "long" * 9]), max_size=4), st.data())
def test_names_are_spread_over_rows_as_if_their_column_was_told_apart(names: list[str], data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(-1, len(names) - 1), max_size=30))
    several = spread(pa.array(names, pa.string()), np.array(codes, np.int32))
    column, told = pa.array([None if code < 0 else names[code] for code in codes], pa.string()), Told()
    made = told.column(several)
    assert made.equals(column)
    known = told.distinct(made)
    assert known.values.equals(distinct(column).values)
    assert known.places().tolist() == distinct(column).places().tolist()


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(VALUES, max_size=60), st.sampled_from(KINDS), st.integers(0, 60), st.integers(0, 60))
def test_slices_of_known_columns_are_known(
    values: list[bytes | None], kind: pa.DataType, begin: int, count: int
) -> None:
    told, column = Told(), pa.array([b"first", *values], pa.binary()).cast(kind)[1:]
    told.distinct(column)
    encoded = told.column(distinct(column), encoded=True)
    for whole in (column, encoded):
        part = whole.slice(begin, count)
        known, expected = told.of(part), distinct(column.slice(begin, count))
        assert known is not None
        assert known.values.equals(expected.values)
        assert known.places().tolist() == expected.places().tolist()
        assert written_out(part).equals(column.slice(begin, count))


def test_rows_outside_a_known_column_are_not_known() -> None:
    whole = pa.array(["a", "b", "a", "b", "c"])
    told, part = Told(), whole[1:3]
    told.distinct(part)
    assert [told.of(whole[begin:end]) is None for begin, end in ((0, 3), (1, 4), (0, 5))] == [True] * 3
    assert told.of(whole[2:3]) is not None


def test_dictionaries_of_arrow_that_share_their_codes_lie_in_other_places() -> None:
    told, codes = Told(), np.array([0, 1, 0], np.int32)
    one, other = (told.column(Distinct(pa.array(v), codes), encoded=True) for v in (["a", "b"], ["c", "d"]))
    assert one.buffers()[1].address == other.buffers()[1].address
    assert [told.distinct(each).values.to_pylist() for each in (one, other)] == [["a", "b"], ["c", "d"]]


def test_a_column_that_is_not_told_apart_is_no_dictionary() -> None:
    column = pa.array([str(n) for n in range(50_000)])
    assert distinct(column).encoded() is column


def test_names_of_which_hardly_one_stands_in_two_rows_are_a_column_as_it_is() -> None:
    names = pa.array([str(n) for n in range(50_000)])
    codes = np.arange(50_000, dtype=np.int32)[::-1]
    told = spread(names, codes)
    assert told.codes is None
    assert told.values.equals(names.take(pa.array(codes)))
    assert distinct(told.values).codes is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [b"", b"a", b"long" * 9])
@pytest.mark.parametrize("codes", [[], [0], [0] * 50, [0, -1, 0], [-1]])
def test_the_only_value_of_a_column_stands_in_each_row_that_has_one(
    codes: list[int], value: bytes, kind: pa.DataType
) -> None:
    values = pa.array([b"before", value], pa.binary()).cast(kind)[1:]
    column = Distinct(values, np.array(codes, np.int32)).column(values)
    column.validate(full=True)
    assert column.equals(pa.array([None if code else value for code in codes], pa.binary()).cast(kind))


def test_columns_are_equal_where_values_and_rows_are() -> None:
    one, other = distinct(pa.array(["a", "b", "a"])), distinct(pa.array(["a", "b", "b"]))
    assert one.equals(distinct(pa.array(["a", "b", "a"])))
    assert not one.equals(other)
    assert not one.equals(distinct(pa.array(["a", "c", "a"])))
    alone = [distinct(pa.array(np.arange(20_000) + add).cast(pa.string())) for add in (0, 0, 1)]
    assert [alone[0].equals(each) for each in alone] == [True, True, False]
    assert not alone[0].equals(one)


def constant(values: list[bytes | None]) -> bool:
    spans = spans_of(pa.array([b"before", *values], pa.binary())[1:])
    return bool(is_constant(spans.data, spans.starts, spans.ends, spans.valid))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.none() | st.binary(max_size=80), max_size=30))
def test_a_column_is_constant_where_every_row_has_the_same_value(values: list[bytes | None]) -> None:
    for column in (values, values[:1] * 5):
        assert constant(column) == (len(column) > 0 and None not in column and len(set(column)) == 1)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=40), st.integers(2, 400), st.data())
def test_one_other_byte_in_a_long_column_is_seen(value: bytes, rows: int, data: st.DataObject) -> None:
    column: list[bytes | None] = [value] * rows
    assert constant(column)
    row, at = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, len(value) - 1))
    column[row] = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
    assert not constant(column)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=300))
def test_values_are_all_distinct_where_none_stands_twice(values: list[bytes]) -> None:
    assert all_differ(spans_of(pa.array(values, pa.binary()))) == (len(set(values)) == len(values))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 5), max_size=60))
def test_numbers_are_told_apart(numbers: list[int]) -> None:
    codes, rows = codes_of_numbers(np.array(numbers, np.int64))
    present = list(dict.fromkeys(numbers))
    assert [numbers[row] for row in rows] == present
    assert codes.tolist() == [present.index(number) for number in numbers]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.tuples(VALUES, st.none(), VALUES, st.just(b"same")), max_size=60))
def test_combinations_stand_in_order_of_appearance(rows: list[tuple[bytes | None, ...]]) -> None:
    columns = [distinct(pa.array([row[k] for row in rows], pa.binary())) for k in range(4)]
    codes, firsts = combinations(columns)
    assert [rows[first] for first in firsts] == list(dict.fromkeys(rows))
    assert [rows[firsts[code]] for code in codes] == rows


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=60))
def test_combinations_are_the_same_by_a_table_and_without(rows: list[tuple[bytes | None, ...]]) -> None:
    columns = [distinct(pa.array([row[k] for row in rows], pa.binary())) for k in range(2)]
    made = []
    for few in (0, 1 << 10):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("connectors.kernels.distinct._FEW", few)
            made.append([each.tolist() for each in combinations(columns)])
    assert made[0] == made[1]


def test_combinations_of_columns_that_hardly_repeat_are_told_apart() -> None:
    one = distinct(pa.array([str(n) for n in range(30_000)]))
    other = distinct(pa.array([str(n // 2) for n in range(30_000)]))
    codes, firsts = combinations([other, one, other])
    assert codes.tolist() == firsts.tolist() == list(range(30_000))


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.tuples(VALUES, st.integers(1, 40)), max_size=12), st.sampled_from(KINDS))
def test_values_that_stand_in_runs_are_told_apart(runs: list[tuple[bytes | None, int]], kind: pa.DataType) -> None:
    values = [value for value, times in runs for _ in range(times)]
    told = distinct(pa.array(values, pa.binary()).cast(kind))
    present = list(dict.fromkeys(v for v in values if v is not None))
    assert told.values.cast(pa.binary()).to_pylist() == present
    assert told.places().tolist() == [-1 if v is None else present.index(v) for v in values]


@pytest.mark.parametrize("alone", [0, 900, 2_000, 30_000])
def test_runs_that_end_are_told_apart_too(alone: int) -> None:
    values = [f"{n // 50:07}" for n in range(5_000)] + [f"{n:07}" for n in range(alone)]
    told = distinct(pa.array(values))
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    if told.codes is not None:
        assert told.values.to_pylist() == list(places)
        assert told.places().tolist() == [places[value] for value in values]
    assert told.column(told.values).to_pylist() == values


def test_spans_are_of_one_kind_wherever_their_array_comes_from() -> None:
    immutable = [None, pa.py_buffer(np.array([0, 1, 3], np.int32).tobytes()), pa.py_buffer(b"abb")]
    arrays = (pa.array(["a", "bb"]), pa.Array.from_buffers(pa.string(), 2, immutable), pa.array(["", None]))
    for array in (*arrays, arrays[0][:0], pa.array([b"ab", b"cd"], pa.binary(2))):
        spans = spans_of(array)
        kept = (spans.data, spans.starts, spans.ends, spans.valid)
        assert [(each.dtype.name, each.flags.writeable) for each in kept] == [
            ("uint8", False),
            ("int32", False),
            ("int32", False),
            ("bool", False),
        ]
