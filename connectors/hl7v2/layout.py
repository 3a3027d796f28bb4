"""The columns of the tables, read from columns.csv: their specs, and the arrays that tell the kernels what to look for.

A row of columns.csv whose type is text, time, number, integer or authority names the positions that the value is taken
from: "PID-5.1.1" is the first subcomponent of the first component of the first repetition, "PID-13" a field with all
its repetitions. Of several positions the first that holds a value counts. Any other type is derived by code.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.contract import LINEAGE, Category, Column, TableSpec
from connectors.errors import ConfigError

TEXTS: Final = ("text", "authority")
LOCATED: Final = (*TEXTS, "time", "number", "integer")
TIME: Final = pa.timestamp("us", "UTC")
_ALL_TABLES: Final = "*"
_DIGITS: Final = "4 year, 6 month, 8 day, 10 hour, 12 minute, 14 second, 15 to 18 with a fraction"
_POSITION: Final = re.compile(r"([A-Z][A-Z0-9]{1,2}(?:@[a-z]+)?)[-.]([1-9]\d*)(?:\.([1-9]\d*))?(?:\.([1-9]\d*))?")
_TYPES: Final[Mapping[str, pa.DataType]] = {
    "text": pa.string(),
    "authority": pa.string(),
    "time": TIME,
    "number": pa.float64(),
    "integer": pa.int64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp": TIME,
    "list<string>": pa.list_(pa.string()),
}


@dataclass(frozen=True, slots=True)
class Source:
    """What the kernel looks for in one kind of segment.

    entries: int32[e, 4], component and subcomponent, 0 for the whole field or component, slot, and whether the slot has
    several positions, in the order of fields, components and subcomponents. bounds: int32[fields + 1], where those of
    each field begin, and where the last end. header: the segment is MSH, whose first field is the separator itself, and
    with the second one text: those two are one of `bounds`.
    """

    name: str
    bounds: npt.NDArray[np.int32]
    entries: npt.NDArray[np.int32]
    header: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """A located column: its kind (one of LOCATED), the positions that it is taken from, and its Column.authority."""

    name: str
    kind: str
    positions: tuple[str, ...]
    authority: str = ""


@dataclass(frozen=True)
class Layout:
    """The located columns of a table, in the order of the spec, and what is looked for in each kind of segment.

    Sources are in the order of precedence of columns that several of them may fill.
    """

    slots: tuple[Slot, ...]
    sources: Mapping[str, Source]

    @cached_property
    def texts(self) -> list[int]:
        """The slots whose values are columns as they stand."""
        return [index for index, slot in enumerate(self.slots) if slot.kind in TEXTS]

    @cached_property
    def parsed(self) -> list[int]:
        """The other slots: what they hold becomes times and numbers."""
        return [index for index, slot in enumerate(self.slots) if slot.kind not in TEXTS]

    @cached_property
    def authorities(self) -> Mapping[int, npt.NDArray[np.int64]]:
        """Slots of assigning authorities → those of the identifiers that they are for."""
        given = {slot.authority for slot in self.slots} - {""}
        return {
            index: np.array([i for i, other in enumerate(self.slots) if other.authority == slot.name], np.int64)
            for index, slot in enumerate(self.slots)
            if slot.kind == "authority" and slot.name in given
        }

    def slot(self, name: str) -> int:
        """The index of the slot of that name."""
        return next(i for i, slot in enumerate(self.slots) if slot.name == name)


@dataclass(frozen=True, slots=True)
class _Row:
    table: str
    column: str
    position: str
    type: str
    category: str
    description: str
    authority: str
    routed_by: str
    companion_of: str


@cache
def _rows(file: str) -> tuple[_Row, ...]:
    text = resources.files("connectors.hl7v2").joinpath(file).read_text("utf-8")
    return tuple(_Row(**row) for row in csv.DictReader(text.splitlines()))


@cache
def _descriptions() -> dict[str, dict[str, str]]:
    text = resources.files("connectors.hl7v2").joinpath("tables.csv").read_text("utf-8")
    return {row["table"]: row for row in csv.DictReader(text.splitlines())}


@cache
def specs() -> Mapping[str, TableSpec]:
    """Every table of the format by name. Raises ConfigError for a column without a known category or type."""
    return {name: _spec(name, row) for name, row in _descriptions().items()}


def _spec(name: str, row: Mapping[str, str]) -> TableSpec:
    common = [r for r in _rows("columns.csv") if r.table == _ALL_TABLES]
    own = [r for r in _rows("columns.csv") if r.table == name]
    named = {r.column for r in own}
    columns: list[Column] = []
    for each in (*own, *(r for r in common if r.column not in named)):
        if row["record_table"] and each.column == "segment_index":
            continue
        columns.extend(_columns(each))
    return TableSpec(name, row["description"], (*columns, *LINEAGE), bool(row["identified_only"]))


def _columns(row: _Row) -> list[Column]:
    if row.type not in _TYPES:
        raise ConfigError("TABLE_COLUMNS", f"column {row.table}.{row.column} has no known type")
    try:
        category = Category(row.category)
    except ValueError:
        raise ConfigError("TABLE_CATEGORY", f"column {row.table}.{row.column} has no PHI category") from None
    position = row.position.replace("@parent", "")
    main = Column(
        row.column,
        _TYPES[row.type],
        category,
        row.description,
        position,
        row.routed_by,
        row.authority,
        row.companion_of,
    )
    if row.type != "time":
        return [main]
    precision = f"Digits that were sent of {row.column}: {_DIGITS}."
    offset = f"Minutes from UTC that were sent with {row.column}; null where none was."
    return [
        main,
        Column(f"{row.column}_precision", pa.int8(), category, precision, position, companion_of=row.column),
        Column(f"{row.column}_offset", pa.int16(), category, offset, position, companion_of=row.column),
    ]


@cache
def layout(table: str) -> Layout:
    """The located columns of a table."""
    located = [r for r in _rows("columns.csv") if r.table == table and r.type in LOCATED]
    return make_layout([Slot(r.column, r.type, tuple(r.position.split(" ")), r.authority) for r in located])


def make_layout(slots: list[Slot]) -> Layout:
    """The layout of any columns. MSH-1 is what MSH-1 and MSH-2 hold, as one text.

    Raises ConfigError for a position that does not read, or that two columns take, for a column that takes two
    positions of one segment, and for MSH-2 and parts of MSH-1.
    """
    wanted: dict[str, list[tuple[int, int, int, int]]] = {}
    for index, slot in enumerate(slots):
        for position in slot.positions:
            match = _POSITION.fullmatch(position)
            if match is None:
                raise ConfigError("TABLE_COLUMNS", f"column {slot.name} has no known position")
            field, component, subcomponent = (int(part or 0) for part in match.groups()[1:])
            if match[1] == "CX":
                field, component, subcomponent = 1, field, component
            wanted.setdefault(match[1], []).append((index, field, component, subcomponent))
    order = {_segment(position): None for slot in slots if len(slot.positions) > 1 for position in slot.positions}
    ordered = [*(name for name in order if name in wanted), *(name for name in wanted if name not in order)]
    several = {index for index, slot in enumerate(slots) if len(slot.positions) > 1}
    return Layout(tuple(slots), {name: _source(name, wanted[name], several) for name in ordered})


def _segment(position: str) -> str:
    return position.replace(".", "-").partition("-")[0]


def _source(name: str, places: list[tuple[int, int, int, int]], several: set[int]) -> Source:
    if len({place[1:] for place in places}) < len(places):
        raise ConfigError("TABLE_COLUMNS", f"two columns take the same position of {name}")
    if len({place[0] for place in places}) < len(places):
        raise ConfigError("TABLE_COLUMNS", f"a column takes two positions of {name}")
    header = name == "MSH"
    if header and any(field == 2 or (field == 1 and component) for _, field, component, _ in places):
        raise ConfigError("TABLE_COLUMNS", "the separators of MSH are one text, MSH-1, which has no parts")
    entries = sorted((max(field - header, 1), *parts, slot) for slot, field, *parts in places)
    fields = np.array([entry[0] for entry in entries])
    return Source(
        name=name.split("@")[0],
        bounds=np.searchsorted(fields, np.arange(1, fields[-1] + 2)).astype(np.int32),
        entries=np.array([(*entry[1:], entry[-1] in several) for entry in entries], np.int32),
        header=header,
    )
