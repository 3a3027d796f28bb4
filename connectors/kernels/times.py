"""Times of HL7 v2 to Arrow and to ISO 8601.

The form (chapter 2A: DTM, TS, DT) is YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ].
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from connectors.kernels.gather import Bytes, Integers, strings
from connectors.kernels.spans import number_array
from connectors.kernels.words import AHEAD, load, prefetch

Booleans = npt.NDArray[np.bool_]
Precisions = npt.NDArray[np.int8]
Offsets = npt.NDArray[np.int16]

UTC = pa.timestamp("us", "UTC")
_NO_OFFSET = -32768
_WRONG = np.int64(-1 << 62)
_NO_DIGITS = np.uint64((1 << 64) - 1)
_ZEROS = np.uint64(0x3030303030303030)
_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # of the years 1 to 9999, in microseconds
_LISTED_UNTIL = 2_114_380_800_000_000  # 2037-01-01 in microseconds
_WIDTH = 32  # more than the longest ISO 8601 text written here


class Times(NamedTuple):
    """Columns of n rows.

    timestamp: timestamp[us, UTC]. precision: int8, how many digits were sent (4 year, 6 month, 8 day, 10 hour,
    12 minute, 14 second, 15 to 18 with a fraction). offset: int16, minutes, null if none was sent. All three are null
    where the value is null, empty, `""` or bad. bad: bool[n], text that is no time, or one whose instant lies outside
    the years 1 to 9999 in UTC.
    """

    timestamp: pa.TimestampArray
    precision: pa.Int8Array
    offset: pa.Int16Array
    bad: Booleans


@njit(cache=True, nogil=True)
def _days(year: int, month: int, day: int) -> Any:
    """Days from 1970-01-01 to a date of the proleptic Gregorian calendar."""
    # Of a year that begins in March, as month 3 of 14. Divisions by 100 and of the days of months, without a remainder.
    early = month <= 2
    y, m = year - early, month + 12 * early
    century = y * 5243 >> 19
    return 365 * y + (y >> 2) - century + (century >> 2) + (979 * m - 2919 >> 5) + day - 719469


@njit(cache=True, nogil=True)
def _month_days(year: int, month: int) -> Any:
    """How many days a month has."""
    if month == 2:
        return 29 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 28
    return 30 if month in (4, 6, 9, 11) else 31


@njit(cache=True, nogil=True)
def _pair(buf: Bytes, i: int) -> Any:
    """The number of two digits at i."""
    return (np.int64(buf[i]) - 48) * 10 + np.int64(buf[i + 1]) - 48


@njit(cache=True, nogil=True, inline="always")
def _zone_minutes(buf: Bytes, at: int, end: int) -> Any:
    """Minutes of +/-ZZZZ at `at`, or -32768 where it is none."""
    if end - at != 5:
        return -32768
    for i in range(at + 1, end):
        if buf[i] < 48 or buf[i] > 57:
            return -32768
    hours, minutes = _pair(buf, at + 1), _pair(buf, at + 3)
    if hours > 23 or minutes > 59:
        return -32768
    return -(hours * 60 + minutes) if buf[at] == 45 else hours * 60 + minutes


@njit(cache=True, nogil=True, inline="always")
def _fraction(buf: Bytes, at: int, end: int) -> Any:
    """Microseconds of the digits from `at` on, how many digits there are, and where they end."""
    micros, i, weight = np.int64(0), at, np.int64(100_000)
    while i < end and 48 <= buf[i] <= 57:
        micros += (np.int64(buf[i]) - 48) * weight
        weight //= 10
        i += 1
    return micros, i - at, i


@njit(cache=True, nogil=True, inline="always")
def _composed(year: int, month: int, day: int, hour: int, minute: int, second: int) -> Any:
    """Microseconds since 1970 of a reading of calendar and clock; _WRONG where there is none such."""
    if year == 0 or month < 1 or month > 12 or day < 1 or (day > 28 and day > _month_days(year, month)):
        return _WRONG
    if hour > 23 or minute > 59 or second > 59:
        return _WRONG
    return (_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * np.int64(1_000_000)


@njit(cache=True, nogil=True, inline="always")
def _two_by_two(word: np.uint64) -> Any:
    """Eight digits as four numbers, in the bytes 0, 2, 4 and 6; _NO_DIGITS where a byte is no digit."""
    digits = word ^ np.uint64(0x3030303030303030)
    if ((digits + np.uint64(0x7676767676767676)) | digits) & np.uint64(0x8080808080808080):
        return _NO_DIGITS
    return (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)


@njit(cache=True, nogil=True, inline="always")
def _byte(word: np.uint64, index: int) -> Any:
    return np.int64((word >> np.uint64(8 * index)) & np.uint64(255))


@njit(cache=True, nogil=True, inline="always")
def _usual(place: int, length: int) -> Any:
    """What `_instant` gives for 8, 12 or 14 digits at an address; _WRONG where they are no time or no digits."""
    date, clock = _two_by_two(load(place)), np.uint64(0)
    if length > 8:
        # The last bytes of the eight that end the text, with zeros for those before them that belong to the date.
        fewer = np.uint64(8 * (16 - length))
        clock = _two_by_two(load(place + length - 8) >> fewer | _ZEROS << (np.uint64(64) - fewer))
    if date == _NO_DIGITS or clock == _NO_DIGITS:
        return _WRONG
    year = 100 * _byte(date, 0) + _byte(date, 2)
    return _composed(year, _byte(date, 4), _byte(date, 6), _byte(clock, 0), _byte(clock, 2), _byte(clock, 4))


@njit(cache=True, nogil=True, inline="always")
def _instant(buf: Bytes, at: int, digits: int) -> Any:
    """Microseconds since 1970 of `digits` digits as they stand, without zone or fraction; _WRONG where no time is."""
    if digits < 4 or digits > 14 or digits % 2:
        return _WRONG
    year = _pair(buf, at) * 100 + _pair(buf, at + 2)
    month = _pair(buf, at + 4) if digits >= 6 else 1
    day = _pair(buf, at + 6) if digits >= 8 else 1
    hour = _pair(buf, at + 8) if digits >= 10 else 0
    minute = _pair(buf, at + 10) if digits >= 12 else 0
    second = _pair(buf, at + 12) if digits >= 14 else 0
    return _composed(year, month, day, hour, minute, second)


@njit(cache=True, nogil=True, inline="always")
def _time(buf: Bytes, at: int, end: int) -> Any:
    """Microseconds, precision (-1: bad) and offset (-32768: none) of one time."""
    i = at
    while i < end and 48 <= buf[i] <= 57:
        i += 1
    precision = i - at
    instant = _instant(buf, at, precision)
    if instant == _WRONG:
        return np.int64(0), -1, -32768
    if i < end and buf[i] == 46:
        if precision != 14:
            return np.int64(0), -1, -32768
        micros, more, i = _fraction(buf, i + 1, end)
        instant += micros
        precision += min(more, 4)
    if i == end:
        return instant, precision, -32768
    offset = _zone_minutes(buf, i, end) if buf[i] == 43 or buf[i] == 45 else -32768
    if offset == -32768:
        return np.int64(0), -1, -32768
    instant -= offset * np.int64(60_000_000)
    if instant < _EARLIEST or instant > _LATEST:
        return np.int64(0), -1, -32768
    return instant, precision, offset


@njit(cache=True, nogil=True)
def _times(
    buf: Bytes, start: Integers, length: Integers, instants: Integers, precisions: Precisions, offsets: Offsets
) -> None:
    """instants, precisions (0: null, -1: bad) and offsets (-32768: none) of the time in each span."""
    base = np.int64(buf.ctypes.data)
    for r in range(length.size):
        instants[r], precisions[r], offsets[r] = 0, 0, -32768
        if r + AHEAD < length.size:
            prefetch(base + start[r + AHEAD])
        if length[r] <= 0:
            continue
        at, end = np.int64(start[r]), np.int64(start[r]) + length[r]
        if length[r] == 14 or length[r] == 8 or length[r] == 12:
            instant = _usual(base + at, np.int64(length[r]))
            if instant != _WRONG:
                instants[r], precisions[r] = instant, length[r]
                continue
        while end > at and buf[end - 1] == 32:
            end -= 1
        while at < end and buf[at] == 32:
            at += 1
        if at == end or (end - at == 2 and buf[at] == 34 and buf[at + 1] == 34):
            continue
        instants[r], precisions[r], offsets[r] = _time(buf, at, end)


def _in_far_zone(local: npt.NDArray[np.int64], zone: str) -> npt.NDArray[np.int64]:
    """The same as `_in_zone` behind the last transition that a time zone file lists; each distinct time once."""
    distinct, inverse = np.unique(local, return_inverse=True)
    info, epoch = ZoneInfo(zone), datetime(1970, 1, 1)
    offsets = [info.utcoffset(epoch + timedelta(microseconds=int(us))) or timedelta() for us in distinct]
    moved = distinct - np.array([offset // timedelta(microseconds=1) for offset in offsets], np.int64)
    return moved[inverse]


def _in_zone(local: npt.NDArray[np.int64], zone: str) -> npt.NDArray[np.int64]:
    """Wall-clock microseconds of an IANA zone → UTC.

    Of two equal readings (clocks go back) the first is meant. One that never was (clocks go forward) is read with the
    offset that held before, as Python's zoneinfo does with fold 0.
    """
    naive = pa.array(local).cast(pa.timestamp("us"))
    zoned = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest")
    instants: npt.NDArray[np.int64] = zoned.cast(pa.int64()).to_numpy()
    shown = pc.local_timestamp(zoned).cast(pa.int64()).to_numpy()
    skipped = shown != local
    if not skipped.any():
        return instants
    # The answer for a skipped reading is the last instant before the gap, whose offset is the one to apply.
    return np.where(skipped, local - (shown - instants), instants)


def times(buf: Bytes, start: Integers, length: Integers, time_zone: str = "UTC") -> Times:
    """The times in spans of `buf` (uint8[size]): start, length int[n], length -1 null; blanks around are left out.

    time_zone: IANA name of the site, applied where no offset was sent and the precision is above day. With day
    precision or less and no offset it is the calendar date at midnight UTC. Digits of a fraction beyond the fourth
    count towards the microseconds, not towards the precision.
    """
    n = length.size
    instants, precisions, offsets = np.empty(n, np.int64), np.empty(n, np.int8), np.empty(n, np.int16)
    _times(buf, start, length, instants, precisions, offsets)
    if time_zone != "UTC":
        local = (offsets == _NO_OFFSET) & (precisions > 8)
        # Arrow knows the transitions that a time zone file lists (up to 2037), not the rule that continues them.
        far = instants >= _LISTED_UNTIL
        for rows, convert in ((np.flatnonzero(local & ~far), _in_zone), (np.flatnonzero(local & far), _in_far_zone)):
            if rows.size:
                moved = convert(instants[rows], time_zone)
                instants[rows] = moved
                if moved.min() < _EARLIEST or moved.max() > _LATEST:
                    precisions[rows[(moved < _EARLIEST) | (moved > _LATEST)]] = -1
    valid = precisions > 0
    return Times(
        number_array(instants, valid, UTC),
        number_array(precisions, valid),
        number_array(offsets, offsets != _NO_OFFSET),
        precisions < 0,
    )


@njit(cache=True, nogil=True)
def _put(out: Bytes, at: int, value: int, digits: int) -> Any:
    """Writes `value` with so many digits; returns the place behind."""
    for k in range(digits - 1, -1, -1):
        out[at + k] = 48 + value % 10
        value //= 10
    return at + digits


@njit(cache=True, nogil=True)
def _put_date(out: Bytes, at: int, days: int, precision: int) -> Any:
    """Writes YYYY[-MM[-DD]] of a day number; returns the place behind."""
    shifted = days + 719468
    era = shifted // 146097
    of_era = shifted - era * 146097
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    m = (5 * of_year + 2) // 153
    month = m + 3 if m < 10 else m - 9
    at = _put(out, at, year_of_era + era * 400 + (1 if month <= 2 else 0), 4)
    if precision >= 6:
        out[at] = 45
        at = _put(out, at + 1, month, 2)
    if precision >= 8:
        out[at] = 45
        at = _put(out, at + 1, of_year - (153 * m + 2) // 5 + 1, 2)
    return at


@njit(cache=True, nogil=True)
def _put_clock(out: Bytes, at: int, micros: int, precision: int) -> Any:
    """Writes THH[:MM[:SS[.S…]]] of the microseconds of a day; returns the place behind."""
    seconds = micros // 1_000_000
    out[at] = 84
    at = _put(out, at + 1, seconds // 3600, 2)
    if precision >= 12:
        out[at] = 58
        at = _put(out, at + 1, seconds // 60 % 60, 2)
    if precision >= 14:
        out[at] = 58
        at = _put(out, at + 1, seconds % 60, 2)
    if precision > 14:
        digits = min(precision - 14, 6)
        fraction = micros % 1_000_000
        for _ in range(6 - digits):
            fraction //= 10
        out[at] = 46
        at = _put(out, at + 1, fraction, digits)
    return at


@njit(cache=True, nogil=True)
def _format(instants: Integers, precisions: Precisions, offsets: Offsets, out: Bytes, length: Integers) -> None:
    """The text of each time from out[32 * r] on, and its length (-1: null)."""
    day = np.int64(86_400_000_000)
    for r in range(instants.size):
        precision, offset = precisions[r], np.int64(offsets[r])
        if precision <= 0:
            length[r] = -1
            continue
        local = instants[r] + (offset * np.int64(60_000_000) if offset != -32768 else 0)
        days = local // day
        at = _put_date(out, 32 * r, days, precision)
        if precision > 8:
            at = _put_clock(out, at, local - days * day, precision)
            if offset == -32768:
                out[at] = 90
                at += 1
            else:
                out[at] = 45 if offset < 0 else 43
                at = _put(out, at + 1, abs(offset) // 60, 2)
                out[at] = 58
                at = _put(out, at + 1, abs(offset) % 60, 2)
        length[r] = at - 32 * r


def format_times(timestamp: pa.Array, precision: pa.Array, offset: pa.Array) -> pa.StringArray:
    """ISO 8601 text at the precision sent: 2024, 2024-03, 2024-03-01, 2024-03-01T09:30+01:00, 2024-03-01T08:30:00.25Z.

    timestamp: timestamp[us, UTC]; precision: int8; offset: int16 minutes. Above day precision the text shows the wall
    clock of its offset, or UTC with Z where none was sent; a date shows none. Null where the timestamp or its
    precision is null. Years are 1 to 9999.
    """
    instants = timestamp.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    digits = precision.fill_null(0).to_numpy(zero_copy_only=False).copy()
    digits[timestamp.is_null().to_numpy(zero_copy_only=False)] = 0
    minutes = offset.fill_null(_NO_OFFSET).to_numpy(zero_copy_only=False)
    n = len(instants)
    out, length = np.zeros(_WIDTH * (n + 1), np.uint8), np.empty(n, np.int64)
    _format(instants, digits, minutes, out, length)
    return strings(out, np.arange(n, dtype=np.int64) * _WIDTH, length)
