"""Which row of which table each segment belongs to, and which segments belong together.

A table's row begins at a leading segment; an attached one (PD1 behind PID, RXR behind RXE, OBR behind ORC) joins the
open row of its table unless that has one of its kind already, in which case it begins a row of its own. A message is
one row, whatever it repeats: of several EVN the first counts.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.hl7v2.locate import NAMES, name_code
from connectors.kernels.gather import is_all

Positions = npt.NDArray[np.int32]

TABLES: Final = (
    "hl7v2_messages",
    "hl7v2_patients",
    "hl7v2_visits",
    "hl7v2_orders",
    "hl7v2_observations",
    "hl7v2_pharmacy",
    "hl7v2_diagnoses",
    "hl7v2_allergies",
    "hl7v2_contacts",
    "hl7v2_notes",
)
"""Tables whose rows are made of segments."""
_MESSAGES, _PATIENTS, _VISITS, _ORDERS, _OBSERVATIONS, _PHARMACY, _DIAGNOSES, _ALLERGIES, _CONTACTS, _NOTES = range(10)
_LEADING: Final = ("MSH", "PID", "PV1", "ORC", "OBX", "RXO", "RXE", "RXD", "RXG", "RXA", "RXC", "DG1", "AL1", "IAM")
_TABLE_OF: Final[Mapping[str, int]] = {
    "MSH": _MESSAGES,
    "EVN": _MESSAGES,
    "PID": _PATIENTS,
    "PD1": _PATIENTS,
    "PV1": _VISITS,
    "PV2": _VISITS,
    "ORC": _ORDERS,
    "OBR": _ORDERS,
    "OBX": _OBSERVATIONS,
    "RXO": _PHARMACY,
    "RXE": _PHARMACY,
    "RXD": _PHARMACY,
    "RXG": _PHARMACY,
    "RXA": _PHARMACY,
    "RXR": _PHARMACY,
    "RXC": _PHARMACY,
    "DG1": _DIAGNOSES,
    "AL1": _ALLERGIES,
    "IAM": _ALLERGIES,
    "NK1": _CONTACTS,
    "GT1": _CONTACTS,
    "IN1": _CONTACTS,
    "NTE": _NOTES,
    "SPM": -1,
}
KINDS: Final = tuple(_TABLE_OF)
_MSH, _PID, _ORC, _OBR, _NTE, _SPM = (KINDS.index(name) for name in ("MSH", "PID", "ORC", "OBR", "NTE", "SPM"))
NONE: Final = -1


@dataclass(frozen=True)
class Relations:
    """For each of k segments, int32[k] each, NONE where there is none.

    kind: index into KINDS. row: its row in its table. patient: the PID row it belongs to; before the first PID of a
    message that first one. order: row of hl7v2_orders. request: the OBR segment. specimen: the SPM segment. parent:
    the segment before it that is no note (for notes). index: its place in its message.
    leads: for each of TABLES the first segment of each row. of_kind: for each of KINDS its segments in order.
    """

    kind: Positions
    row: Positions
    patient: Positions
    order: Positions
    request: Positions
    specimen: Positions
    parent: Positions
    index: Positions
    leads: tuple[Positions, ...]
    of_kind: tuple[Positions, ...]


def kind_table(kind: str) -> str:
    """The table that a kind of segment makes rows of, or belongs to; empty for none."""
    table = _TABLE_OF[kind]
    return TABLES[table] if table >= 0 else ""


@cache
def _kind_of_name() -> npt.NDArray[np.int8]:
    kinds = np.full(NAMES, NONE, np.int8)
    for index, name in enumerate(KINDS):
        kinds[name_code(name)] = index
    return kinds


@cache
def _roles() -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Of each kind: its table, and whether it always begins a row."""
    tables = np.array([_TABLE_OF[name] for name in KINDS], np.int8)
    leading = np.array([name in _LEADING or _TABLE_OF[name] in (_CONTACTS, _NOTES) for name in KINDS], np.bool_)
    return tables, leading


def relate(message: Positions, name: Positions) -> Relations:
    """The relations of segments that stand in order: the message and the number of the name of each."""
    k = len(message)
    out = np.empty((8, k), np.int32)
    rows = np.zeros(len(TABLES), np.int32)
    tables, leading = _roles()
    _relate(message, name, _kind_of_name(), tables, leading, out, rows)
    kind, row, patient, order, request, specimen, parent, index = out
    leads, in_order = np.full(rows.sum(), NONE, np.int32), np.empty(k, np.int32)
    row_bounds, kind_bounds = np.append(0, np.cumsum(rows)), np.zeros(len(KINDS) + 2, np.int64)
    _group(kind, row, tables, row_bounds, kind_bounds, leads, in_order)
    return Relations(
        kind,
        row,
        patient,
        order,
        request,
        specimen,
        parent,
        index,
        tuple(leads[row_bounds[i] : row_bounds[i + 1]] for i in range(len(TABLES))),
        tuple(in_order[kind_bounds[i] : kind_bounds[i + 1]] for i in range(len(KINDS))),
    )


def by_row(segments: Positions, rows: Positions, count: int) -> Positions:
    """int32[count]: the segment of each row, NONE where there is none, of several the first. rows: int32, the row of
    each segment."""
    if is_all(rows, count):
        return segments
    made = np.full(count, NONE, np.int32)
    made[rows[::-1]] = segments[::-1]
    return made


@njit(cache=True, nogil=True)
def _group(
    kind: Positions,
    row: Positions,
    tables: npt.NDArray[np.int8],
    row_bounds: npt.NDArray[np.int64],
    kind_bounds: npt.NDArray[np.int64],
    leads: Positions,
    in_order: Positions,
) -> None:
    """leads[row_bounds[t] + r]: the first segment of row r of table t. in_order[kind_bounds[k]:kind_bounds[k + 1]]:
    the segments of kind k in order."""
    for k in kind:
        if k >= 0:
            kind_bounds[k + 2] += 1
    for k in range(1, kind_bounds.size):
        kind_bounds[k] += kind_bounds[k - 1]
    for s in range(kind.size):
        k = kind[s]
        if k < 0:
            continue
        in_order[kind_bounds[k + 1]] = s
        kind_bounds[k + 1] += 1
        if row[s] >= 0 and leads[row_bounds[tables[k]] + row[s]] < 0:
            leads[row_bounds[tables[k]] + row[s]] = s


@njit(cache=True, nogil=True)
def _relate(
    message: Positions,
    name: Positions,
    kind_of_name: npt.NDArray[np.int8],
    tables: npt.NDArray[np.int8],
    leading: npt.NDArray[np.bool_],
    out: npt.NDArray[np.int32],
    rows: Positions,
) -> None:
    """out: the eight arrays of Relations; rows: how many rows each table has. A bit of is_open says that the row of a
    table is open."""
    kind, row, patient, order, request, specimen, parent, index = out
    open_row, filled, is_open = np.full(rows.size, NONE, np.int32), np.zeros(rows.size, np.int64), 0
    begin, now_patient, now_order, now_request, now_specimen, before = 0, NONE, NONE, NONE, NONE, NONE
    for s in range(message.size):
        if s == 0 or message[s] != message[s - 1]:
            begin, now_patient, now_order, now_request, now_specimen, before = s, NONE, NONE, NONE, NONE, NONE
            is_open = 0
        k = kind_of_name[name[s]]
        if k == _MSH and s > begin:
            k = NONE  # a line of those letters inside a message begins nothing
        kind[s], index[s], row[s] = k, s - begin, NONE
        if k == _PID:
            is_open &= (1 << _VISITS) - 1
            now_order, now_request, now_specimen = NONE, NONE, NONE
        elif k == _ORC:
            is_open &= ~(1 << _PHARMACY)
        if k in (_ORC, _OBR):
            now_specimen = NONE
            now_request = s if k == _OBR else NONE
        elif k == _SPM:
            now_specimen = s
        table = tables[k] if k >= 0 else NONE
        if table >= 0:
            bit = 1 << k
            again = filled[table] & bit and table != _MESSAGES
            if leading[k] or not is_open >> table & 1 or again:
                open_row[table], filled[table] = rows[table], 0
                is_open |= 1 << table
                rows[table] += 1
            filled[table] |= bit
            row[s] = open_row[table]
            if table == _ORDERS:
                now_order = row[s]
            elif table == _PHARMACY:
                is_open &= ~(1 << _ORDERS)
        if k == _PID:
            if now_patient == NONE:
                for before_it in range(begin, s):
                    patient[before_it] = row[s]
            now_patient = row[s]
        patient[s], order[s], request[s], specimen[s] = now_patient, now_order, now_request, now_specimen
        parent[s] = before
        if k != _NTE:
            before = s
