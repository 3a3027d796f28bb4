"""age_band: ages from the top on are one, and the others may be put in bands."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from jobs.privacy.actions.base import Action, Rows, is_number, is_text
from jobs.privacy.distinct import over_distinct

AGE = r"^\s*(?P<age>\d{1,3})(?:\.\d*)?\s*(?:(?i:a|y|yr|yrs|year|years))?\s*$"


class AgeBand(Action):
    """An age in years: numbers are capped at `top`, text becomes "90+"; bands of `width` years below it.

    Text that is not plainly an age becomes null. With a width of one, numbers below the top stay as they were.
    """

    name = "age_band"

    top: int = Field(default=90, ge=1, le=150)
    width: int = Field(default=1, ge=1, le=50)

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind if is_text(kind) or is_number(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        return over_distinct(values, self._of_text if is_text(values.type) else self._of_numbers)

    def described(self) -> str:
        bands = "" if self.width == 1 else f" in bands of {self.width} years"
        return f"kept{bands} below {self.top}, from there on {self.top}+"

    def _of_numbers(self, values: pa.Array) -> pa.Array:
        years = pc.cast(values, pa.float64())
        capped = pc.min_element_wise(years, pa.scalar(float(self.top)), skip_nulls=False)
        if self.width > 1:
            low = pc.multiply(pc.floor(pc.divide(years, float(self.width))), float(self.width))
            capped = pc.if_else(pc.less(years, float(self.top)), low, capped)
        known = pc.and_(pc.is_finite(years), pc.greater_equal(years, 0.0))
        return pc.cast(pc.if_else(known, capped, pa.scalar(None, pa.float64())), values.type)

    def _of_text(self, values: pa.Array) -> pa.Array:
        parts = pc.extract_regex(values, pattern=AGE)
        years = pc.cast(pc.struct_field(parts, "age"), pa.int64())
        below = pc.cast(years, pa.string())
        if self.width > 1:
            low = pc.multiply(pc.divide(years, self.width), self.width)
            high = pc.min_element_wise(pc.add(low, self.width - 1), self.top - 1, skip_nulls=False)
            below = pc.binary_join_element_wise(pc.cast(low, pa.string()), pc.cast(high, pa.string()), "-")
        banded = pc.if_else(pc.less(years, self.top), below, f"{self.top}+")
        return pc.cast(banded, values.type)
