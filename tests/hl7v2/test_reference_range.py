"""A reference range is a quantity only where it is nothing but numbers."""

from __future__ import annotations

import pyarrow as pa
import pytest

from connectors.hl7v2.reference_range import categories
from connectors.kernels.distinct import Told


@pytest.mark.parametrize("text", ["70-99", "3.5 - 5.1", "<5", ">= 1.0", "0-5 %", "-2 to 2", "4,5-11", "100"])
def test_numbers_are_a_quantity(text: str) -> None:
    assert categories(pa.array([text]), Told()).to_pylist() == ["quantity"]


@pytest.mark.parametrize("text", ["negative", "see Dr. Doe", "70-99 John", "19800704", "5551234567", "1-2-3", ""])
def test_anything_else_is_free_text(text: str) -> None:
    assert categories(pa.array([text]), Told()).to_pylist() == ["free_text"]


def test_nulls_stay_and_rows_keep_their_order() -> None:
    ranges, told = pa.array(["a", None, "1-2", "a"]), Told()
    made = categories(ranges, told)
    assert made.to_pylist() == ["free_text", None, "quantity", "free_text"]
    assert [None if each is None else each.values.to_pylist() for each in map(told.of, (ranges, made))] == [
        ["a", "1-2"],
        ["free_text", "quantity"],
    ]
    assert categories(pa.array([None, None], pa.string()), Told()).to_pylist() == [None, None]
