"""Reference ranges (OBX-7): typed by people, so only what is nothing but numbers is a quantity to a privacy policy."""

from __future__ import annotations

import pyarrow as pa

from connectors.contract import Category
from connectors.hl7v2.plain_values import RANGE
from connectors.kernels.distinct import Told


def categories(ranges: pa.StringArray, told: Told) -> pa.StringArray:
    """The category of each range: quantity, or free_text where it holds more than numbers; null where it is null.

    told: gets to know of both columns.
    """
    several = told.distinct(ranges)
    return told.column(several.mapped(pa.array([_category(text) for text in several.values.to_pylist()], pa.string())))


def _category(text: str | None) -> str | None:
    if text is None:
        return None
    return (Category.QUANTITY if RANGE.fullmatch(text) else Category.FREE_TEXT).value
