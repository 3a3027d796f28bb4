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
_POSITION: Final = re.compile(r"([A-Z][A-Z0-9]{1,2}(?:@[a-z]+)?)[-.](\d+)(?:\.(\d+))?(?:\.(\d+))?")
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

    wholes: int32[w, 2], field and the slot that it fills. heads: int32[h, 2], the same for fields of whose components
    only the first is wanted. parted: int32[p, 3], field and which numbers of the entries are its. All three are in the
    order of fields, so that the end of a segment ends them. entries: int32[e, 3], component, subcomponent and slot
    (subcomponent 0 for the whole component), those of a field in order. places: int32[w + h + e], the slots.
    header: the segment is MSH, whose first field is the separator itself. shared: some slot has several positions.
    fields: one more than the last field.
    """

    name: str
    wholes: npt.NDArray[np.int32]
    heads: npt.NDArray[np.int32]
    parted: npt.NDArray[np.int32]
    entries: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]
    header: bool
    shared: bool
    fields: int


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
    """The layout of any columns. Raises ConfigError for a position that does not read, or that two columns take, and
    for a column that takes two positions of one segment.
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
    of_field: dict[int, list[tuple[int, int, int]]] = {}
    for slot, field, component, subcomponent in places:
        of_field.setdefault(field, []).append((component, subcomponent, slot))
    wholes: list[tuple[int, ...]] = []
    heads: list[tuple[int, ...]] = []
    parted: list[tuple[int, ...]] = []
    entries: list[tuple[int, ...]] = []
    for field, wanted in sorted(of_field.items()):
        wholes += [(field, slot) for component, _, slot in wanted if not component]
        parts = sorted(entry for entry in wanted if entry[0])
        if len(parts) == 1 and parts[0][:2] == (1, 0):
            heads.append((field, parts[0][2]))
        elif parts:
            parted.append((field, 3 * len(entries), 3 * (len(entries) + len(parts))))
            entries += parts
    shapes = ((wholes, 2), (heads, 2), (parted, 3), (entries, 3))
    made = [np.array(rows, np.int32).reshape(-1, n) for rows, n in shapes]
    return Source(
        name=name.split("@")[0],
        wholes=made[0],
        heads=made[1],
        parted=made[2],
        entries=made[3],
        places=np.concatenate((made[0][:, 1], made[1][:, 1], made[3][:, 2])),
        header=name == "MSH",
        shared=any(place[0] in several for place in places),
        fields=1 + max(2, *of_field),
    )
