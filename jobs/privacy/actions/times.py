"""Points in time as microseconds, with the calendar period that was sent of them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

MICROSECONDS_A_DAY = 86_400_000_000
YEAR_ONE = -719_162 * MICROSECONDS_A_DAY
"""Where the calendar of most programs begins: the year 1, in microseconds since 1970."""

MICROSECONDS_A_MINUTE = 60_000_000
YEAR, MONTH = 4, 6
"""Digits of a time of which only the year, or the year and the month, was sent."""


def as_timestamp(values: pa.Array) -> pa.Array:
    """timestamp[us] in UTC, without a zone, of timestamps or dates."""
    return pc.cast(pc.cast(values, pa.timestamp("us", _zone(values.type))), pa.timestamp("us"))


def as_type(times: pa.Array, kind: pa.DataType) -> pa.Array:
    """timestamp[us] without a zone as `kind`, zoned in UTC or a date; parts finer than the type are cut off."""
    if pa.types.is_date32(kind):
        return pc.cast(times, kind, safe=False)
    return pc.cast(pc.cast(times, pa.timestamp("us", kind.tz)), kind, safe=False)


def local(times: pa.Array, offset: pa.Array | None) -> pa.Array:
    """The clock of the sender: times moved by their offset in minutes, where they have one."""
    if offset is None or offset.null_count == len(offset):
        return times
    minutes = pc.cast(pc.fill_null(offset, 0), pa.int64())
    moved = pc.add(pc.cast(times, pa.int64()), pc.multiply(minutes, MICROSECONDS_A_MINUTE))
    return pc.cast(moved, pa.timestamp("us"))


def _zone(kind: pa.DataType) -> str | None:
    return kind.tz if pa.types.is_timestamp(kind) else None
