"""OBX-5 by its type (OBX-2; HL7 table 0125): numbers, codes and times, and what the value is to a privacy policy."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Category
from connectors.hl7v2 import ages, plain_values
from connectors.hl7v2.chunk import Segments, Values
from connectors.kernels.distinct import Told, spread
from connectors.kernels.gather import picked, strings
from connectors.kernels.numbers import numbers
from connectors.kernels.times import times

Booleans = npt.NDArray[np.bool_]

COMPONENTS: Final = (
    "value_code",
    "value_text",
    "value_code_system",
    "value_alternate_code",
    "value_alternate_text",
    "value_alternate_code_system",
)
"""Slots of OBX-5.1 to OBX-5.6."""
CODED: Final = ("CE", "CWE", "CNE", "CF")
SIMPLE_CODES: Final = ("ID", "IS")
TIMES: Final = ("DT", "TS", "DTM")
TIME_OF_DAY: Final = "TM"
TEXT_REPORTS: Final = ("TX", "FT")
COMPARATORS: Final = pa.array(["=", ">", "<", ">=", "<=", "<>", '""'])
SEPARATORS: Final = pa.array(["-", "+", "/", ".", ":", '""'])
"""What may stand in SN.1 and SN.3 (HL7 2.9, 2A.3.69), and the explicit null."""
_TRAILING: Final = 2
"""Bytes that may stand behind a number or time: empty components, or the one letter of TS.2."""
_LONGEST_TIME: Final = 26
"""Bytes of a time with four digits of a fraction and an offset (HL7 2.9, 2A.3.22), and what may stand behind it."""
_SMALL_DIGITS: Final = 6


@dataclass(frozen=True)
class Typed:
    """Columns derived from OBX-5. report, bad_number, bad_time: bool[n]; report: a line of a text report."""

    columns: dict[str, pa.Array]
    report: Booleans
    bad_number: Booleans
    bad_time: Booleans


@cache
def _categories() -> dict[str, dict[str, str]]:
    """`type` and `code` → key → category."""
    text = resources.files("connectors.hl7v2").joinpath("value_categories.csv").read_text("utf-8")
    found: dict[str, dict[str, str]] = {"type": {}, "code": {}}
    for row in csv.DictReader(text.splitlines()):
        found[row["kind"]][row["key"]] = row["category"]
    return found


class _Types:
    """The value types of n rows."""

    def __init__(self, column: pa.StringArray, told: Told) -> None:
        several = told.distinct(column)
        self.codes = several.places()
        self.names: list[str] = [(name or "").strip().upper() for name in several.values.to_pylist()]

    def occur(self, *wanted: str) -> bool:
        """Whether any row's type is one of them."""
        return not set(wanted).isdisjoint(self.names)

    def among(self, *wanted: str) -> Booleans:
        """bool[n]: whether the type is one of them."""
        of_type = np.array([*(name in wanted for name in self.names), False], np.bool_)
        rows: Booleans = picked(of_type, self.codes)
        return rows

    def mapped(self, values: dict[str, str], other: str) -> list[str]:
        """For each name, and last for no type: what it is mapped to."""
        return [*(values.get(name, other) for name in self.names), other]


class _Sent(NamedTuple):
    """OBX-5 of n rows as it was sent. slots: those of the COMPONENTS."""

    segments: Segments
    values: Values
    types: _Types
    slots: list[int]

    def fits(self, rows: Booleans, pattern: re.Pattern[str], slot: int | None = None) -> Booleans:
        """For each of the rows, given as bool[n]: whether the whole value, or that of a slot, is empty, null or what
        the pattern says."""
        values = self.values
        slot = values.layout.slot("value") if slot is None else slot
        return plain_values.matching(self.segments.text, values.start, values.length, slot, rows, pattern)


def typed(segments: Segments, values: Values, columns: dict[str, pa.Array], time_zone: str, told: Told) -> Typed:
    """Derives from OBX-5 what its type asks for, and leaves the components of coded values only where they are codes.

    columns: value_type, code, alternate_code and units, where any row has one. Changes the lengths of the COMPONENTS
    slots in `values`, so that they are to be gathered afterwards. told: gets to know of types, codes and categories.
    """
    types = _Types(columns.get("value_type", pa.nulls(len(values.message), pa.string())), told)
    sent = _Sent(segments, values, types, [values.layout.slot(name) for name in COMPONENTS])
    made: dict[str, pa.Array] = {}
    bad_number = _numbers(sent, made)
    bad_time = _times(sent, time_zone, made)
    rest = _rest(sent)
    strange = _strange(sent, rest, bad_number | bad_time)
    made["value_category"] = _category(sent, columns, made, rest, strange, told)
    coded = types.among(*CODED)
    values.masked(sent.slots[:1], coded | types.among(*SIMPLE_CODES))
    values.masked(sent.slots[1:], coded)
    return Typed(made, types.among(*TEXT_REPORTS), bad_number, bad_time)


def _rest(sent: _Sent) -> npt.NDArray[np.int32]:
    """int32[n]: bytes of OBX-5 behind its first component, of SN behind the last of its four."""
    values, slots = sent.values, sent.slots
    value = values.layout.slot("value")
    values.clear([value, *slots[:4]])
    rest: npt.NDArray[np.int32] = values.length[value] - values.length[slots[0]]
    if sent.types.occur("SN"):
        ends = [np.where(values.length[slot] > 0, values.start[slot] + values.length[slot], 0) for slot in slots[:4]]
        behind = values.start[value] + values.length[value] - np.maximum.reduce(ends)
        rest = np.where(sent.types.among("SN"), behind, rest)
    return rest


def _strange(sent: _Sent, rest: npt.NDArray[np.int32], bad: Booleans) -> Booleans:
    """Whether a row holds something else than the number or time that its type announces."""
    types = sent.types
    strange: Booleans = (bad | (rest > _TRAILING)) & types.among("NM", "SN", *TIMES)
    if types.occur(*TIMES):
        strange |= types.among(*TIMES) & (sent.values.length[sent.values.layout.slot("value")] > _LONGEST_TIME)
    for kind, pattern in (("NM", plain_values.QUANTITIES), (TIME_OF_DAY, plain_values.TIME_OF_DAY)):
        if types.occur(kind):
            doubtful = types.among(kind) & (strange | (kind == TIME_OF_DAY))
            strange[doubtful] = ~sent.fits(doubtful, pattern)
    if types.occur("NM", "SN"):
        strange |= _numbers_of_somebody(sent)
    return strange


def _numbers_of_somebody(sent: _Sent) -> Booleans:
    """Whether a row holds a number of seven digits or more without a unit: a measured one has a unit, while record
    numbers and dates have none."""
    values, units = sent.values, sent.values.layout.slot("units")
    somebody = np.zeros(len(values.message), np.bool_)
    values.clear([units])
    for kind, places in (("NM", (0,)), ("SN", (1, 3))):
        for slot in (sent.slots[place] for place in places):
            long = (values.length[slot] > _SMALL_DIGITS) & (values.length[units] == 0)
            if long.any():
                long &= sent.types.among(kind)
                somebody[np.flatnonzero(long)[~sent.fits(long, plain_values.SMALL, slot)]] = True
    return somebody


def _category(
    sent: _Sent,
    columns: dict[str, pa.Array],
    made: dict[str, pa.Array],
    rest: npt.NDArray[np.int32],
    strange: Booleans,
    told: Told,
) -> pa.StringArray:
    """The category of each row's value: by its type, and over it by its code, where it is what these announce."""
    text, words, types = Category.FREE_TEXT.value, Category.CODE_TEXT.value, sent.types
    names = types.mapped(_categories()["type"], text)
    known = sorted({*names, *_categories()["code"].values(), text, words, *ages.CATEGORIES})
    index: npt.NDArray[np.int32] = picked(np.array([known.index(name) for name in names], np.int32), types.codes)
    index[(rest > 0) & types.among(*CODED, *SIMPLE_CODES)] = known.index(words)
    announced = _announced(columns, known, len(index), told)
    if (announced >= 0).any():
        untyped = (announced >= 0) & ~types.among("NM", "SN", *TIMES, TIME_OF_DAY)
        strange = strange.copy()
        strange[untyped] = ~sent.fits(untyped, plain_values.AGE_OR_DATE)
        index = np.where(announced >= 0, announced, index)
    if "units" in columns:
        numbers = [made[name] for name in ("value_number", "value_second_number") if name in made]
        index = ages.by_unit(columns["units"], types.among("NM", "SN"), numbers, known, index, told)
    index[strange] = known.index(text)
    return told.column(spread(pa.array(known, pa.string()), index))


def _announced(columns: dict[str, pa.Array], known: list[str], n: int, told: Told) -> npt.NDArray[np.int32]:
    """int32[n]: the place among the known categories of the one that a row's code speaks of, else its alternate code;
    -1 where neither does."""
    special = _categories()["code"]
    keys, place = pa.array(list(special)), np.array([known.index(name) for name in special.values()], np.int32)
    announced = np.full(n, -1, np.int32)
    for name in ("alternate_code", "code"):
        if name in columns:
            several = told.distinct(columns[name])
            found = pc.index_in(several.values, keys)
            if found.null_count < len(found):
                at = picked(np.append(pc.fill_null(found, -1).to_numpy(), np.int32(-1)), several.places())
                announced = np.where(at >= 0, place[at], announced)
    return announced


def _numbers(sent: _Sent, made: dict[str, pa.Array]) -> Booleans:
    """NM, and SN (comparator ^ number ^ separator ^ second number)."""
    segments, values, types, slots = sent
    if not types.occur("NM", "SN") or not values.totals[slots[:4]].any():
        return np.zeros(len(types.codes), np.bool_)
    values.clear(slots[:4])
    start, length = values.start[slots[0]], values.length[slots[0]] * types.among("NM")
    if not types.occur("SN"):
        made["value_number"], bad = numbers(segments.text, start, length)
        return bad
    structured = types.among("SN")
    parts = [(values.start[slot], values.length[slot] * structured) for slot in slots[:4]]
    first = np.where(structured, parts[1][0], start), length + parts[1][1]
    made["value_number"], bad = numbers(segments.text, *first)
    made["value_second_number"], also_bad = numbers(segments.text, *parts[3])
    bad = bad | also_bad
    for name, part, known in (
        ("value_comparator", parts[0], COMPARATORS),
        ("value_separator", parts[2], SEPARATORS),
    ):
        text = strings(segments.text, *part)
        fine = pc.is_in(text, value_set=known)
        made[name] = pc.if_else(fine, text, None)
        bad |= (part[1] > 0) & ~fine.to_numpy(zero_copy_only=False)
    return bad


def _times(sent: _Sent, time_zone: str, made: dict[str, pa.Array]) -> Booleans:
    """DT, TS and DTM. A time of day (TM) has no date: it stays text."""
    segments, values, types, (slot, *_) = sent
    if not types.occur(*TIMES) or not values.totals[slot]:
        return np.zeros(len(types.codes), np.bool_)
    found = times(segments.text, values.start[slot], values.length[slot] * types.among(*TIMES), time_zone)
    made["value_time"] = found.timestamp
    made["value_time_precision"] = found.precision
    made["value_time_offset"] = found.offset
    return found.bad
