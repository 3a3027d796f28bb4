"""Which row of which table each segment belongs to, and which segments belong together.

A table's row begins at a leading segment; an attached one (PD1 behind PID, RXR behind RXE, OBR behind ORC) joins the
open row of its table unless that has one of its kind already, in which case it begins a row of its own. A message is
one row, whatever it repeats: of several EVN the first counts.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.hl7v2.locate import NAMES, name_code
from connectors.kernels.gather import is_all, picked

Positions = npt.NDArray[np.int32]
Kinds = npt.NDArray[np.int8]

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
_FIRST_KINDS: Final = tuple(list(_TABLE_OF.values()).index(table) for table in range(len(TABLES)))
_MSH, _PID, _ORC, _OBR, _NTE, _SPM = (KINDS.index(name) for name in ("MSH", "PID", "ORC", "OBR", "NTE", "SPM"))
NONE: Final = -1


class Owners(NamedTuple):
    """For each of k segments, int32[k] each, NONE where there is none.

    patient: the PID row it belongs to; before the first PID of a message that first one. order: row of hl7v2_orders.
    request: the OBR segment. specimen: the SPM segment, see _find_owners. parent: the segment before it that is no note
    (for notes).
    """

    patient: Positions
    order: Positions
    request: Positions
    specimen: Positions
    parent: Positions


@dataclass(frozen=True)
class Relations:
    """What k segments are, and which belong together.

    message: int32[k]. kind: int8[k], index into KINDS, NONE for another. row: int32[k], its row in its table, NONE for
    none. leads: for each of TABLES int32[rows], the first segment of each row. of_kind: for each of KINDS its segments
    in order, int32.
    """

    message: Positions
    kind: Kinds
    row: Positions
    leads: tuple[Positions, ...]
    of_kind: tuple[Positions, ...]

    @cached_property
    def owners(self) -> Owners:
        """What each segment belongs to: work that is done for messages with orders, notes or several patients alone."""
        made = np.empty((len(Owners._fields), len(self.kind)), np.int32)
        _find_owners(self.message, self.kind, self.row, made)
        return Owners(*made)

    @cached_property
    def each_message(self) -> Positions:
        """int32[messages]: 0, 1, 2, …"""
        return np.arange(len(self.leads[_MESSAGES]), dtype=np.int32)

    def message_of(self, segments: Positions) -> Positions:
        """int32: the message of each of some segments: `each_message` itself where they are one of each, in order."""
        headers = self.leads[_MESSAGES]
        if len(segments) == len(headers) and (segments >= headers).all() and (segments[:-1] < headers[1:]).all():
            return self.each_message
        messages: Positions = picked(self.message, segments)
        return messages

    def index(self, segments: Positions, message: Positions | None = None) -> Positions:
        """int32: the place of each of some segments in its message. message: what message_of says of them, if known."""
        message = self.message_of(segments) if message is None else message
        headers = self.leads[_MESSAGES]
        return segments - (headers if message is self.each_message else picked(headers, message))


def kind_table(kind: str) -> str:
    """The table that a kind of segment makes rows of, or belongs to; empty for none."""
    table = _TABLE_OF[kind]
    return TABLES[table] if table >= 0 else ""


@cache
def _kind_of_name() -> Kinds:
    kinds = np.full(NAMES, NONE, np.int8)
    for index, name in enumerate(KINDS):
        kinds[name_code(name)] = index
    return kinds


@cache
def _roles() -> tuple[Kinds, npt.NDArray[np.bool_]]:
    """Of each kind: its table, and whether it always begins a row."""
    tables = np.array([_TABLE_OF[name] for name in KINDS], np.int8)
    leading = np.array([name in _LEADING or _TABLE_OF[name] in (_CONTACTS, _NOTES) for name in KINDS], np.bool_)
    return tables, leading


def relate(message: Positions, name: Positions) -> Relations:
    """The relations of segments that stand in order, each message's header first: the message and the number of the
    name of each."""
    k, (tables, leading) = len(message), _roles()
    counts = np.zeros(len(KINDS) + 1, np.int64)
    _count(name, _kind_of_name(), counts)
    begins = np.cumsum(counts)[:-1] - counts[0]
    # A table has at most as many rows as there are segments of its kinds, which stand together in KINDS.
    row_begins = begins[list(_FIRST_KINDS)]
    kind, row = np.empty(k, np.int8), np.empty(k, np.int32)
    leads, in_order = np.empty(k, np.int32), np.empty(k, np.int32)
    kind_ends, row_ends = begins.copy(), row_begins.copy()
    _relate(
        message, name, _kind_of_name(), tables, leading, kind, row, row_begins, row_ends, kind_ends, leads, in_order
    )
    return Relations(
        message,
        kind,
        row,
        tuple(leads[begin:end] for begin, end in zip(row_begins, row_ends, strict=True)),
        tuple(in_order[begin:end] for begin, end in zip(begins, kind_ends, strict=True)),
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
def _count(name: Positions, kind_of_name: Kinds, counts: npt.NDArray[np.int64]) -> None:
    """counts[k + 1]: how many segments have the name of kind k; counts[0]: how many that of none."""
    for code in name:
        counts[kind_of_name[np.uint64(code)] + 1] += 1


@njit(cache=True, nogil=True)
def _relate(
    message: Positions,
    name: Positions,
    kind_of_name: Kinds,
    tables: Kinds,
    leading: npt.NDArray[np.bool_],
    kind: Kinds,
    row: Positions,
    row_begins: npt.NDArray[np.int64],
    row_ends: npt.NDArray[np.int64],
    kind_ends: npt.NDArray[np.int64],
    leads: Positions,
    in_order: Positions,
) -> None:
    """kind, row: see Relations. leads[row_begins[t]:row_ends[t]]: the first segment of each row of table t. in_order:
    the segments of each kind k in order, the last before kind_ends[k]. Both ends are where they begin, at first.

    A bit of is_open says that the row of a table is open, one of filled[t] which kinds there are in that of table t.
    Places are unsigned, so that none is looked at for being negative.
    """
    filled, is_open, now = np.zeros(row_ends.size, np.int64), 0, NONE
    for s in range(message.size):
        first = message[s] != now
        if first:
            now, is_open = message[s], 0
        k = kind_of_name[np.uint64(name[s])]
        if k == _MSH and not first:
            k = NONE  # a line of those letters inside a message begins nothing
        kind[s], row[s] = k, NONE
        if k == NONE:
            continue
        own = np.uint64(k)
        in_order[np.uint64(kind_ends[own])] = s
        kind_ends[own] += 1
        if k == _PID:
            is_open &= (1 << _VISITS) - 1
        elif k == _ORC:
            is_open &= ~(1 << _PHARMACY)
        if tables[own] == NONE:
            continue
        table, of_table, of_kind = np.uint64(tables[own]), 1 << tables[own], 1 << k
        end = row_ends[table]
        again = filled[table] & of_kind and table != _MESSAGES
        if leading[own] or not is_open & of_table or again:
            leads[np.uint64(end)], filled[table] = s, 0
            end += 1
            row_ends[table] = end
            is_open |= of_table
        filled[table] |= of_kind
        row[s] = end - row_begins[table] - 1
        if tables[own] == _PHARMACY:
            is_open &= ~(1 << _ORDERS)


@njit(cache=True, nogil=True)
def _find_owners(message: Positions, kind: Kinds, row: Positions, out: npt.NDArray[np.int32]) -> None:
    """out: the arrays of Owners.

    outer: which comes first in a message: _SPM, or _OBR for ORC, too. Where it is an SPM, as in OUL_R22, OUL_R23 and
    OML_O33, specimens have requests: one goes on until the next, which ends its requests, too. Elsewhere, as in
    ORU_R01, OML_O21 and OUL_R24, requests have specimens: one ends at the next ORC or OBR. Each ends with its patient.
    """
    patient, order, request, specimen, parent = out
    begin, now_patient, now_order, now_request, now_specimen, before = 0, NONE, NONE, NONE, NONE, NONE
    outer = NONE
    for s in range(message.size):
        if s == 0 or message[s] != message[s - 1]:
            begin, now_patient, now_order, now_request, now_specimen, before = s, NONE, NONE, NONE, NONE, NONE
            outer = NONE
        k = kind[s]
        if k == _PID:
            if now_patient == NONE:
                for before_it in range(begin, s):
                    patient[np.uint64(before_it)] = row[s]
            now_patient, now_order, now_request, now_specimen = row[s], NONE, NONE, NONE
        elif k in (_ORC, _OBR):
            now_order, now_request = row[s], s if k == _OBR else NONE
            if outer != _SPM:
                outer, now_specimen = _OBR, NONE
        elif k == _SPM:
            outer, now_specimen = _SPM if outer == NONE else outer, s
            if outer == _SPM:
                now_order, now_request = NONE, NONE
        patient[s], order[s], request[s], specimen[s] = now_patient, now_order, now_request, now_specimen
        parent[s] = before
        if k != _NTE:
            before = s
