"""year: of a date, its year is left."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from jobs.privacy.actions.base import Action, Rows, is_time
from jobs.privacy.actions.times import YEAR, as_timestamp, as_type, local


class Year(Action):
    """The first of January of the year on the sender's clock, with a precision of 4 digits and no offset."""

    name = "year"
    keeps_companions = True

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind if is_time(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        return as_type(pc.floor_temporal(local(as_timestamp(values), rows.offset), unit="year"), values.type)

    def companion(self, values: pa.Array) -> pa.Array:
        if pa.types.is_int8(values.type):
            return pc.cast(pc.min_element_wise(values, pa.scalar(YEAR, pa.int8()), skip_nulls=False), pa.int8())
        return pa.nulls(len(values), values.type)

    def described(self) -> str:
        return "reduced to the year"
