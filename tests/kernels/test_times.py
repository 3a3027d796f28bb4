"""Times against Python's datetime and zoneinfo."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import spans_of

from connectors.kernels.times import format_times, times

FORM = re.compile(r" *(\d{4}|\d{6}|\d{8}|\d{10}|\d{12}|\d{14}(?:\.(\d*))?)([+-]\d{4})? *", re.ASCII)
ZONE = "America/New_York"


def twin(text: str, zone: str) -> tuple[datetime, int, int | None] | None:
    """Instant, precision and offset of one time, null where it is none."""
    match = FORM.fullmatch(text)
    if not match:
        return None
    digits, _, fraction = match[1].partition(".")
    parts = [int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, len(digits), 2))]
    parts += [1, 1, 0, 0, 0, 0][len(parts) :] if len(parts) > 2 else [1] * (3 - len(parts))
    try:
        local = datetime(*parts[:6], int(f"{fraction:0<6.6}" or 0))
    except ValueError:
        return None
    precision = len(digits) + min(len(fraction), 4)
    try:
        return in_utc(local, precision, match[3], zone)
    except OverflowError:
        return None


def in_utc(local: datetime, precision: int, sent: str | None, zone: str) -> tuple[datetime, int, int | None] | None:
    """As twin, of a reading of the clock. sent: the offset."""
    if sent is None:
        return local.replace(tzinfo=ZoneInfo(zone) if precision > 8 else UTC).astimezone(UTC), precision, None
    hours, minutes = int(sent[1:3]), int(sent[3:])
    if hours > 23 or minutes > 59:
        return None
    offset = (hours * 60 + minutes) * (-1 if sent[0] == "-" else 1)
    return (local - timedelta(minutes=offset)).replace(tzinfo=UTC), precision, offset


DIGITS = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31)).map(lambda d: d.strftime("%Y%m%d%H%M%S"))
TEXTS = st.one_of(
    st.tuples(
        DIGITS, st.sampled_from([4, 6, 8, 10, 12, 14]), st.sampled_from(["", "+0100", "-0530", "+2400", "Z"])
    ).map(lambda t: t[0][: t[1]] + t[2]),
    st.tuples(DIGITS, st.from_regex(r"\A\.[0-9]{0,7}\Z"), st.sampled_from(["", "-0500", "  "])).map("".join),
    st.from_regex(r"\A[0-9]{4,15}[+-]?[0-9]{0,5}\Z"),
    st.sampled_from(
        ["00000000", "20241301", "20230229", "20240229", "2024010124", "202401010060", "2024-01-01", "00010101"]
    ),
    st.sampled_from(["20240310023000", "20241103013000", "202403100230", " 2024", "unknown", "20240101."]),
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20), st.sampled_from(["UTC", ZONE, "Europe/Berlin", "Asia/Kolkata"]))
def test_any_time_agrees_with_the_twin(texts: list[str], zone: str) -> None:
    found = times(*spans_of([t.encode() for t in texts]), zone)
    want = [twin(t, zone) for t in texts]
    assert found.timestamp.to_pylist() == [w and w[0] for w in want]
    assert found.precision.to_pylist() == [w and w[1] for w in want]
    assert found.offset.to_pylist() == [w and w[2] for w in want]
    assert found.bad.tolist() == [w is None for w in want]


def test_null_empty_and_the_explicit_null_are_null_and_not_bad() -> None:
    found = times(*spans_of([None, b"", b'""', b"   "]), ZONE)
    assert (found.timestamp.null_count, found.precision.null_count, found.bad.tolist()) == (4, 4, [False] * 4)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        (b"20241103013000", datetime(2024, 11, 3, 5, 30, tzinfo=UTC)),  # the first of the two readings
        (b"20240310023000", datetime(2024, 3, 10, 7, 30, tzinfo=UTC)),  # never was: the offset before holds
        (b"20240310", datetime(2024, 3, 10, tzinfo=UTC)),
        (b"2024031000", datetime(2024, 3, 10, 5, tzinfo=UTC)),
        (b"20240310-0500", datetime(2024, 3, 10, 5, tzinfo=UTC)),
    ],
)
def test_the_zone_of_the_site_is_applied_above_day_precision(text: bytes, instant: datetime) -> None:
    assert times(*spans_of([text]), ZONE).timestamp.to_pylist() == [instant]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"2024", "2024"),
        (b"202403", "2024-03"),
        (b"20240301", "2024-03-01"),
        (b"20240301+0100", "2024-03-01"),
        (b"2024030109", "2024-03-01T09Z"),
        (b"202403010930+0100", "2024-03-01T09:30+01:00"),
        (b"20240301093015-0530", "2024-03-01T09:30:15-05:30"),
        (b"20240301093015.25", "2024-03-01T09:30:15.25Z"),
        (b"19691231235959.9999", "1969-12-31T23:59:59.9999Z"),
        (b"00010101", "0001-01-01"),
        (b"99991231235959", "9999-12-31T23:59:59Z"),
        (b"nonsense", None),
    ],
)
def test_iso_text_shows_what_was_sent(text: bytes, shown: str | None) -> None:
    assert format_times(*times(*spans_of([text]))[:3]).to_pylist() == [shown]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-1439, 1439)), min_size=1)
)
def test_iso_text_at_seconds_is_that_of_python(rows: list[tuple[datetime, int]]) -> None:
    aware = [d.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=m))) for d, m in rows]
    texts = [f"{d:%m%d%H%M%S}" for d in aware]
    sent = [
        f"{d.year:04}{t}{'-' if m < 0 else '+'}{abs(m) // 60:02}{abs(m) % 60:02}".encode()
        for d, t, (_, m) in zip(aware, texts, rows, strict=True)
    ]
    assert format_times(*times(*spans_of(sent))[:3]).to_pylist() == [d.isoformat() for d in aware]


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        (b"99991231235959", "America/New_York"),
        (b"9999123119", "America/New_York"),
        (b"00010101000000", "Europe/Berlin"),
        (b"000101010000", "Asia/Kolkata"),
        (b"99991231235959-0500", "UTC"),
        (b"99991231235959.9999-0001", "UTC"),
        (b"9999-0001", "America/New_York"),
        (b"99991231-0001", "UTC"),
        (b"00010101000000+0100", "UTC"),
    ],
)
def test_an_instant_outside_the_years_1_to_9999_is_bad(text: bytes, zone: str) -> None:
    found = times(*spans_of([b"2024", text]), zone)
    assert found.bad.tolist() == [False, twin(text.decode(), zone) is None]


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        (b"99991231235959", "UTC", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"99991231235959", "Asia/Kolkata", datetime(9999, 12, 31, 18, 29, 59, tzinfo=UTC)),
        (b"99991231185959", "America/New_York", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"99991231", "America/New_York", datetime(9999, 12, 31, tzinfo=UTC)),
        (b"00010101000000", "UTC", datetime(1, 1, 1, tzinfo=UTC)),
        (b"00010101000000-0100", "UTC", datetime(1, 1, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_first_and_the_last_instants_are_times(text: bytes, zone: str, instant: datetime) -> None:
    found = times(*spans_of([text]), zone)
    assert (found.timestamp.to_pylist(), found.bad.tolist()) == ([instant], [False])
