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
    made: dict[str, pa.Array] = {"value_category": _category(types, columns, told)}
    bad_number = _numbers(segments, values, slots, types, made)
    bad_time = _times(segments, values, slots[0], types, time_zone, made)
    coded = types.among(*CODED)
    values.masked(slots[:1], coded | types.among(*SIMPLE_CODES))
    values.masked(slots[1:], coded)
    return Typed(made, types.among(*TEXT_REPORTS), bad_number, bad_time)


def _category(types: _Types, columns: dict[str, pa.Array], told: Told) -> pa.StringArray:
    """The category of each row's value: by its type, and over it by its code."""
    other = Category.FREE_TEXT.value
    names = types.mapped(_categories()["type"], other)
    known = sorted({*names, *_categories()["code"].values()})
    index: npt.NDArray[np.int32] = picked(np.array([known.index(name) for name in names], np.int32), types.codes)
    special = _categories()["code"]
    keys, place = pa.array(list(special)), np.array([known.index(name) for name in special.values()], np.int32)
    for name in ("alternate_code", "code"):
        if name in columns:
            several = told.distinct(columns[name])
            found = pc.index_in(several.values, keys)
            if found.null_count < len(found):
                at = picked(np.append(pc.fill_null(found, -1).to_numpy(), np.int32(-1)), several.places())
                index = np.where(at >= 0, place[at], index)
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
    made["value_comparator"] = strings(segments.text, *parts[0])
    made["value_separator"] = strings(segments.text, *parts[2])
    made["value_second_number"], also_bad = numbers(segments.text, *parts[3])
    return bad | also_bad


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
