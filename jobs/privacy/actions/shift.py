"""shift: all dates of a patient are moved by one number of days, so that the time between them stays."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from jobs.privacy.actions.base import Action, Rows, is_time
from jobs.privacy.actions.times import MICROSECONDS_A_DAY, MONTH, YEAR, YEAR_ONE, as_timestamp, as_type, local


class Shift(Action):
    """Whole days into the past, at least one and at most max_days; the time of day and the precision stay.

    A year or a month without a day is moved from its middle and cut to its first day again, so that it moves to the
    year or month that most of its days move to. What moves to before the year 1 becomes null.
    """

    name = "shift"
    keeps_companions = True

    max_days: int = Field(default=365, ge=1, le=36_500)

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind if is_time(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        by = pa.array(rows.days(self.max_days) * -MICROSECONDS_A_DAY)
        times = as_timestamp(values)
        moved = _moved(times, by)
        if _has_periods(rows.precision):
            for digits, unit, half in ((YEAR, "year", 182), (MONTH, "month", 15)):
                coarse = pc.fill_null(pc.equal(rows.precision, digits), False)
                if pc.any(coarse).as_py():
                    moved = pc.if_else(coarse, _period_moved(times, by, unit, half, rows.offset), moved)
        return as_type(_of_calendar(moved), values.type)

    def described(self) -> str:
        return f"shifted by 1 to {self.max_days} days into the past, by one number of days a patient"


def _has_periods(precision: pa.Array | None) -> bool:
    """Whether of any time only the year or the month was sent."""
    least = None if precision is None else pc.min(precision).as_py()
    return least is not None and least <= MONTH


def _of_calendar(times: pa.Array) -> pa.Array:
    """The times, null where they lie before the year 1, which readers of dates do not know."""
    numbers = times.view(pa.int64())
    first = pc.min(numbers).as_py()
    return times if first is None or first >= YEAR_ONE else pc.if_else(pc.less(numbers, YEAR_ONE), None, times)


def _moved(times: pa.Array, by: pa.Array) -> pa.Array:
    return pc.cast(pc.add(pc.cast(times, pa.int64()), by), pa.timestamp("us"))


def _period_moved(times: pa.Array, by: pa.Array, unit: str, half: int, offset: pa.Array | None) -> pa.Array:
    """The first day of the period that the middle of each time's period (half: its days) moves to."""
    first = pc.floor_temporal(local(times, offset), unit=unit)
    middle = pc.add(pc.cast(first, pa.int64()), half * MICROSECONDS_A_DAY)
    moved = pc.floor_temporal(pc.cast(pc.add(middle, by), pa.timestamp("us")), unit=unit)
    return moved if offset is None else local(moved, pc.negate(offset))
