"""Gathering against slices of the buffer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import spans_of

from connectors.errors import RecordError
from connectors.kernels.gather import binaries, picked, string_columns, strings, taken

VALUES = st.one_of(st.none(), st.text(max_size=40).map(str.encode))


def as_text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=5, max_size=5), max_size=12), st.booleans(), st.booleans())
def test_columns_hold_the_slices(rows: list[list[bytes | None]], empty_is_null: bool, narrow: bool) -> None:
    buf, start, length = spans_of([v for row in rows for v in row])
    kind = np.int32 if narrow else np.int64
    start, length = start.reshape(-1, 5).T.astype(kind), length.reshape(-1, 5).T.astype(kind)
    arrays = string_columns(buf, start, length, empty_is_null=empty_is_null)
    want = [[as_text(row[j] or (None if empty_is_null else row[j])) for row in rows] for j in range(5)]
    assert [a.to_pylist() for a in arrays] == want
    for array in arrays:
        array.validate(full=True)


def test_a_column_of_nulls_shares_one_array() -> None:
    buf, start, length = spans_of([b"a", None, None, None])
    first, second, third = string_columns(buf, start[[0, 1, 2], None], length[[0, 1, 2], None])
    assert (first.to_pylist(), second.to_pylist()) == (["a"], [None])
    assert second is third


def test_the_explicit_null_stays() -> None:
    assert strings(*spans_of([b'""', b"", None])).to_pylist() == ['""', None, None]


def test_bytes_need_not_be_text() -> None:
    array = binaries(*spans_of([b"\xff\x00", b"", None]))
    assert (array.type, array.to_pylist()) == (pa.binary(), [b"\xff\x00", b"", None])


def test_no_rows_and_no_columns() -> None:
    none = np.empty((2, 0), np.int64)
    assert [len(a) for a in string_columns(np.zeros(64, np.uint8), none, none)] == [0, 0]
    assert string_columns(np.zeros(64, np.uint8), none[:0], none[:0]) == []


def test_a_column_of_two_gigabytes_is_refused() -> None:
    rows = 3
    start, length = np.zeros(rows, np.int64), np.full(rows, 1 << 30, np.int64)
    buf = np.empty((1 << 30) + 64, np.uint8)  # never touched
    with pytest.raises(RecordError, match="COLUMN_TOO_LONG"):
        strings(buf, start, length)


@pytest.mark.parametrize(("start", "length"), [(60, 10), (0, 50), (-1, 3)])
def test_a_span_out_of_the_buffer_is_refused(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="reaches out"):
        strings(np.zeros(64, np.uint8), np.array([start]), np.array([length]))


def test_columns_of_many_rows_hold_the_slices() -> None:
    rows = [[(b"%d" % (n * 7919 % 1000)) * (n % 5), None if n % 3 else b"x" * (n % 70)] for n in range(3_000)]
    buf, start, length = spans_of([v for row in rows for v in row])
    arrays = string_columns(buf, start.reshape(-1, 2).T, length.reshape(-1, 2).T)
    assert [a.to_pylist() for a in arrays] == [[as_text(row[j] or None) for row in rows] for j in range(2)]


def test_rows_that_are_taken_in_order_are_no_copy() -> None:
    values = pa.array(["a", None, "c"])
    assert taken(values, np.arange(3, dtype=np.int32)) is values
    assert taken(values, np.array([2, -1, 0])).to_pylist() == ["c", None, "a"]
    assert taken(values, np.array([0, 1])).to_pylist() == ["a", None]


def test_rows_that_are_picked_in_order_are_no_copy() -> None:
    values = np.array([5, 6, 7], np.int32)
    assert picked(values, np.arange(3, dtype=np.int32)) is values
    assert picked(values, np.array([0, 1], np.int32)).tolist() == [5, 6]
    assert picked(values, np.array([0, 2, 1], np.int32)).tolist() == [5, 7, 6]
