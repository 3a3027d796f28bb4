"""The identifiers of patients, and the one key of each patient that is made of them.

The key is the identifier of PID-3 whose type comes first in the order of identifier_types.csv (of equal types the first
that was sent), with its assigning authority, else the sending facility; PID-2 where PID-3 is empty. Both are trimmed,
in Unicode form NFC and upper-case, and joined: "AUTHORITY|ID". The explicit null (two quotes) is no identifier and no
authority.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from connectors.hl7v2 import locate
from connectors.hl7v2.chunk import Segments, Values, find_values, texts
from connectors.hl7v2.layout import Layout
from connectors.hl7v2.locate import Positions
from connectors.identity import EXPLICIT_NULL, normalise, qualified
from connectors.kernels.distinct import Distinct, Told, spread
from connectors.kernels.gather import picked, taken
from connectors.kernels.spans import spans_of

Booleans = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Slots = npt.NDArray[np.int64]
Table = npt.NDArray[np.int32]

FIELDS: Final = (2, 3, 4, 18, 19, 20, 21)
IMPLIED_TYPE: Final = {18: "AN", 19: "SS", 20: "DL"}
MOTHER: Final = 21
LICENCE: Final = 20
KEY_FIELDS: Final = (3, 2)
LONGEST: Final = 256
"""Bytes of an identifier that a key is made of: of a longer one no key is made, so that no row repeats a document."""
_NO_KEY: Final = 1 << 20
_LAST: Final = _NO_KEY - 1
_UNKNOWN_RANK: Final = 50
_QUOTE: Final = ord(EXPLICIT_NULL[0])


@dataclass(frozen=True)
class Identifiers:
    """n identifiers of p patients.

    patient: int32[n], index of the PID segment among those of the chunk. field, repetition: int32[n]. segment:
    int32[n], the PID segment. columns: the located columns of hl7v2_identifiers that are text and hold any value.
    type, category: text[n]. values: where they stand. explicit_null: bool[n], the sender says that there is none.
    chosen: int32[p], the identifier that the patient's key is made of, or -1; an explicit null is chosen last, and no
    key is made of it. several: bool[p], another one of the same type might have been.
    """

    patient: Positions
    field: Positions
    repetition: Positions
    segment: Positions
    columns: dict[str, pa.Array]
    type: pa.StringArray
    category: pa.StringArray
    values: Values
    explicit_null: Booleans
    chosen: Positions
    several: Booleans

    def keys(self, told: Told) -> pa.StringArray:
        """text[p]: the key of each patient, null without an identifier. told: gets to know of keys and identifiers."""
        if not len(self.patient) or "identifier" not in self.columns:
            return pa.nulls(len(self.chosen), pa.string())
        authorities = self.columns.get("authority", pa.nulls(len(self.patient), pa.string()))
        named = self.chosen
        if self.explicit_null.any():
            named = np.where(self.explicit_null[named], np.int32(-1), named)
        several = told.distinct(taken(self.columns["identifier"], named))
        return told.column(qualified(several, told.distinct(taken(authorities, self.chosen))))


@cache
def _types() -> dict[str, tuple[str, int]]:
    """Type of an identifier (HL7 table 0203) → its category and its rank for the key."""
    text = resources.files("connectors.hl7v2").joinpath("identifier_types.csv").read_text("utf-8")
    return {row["type"]: (row["category"], int(row["rank"])) for row in csv.DictReader(text.splitlines())}


def find_identifiers(
    segments: Segments, pids: Positions, layout: Layout, default_authority: Callable[[Values], None], told: Told
) -> Identifiers:
    """The identifiers of the PID segments.

    default_authority: fills the authorities that are not sent, in place. told: gets to know of types and categories.
    """
    patient, field, repetition, start, end = _repetitions(segments, pids)
    segment = picked(pids, patient)
    message = picked(segments.message, segment)
    spans = replace(segments, start=start - 4, end=end, message=message, name=message, marks=message)
    values = find_values(spans, layout, {"CX": np.arange(len(patient), dtype=np.int32)}, message)
    values.clear(range(len(layout.slots)))
    _licences(values, layout, field == LICENCE)
    default_authority(values)
    columns = texts(spans, values, layout.texts)
    sent = columns.get("type", pa.nulls(len(patient), pa.string()))
    types, category, rank = _classified(sent, field, told)
    no_value = _explicit_nulls(columns, len(patient))
    chosen, several = np.empty(len(pids), np.int32), np.zeros(len(pids), np.bool_)
    _choose(patient, rank, values.length[layout.slot("identifier")], no_value, chosen, several)
    return Identifiers(patient, field, repetition, segment, columns, types, category, values, no_value, chosen, several)


def _explicit_nulls(columns: Mapping[str, pa.Array], count: int) -> Booleans:
    """bool per identifier: the sender says that there is none."""
    if "identifier" not in columns:
        return np.zeros(count, np.bool_)
    spans = spans_of(columns["identifier"])
    null: Booleans = spans.lengths == len(EXPLICIT_NULL)
    for place, character in enumerate(EXPLICIT_NULL):
        null[null] = spans.data[spans.starts[null] + place] == ord(character)
    return null


def _repetitions(segments: Segments, pids: Positions) -> Positions:
    """int32[5, n]: patient, field, repetition, start and end of each identifier."""
    wanted = np.zeros(max(FIELDS) + 1, np.bool_)
    wanted[list(FIELDS)] = True
    capacity = 4 * len(pids) + 16
    while True:
        found = np.empty((5, capacity), np.int32)
        count = locate.find_repetitions(
            segments.text,
            segments.start,
            segments.end,
            segments.separators,
            segments.message,
            pids,
            wanted,
            found,
        )
        if count <= capacity:
            return found[:, :count]
        capacity = count


def _licences(values: Values, layout: Layout, rows: Booleans) -> None:
    """A driver's licence (DLN) is number, issuing state, last day: not the components of CX."""
    if not rows.any():
        return
    digit, authority, expiry = (layout.slot(name) for name in ("check_digit", "authority", "expiration_time"))
    for name in ("authority_id", "type", "facility", "effective_time"):
        values.length[layout.slot(name)][rows] = 0
    values.start[authority][rows] = values.start[digit][rows]
    values.length[authority][rows] = values.length[digit][rows]
    values.totals[authority] += values.totals[digit]
    values.escaped[authority] |= values.escaped[digit]
    values.length[digit][rows] = 0
    values.length[expiry][rows] = 0


def _classified(sent: pa.StringArray, field: Positions, told: Told) -> tuple[pa.StringArray, pa.StringArray, Positions]:
    """Type (sent, else implied by the field), category and rank (for the key) of each identifier."""
    several = told.distinct(sent)
    implied = np.full(max(FIELDS) + 1, -1, np.int32)
    implied[list(IMPLIED_TYPE)] = np.arange(len(IMPLIED_TYPE)) + len(several.values)
    codes = several.places()
    types, names = sent, several.values
    if sent.null_count:
        codes = np.where(codes < 0, implied[field], codes)
        names = pa.concat_arrays([several.values, pa.array(list(IMPLIED_TYPE.values()), pa.string())])
        types = Distinct(names, codes).column(names)
    unknown, absent = ("patient_id", _UNKNOWN_RANK), _types()[""]
    known = [*(_types().get(name or "", unknown) for name in normalise(names).to_pylist()), absent]
    categories = sorted({category for category, _ in known} | {"relative_id", "ssn"})
    category: Positions = picked(np.array([categories.index(category) for category, _ in known], np.int32), codes)
    mothers = np.flatnonzero(field == MOTHER)
    if len(mothers):
        category[mothers[category[mothers] != categories.index("ssn")]] = categories.index("relative_id")
    later = np.full(max(FIELDS) + 1, _NO_KEY, np.int32)
    later[list(KEY_FIELDS)] = 1000 * np.arange(len(KEY_FIELDS))
    rank: Positions = picked(np.array([rank for _, rank in known], np.int32), codes) + picked(later, field)
    return types, told.column(spread(pa.array(categories), category)), rank


@njit(cache=True, nogil=True)
def without_authority(text: Bytes, start: Table, length: Table, authority: int, identifiers: Slots) -> Positions:
    """The rows in which one of the slots of identifiers holds a value, and that of their authority none or an explicit
    null. start, length: int32[slots, rows]."""
    starts, lengths = start[authority], length[authority]
    rows, count = np.empty(lengths.size, np.int32), 0
    for row in range(lengths.size):
        size, at = lengths[row], starts[row]
        if size != 0 and (size != 2 or text[at] != _QUOTE or text[at + 1] != _QUOTE):
            continue
        for slot in identifiers:
            if length[slot, row] > 0:
                rows[count] = row
                count += 1
                break
    return rows[:count]


@njit(cache=True, nogil=True)
def _choose(
    patient: Positions, rank: Positions, length: Positions, no_value: Booleans, chosen: Positions, several: Booleans
) -> None:
    """chosen[p]: the first identifier of patient p with the lowest rank, -1 for none; several[p]: it is not alone.

    rank changes: it is _LAST for an explicit null, and _NO_KEY for one without a length that a key is made of.
    """
    chosen[:] = -1
    for i in range(patient.size):
        if no_value[i]:
            rank[i] = _LAST
        elif length[i] <= 0 or length[i] > LONGEST:
            rank[i] = _NO_KEY
        if rank[i] >= _NO_KEY:
            continue
        p = patient[i]
        if chosen[p] < 0 or rank[i] < rank[chosen[p]]:
            chosen[p], several[p] = i, False
        elif rank[i] == rank[chosen[p]]:
            several[p] = not no_value[i]
