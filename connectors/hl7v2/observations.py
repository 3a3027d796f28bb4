"""OBX-5 by its type (OBX-2; HL7 table 0125): numbers, codes and times, and what the value is to a privacy policy."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Category
from connectors.hl7v2 import plain_values
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


def typed(segments: Segments, values: Values, columns: dict[str, pa.Array], time_zone: str, told: Told) -> Typed:
    """Derives from OBX-5 what its type asks for, and leaves the components of coded values only where they are codes.

    columns: value_type, code and alternate_code, where any row has one. Changes the lengths of the COMPONENTS slots in
    `values`, so that they are to be gathered afterwards. told: gets to know of types, codes and categories.
    """
    types = _Types(columns.get("value_type", pa.nulls(len(values.message), pa.string())), told)
    slots = [values.layout.slot(name) for name in COMPONENTS]
    made: dict[str, pa.Array] = {}
    bad_number = _numbers(segments, values, slots, types, made)
    bad_time = _times(segments, values, slots[0], types, time_zone, made)
    rest = _rest(values, slots, types)
    strange = _strange(segments, values, types, rest, bad_number | bad_time)
    made["value_category"] = _category(segments, values, types, columns, rest, strange, told)
    coded = types.among(*CODED)
    values.masked(slots[:1], coded | types.among(*SIMPLE_CODES))
    values.masked(slots[1:], coded)
    return Typed(made, types.among(*TEXT_REPORTS), bad_number, bad_time)


def _rest(values: Values, slots: list[int], types: _Types) -> npt.NDArray[np.int32]:
    """int32[n]: bytes of OBX-5 behind its first component, of SN behind the last of its four."""
    value = values.layout.slot("value")
    values.clear([value, *slots[:4]])
    rest: npt.NDArray[np.int32] = values.length[value] - values.length[slots[0]]
    if types.occur("SN"):
        ends = [np.where(values.length[slot] > 0, values.start[slot] + values.length[slot], 0) for slot in slots[:4]]
        behind = values.start[value] + values.length[value] - np.maximum.reduce(ends)
        rest = np.where(types.among("SN"), behind, rest)
    return rest


def _strange(segments: Segments, values: Values, types: _Types, rest: npt.NDArray[np.int32], bad: Booleans) -> Booleans:
    """Whether a row holds something else than the number or time that its type announces."""
    value = values.layout.slot("value")
    strange: Booleans = (bad | (rest > _TRAILING)) & types.among("NM", "SN", *TIMES)
    for kind, pattern in (("NM", plain_values.QUANTITIES), (TIME_OF_DAY, plain_values.TIME_OF_DAY)):
        if types.occur(kind):
            doubtful = types.among(kind) & (strange | (kind == TIME_OF_DAY))
            strange[doubtful] = ~plain_values.matching(
                segments.text, values.start, values.length, value, doubtful, pattern
            )
    return strange


def _category(
    segments: Segments,
    values: Values,
    types: _Types,
    columns: dict[str, pa.Array],
    rest: npt.NDArray[np.int32],
    strange: Booleans,
    told: Told,
) -> pa.StringArray:
    """The category of each row's value: by its type, and over it by its code, where it is what these announce."""
    text, words = Category.FREE_TEXT.value, Category.CODE_TEXT.value
    names = types.mapped(_categories()["type"], text)
    special = _categories()["code"]
    known = sorted({*names, *special.values(), text, words})
    index: npt.NDArray[np.int32] = picked(np.array([known.index(name) for name in names], np.int32), types.codes)
    index[(rest > 0) & types.among(*CODED, *SIMPLE_CODES)] = known.index(words)
    keys, place = pa.array(list(special)), np.array([known.index(name) for name in special.values()], np.int32)
    announced = np.full(len(index), -1, np.int32)
    for name in ("alternate_code", "code"):
        if name in columns:
            several = told.distinct(columns[name])
            found = pc.index_in(several.values, keys)
            if found.null_count < len(found):
                at = picked(np.append(pc.fill_null(found, -1).to_numpy(), np.int32(-1)), several.places())
                announced = np.where(at >= 0, place[at], announced)
    if (announced >= 0).any():
        value = values.layout.slot("value")
        untyped = (announced >= 0) & ~types.among("NM", "SN", *TIMES, TIME_OF_DAY)
        plain = plain_values.matching(
            segments.text, values.start, values.length, value, untyped, plain_values.AGE_OR_DATE
        )
        strange = strange.copy()
        strange[untyped] = ~plain
        index = np.where(announced >= 0, announced, index)
    index[strange] = known.index(text)
    return told.column(spread(pa.array(known, pa.string()), index))


def _numbers(
    segments: Segments, values: Values, slots: list[int], types: _Types, made: dict[str, pa.Array]
) -> Booleans:
    """NM, and SN (comparator ^ number ^ separator ^ second number)."""
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
        sent = strings(segments.text, *part)
        fine = pc.is_in(sent, value_set=known)
        made[name] = pc.if_else(fine, sent, None)
        bad |= (part[1] > 0) & ~fine.to_numpy(zero_copy_only=False)
    return bad


def _times(
    segments: Segments, values: Values, slot: int, types: _Types, time_zone: str, made: dict[str, pa.Array]
) -> Booleans:
    """DT, TS and DTM. A time of day (TM) has no date: it stays text."""
    if not types.occur(*TIMES) or not values.totals[slot]:
        return np.zeros(len(types.codes), np.bool_)
    found = times(segments.text, values.start[slot], values.length[slot] * types.among(*TIMES), time_zone)
    made["value_time"] = found.timestamp
    made["value_time_precision"] = found.precision
    made["value_time_offset"] = found.offset
    return found.bad
