"""Reference ranges (OBX-7): typed by people, so only what is nothing but numbers is a quantity to a privacy policy."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from connectors.contract import Category
from connectors.kernels.distinct import Told

_NUMBER: Final = r"[<>]?=?\s*[-+]?\d{1,6}(?:[.,]\d{1,6})?"
_RANGE: Final = re.compile(rf"\s*{_NUMBER}(?:\s*(?:-|:|/|to)\s*{_NUMBER})?\s*%?\s*", re.IGNORECASE)
"""A bound, or two of them: HL7 2.9, chapter 7, 7.4.2.7. Seven digits and more are no bound but somebody's number."""


def categories(ranges: pa.StringArray, told: Told) -> pa.StringArray:
    """The category of each range: quantity, or free_text where it holds more than numbers; null where it is null.

    told: gets to know of both columns.
    """
    several = told.distinct(ranges)
    return told.column(several.mapped(pa.array([_category(text) for text in several.values.to_pylist()], pa.string())))


def _category(text: str | None) -> str | None:
    if text is None:
        return None
    return (Category.QUANTITY if _RANGE.fullmatch(text) else Category.FREE_TEXT).value
