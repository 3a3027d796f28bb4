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
from connectors.kernels.gather import strings
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

    def __init__(self, column: pa.StringArray) -> None:
        coded = pc.fill_null(column, "").dictionary_encode()
        self.codes = np.asarray(coded.indices.to_numpy(), np.int64)
        self.names: list[str] = [name.strip().upper() for name in coded.dictionary.to_pylist()]

    def among(self, *wanted: str) -> Booleans:
        """bool[n]: whether the type is one of them."""
        return np.array([*(name in wanted for name in self.names), False], np.bool_)[self.codes]

    def mapped(self, values: dict[str, str], other: str) -> npt.NDArray[np.object_]:
        return np.array([*(values.get(name, other) for name in self.names), other], np.object_)


def typed(segments: Segments, values: Values, columns: dict[str, pa.Array], time_zone: str) -> Typed:
    """Derives from OBX-5 what its type asks for, and leaves the components of coded values only where they are codes.

    columns: value_type, code and alternate_code, where any row has one. Changes the lengths of the COMPONENTS slots in
    `values`, so that they are to be gathered afterwards.
    """
    n = len(values.message)
    types = _Types(columns.get("value_type", pa.nulls(n, pa.string())))
    slots = [values.layout.slot(name) for name in COMPONENTS]
    made: dict[str, pa.Array] = {"value_category": _category(types, columns, n)}
    bad_number = _numbers(segments, values, slots, types, made)
    bad_time = _times(segments, values, slots[0], types, time_zone, made)
    coded = types.among(*CODED)
    values.masked(slots[:1], coded | types.among(*SIMPLE_CODES))
    values.masked(slots[1:], coded)
    return Typed(made, types.among(*TEXT_REPORTS), bad_number, bad_time)


def _category(types: _Types, columns: dict[str, pa.Array], n: int) -> pa.StringArray:
    """The category of each row's value: by its type, and over it by its code."""
    other = Category.FREE_TEXT.value
    names = types.mapped(_categories()["type"], other)
    known = sorted({*names, *_categories()["code"].values()})
    index = np.array([known.index(name) for name in names], np.int64)[types.codes]
    special = _categories()["code"]
    keys, place = pa.array(list(special)), np.array([known.index(name) for name in special.values()])
    for name in ("alternate_code", "code"):
        if name in columns:
            at = pc.fill_null(pc.index_in(columns[name], keys), -1).to_numpy()
            if (at >= 0).any():
                index[at >= 0] = place[at[at >= 0]]
    return pa.array(known, pa.string()).take(pa.array(index))


def _numbers(
    segments: Segments, values: Values, slots: list[int], types: _Types, made: dict[str, pa.Array]
) -> Booleans:
    """NM, and SN (comparator ^ number ^ separator ^ second number)."""
    plain, structured = types.among("NM"), types.among("SN")
    if not (plain | structured).any() or not values.totals[slots[:4]].any():
        return np.zeros(len(plain), np.bool_)
    start, length = values.start[slots[:4]], values.length[slots[:4]]
    first_start = np.where(structured, start[1], start[0])
    first_length = np.where(structured, length[1], length[0] * plain)
    made["value_number"], bad = numbers(segments.text, first_start, first_length)
    if structured.any():
        made["value_comparator"] = strings(segments.text, start[0], length[0] * structured)
        made["value_separator"] = strings(segments.text, start[2], length[2] * structured)
        made["value_second_number"], also_bad = numbers(segments.text, start[3], length[3] * structured)
        bad = bad | also_bad
    return bad


def _times(
    segments: Segments, values: Values, slot: int, types: _Types, time_zone: str, made: dict[str, pa.Array]
) -> Booleans:
    """DT, TS and DTM. A time of day (TM) has no date: it stays text."""
    rows = types.among(*TIMES)
    if not rows.any() or not values.totals[slot]:
        return np.zeros(len(rows), np.bool_)
    found = times(segments.text, values.start[slot], values.length[slot] * rows, time_zone)
    made["value_time"] = found.timestamp
    made["value_time_precision"] = found.precision
    made["value_time_offset"] = found.offset
    return found.bad
