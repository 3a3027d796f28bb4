"""Arrays of Arrow as numpy sees them, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kernels.spans import nulls, number_array, only_where, spans_of, validity

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=9)), max_size=40)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(TEXTS, st.integers(0, 12))
def test_what_is_valid_and_how_long_it_is(texts: list[str | None], begin: int) -> None:
    column, rows = pa.array(texts, pa.string())[begin:], texts[begin:]
    assert validity(column).tolist() == [text is not None for text in rows]
    assert spans_of(column).lengths.tolist() == [len((text or "").encode()) for text in rows]


def test_no_row_of_the_type_null_is_valid() -> None:
    assert validity(pa.nulls(3)).tolist() == [False] * 3


def test_columns_without_a_null_share_what_says_that_all_rows_are_valid() -> None:
    for rows in (0, 1, 2, 3, 64, 65, (1 << 20) - 1, 1 << 20, (1 << 20) + 1):
        valid = validity(pa.array(np.zeros(rows, np.int8)))
        assert (len(valid), valid.all(), valid.flags.c_contiguous, valid.flags.writeable) == (rows, True, True, False)
    assert np.shares_memory(validity(pa.array(["a", "b", "c"])), validity(pa.array([1, 2, 3, 4])))
    assert not validity(pa.array(["a", None])).flags.writeable


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.timestamp("us", "UTC"), pa.list_(pa.string()), pa.null()])
def test_nulls_are_those_of_arrow(kind: pa.DataType) -> None:
    for rows in (0, 1, 2, 3, 64, 65, 1 << 17, (1 << 17) + 1):
        made = nulls(kind, rows)
        made.validate(full=True)
        assert (len(made), made.null_count, made.type) == (rows, rows, kind)
        assert made.equals(pa.nulls(rows, kind))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)), max_size=40))
def test_numbers_stay_where_they_are(numbers: list[int | None]) -> None:
    values = np.array([number or 0 for number in numbers], np.int64)
    made = number_array(values, np.array([number is not None for number in numbers], np.bool_))
    made.validate(full=True)
    assert (made.type, made.to_pylist()) == (pa.int64(), numbers)
    assert made.buffers()[1].address == values.ctypes.data


def test_numbers_take_another_type_of_their_width() -> None:
    kind = pa.timestamp("us", "UTC")
    made = number_array(np.zeros(2, np.int64), np.array([True, False]), kind)
    assert made.equals(pa.array([0, None], kind))


def test_what_is_left_out_leaves_no_byte_behind() -> None:
    column = only_where(pa.array(["secret", "b", None]), np.array([False, True, True]))
    assert column.to_pylist() == [None, "b", None]
    assert b"secret" not in column.buffers()[2].to_pybytes()
