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
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from connectors.hl7v2 import locate
from connectors.hl7v2.chunk import Segments, Values, find_values, texts
from connectors.hl7v2.layout import Layout
from connectors.hl7v2.locate import Positions
from connectors.identity import EXPLICIT_NULL, normalise, qualified
from connectors.kernels.gather import taken
from connectors.kernels.interning import distinct

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


@dataclass(frozen=True)
class Identifiers:
    """n identifiers of p patients.

    patient: int32[n], index of the PID segment among those of the chunk. field, repetition: int32[n]. segment:
    int32[n], the PID segment. columns: the located columns of hl7v2_identifiers that are text and hold any value.
    type, category: text[n]. values: where they stand. chosen: int32[p], the identifier that the patient's key is made
    of, or -1; an explicit null is chosen last, and no key is made of it. several: bool[p], another one of the same type
    might have been.
    """

    patient: Positions
    field: Positions
    repetition: Positions
    segment: Positions
    columns: dict[str, pa.Array]
    type: pa.StringArray
    category: pa.StringArray
    values: Values
    chosen: Positions
    several: npt.NDArray[np.bool_]

    def keys(self) -> pa.StringArray:
        """text[p]: the key of each patient, null without an identifier."""
        if not len(self.patient) or "identifier" not in self.columns:
            return pa.nulls(len(self.chosen), pa.string())
        authorities = self.columns.get("authority", pa.nulls(len(self.patient), pa.string()))
        names = taken(self.columns["identifier"], self.chosen)
        no_value = pc.equal(names, EXPLICIT_NULL)
        if pc.any(no_value).as_py():
            names = pc.if_else(no_value, None, names)
        keys = qualified(distinct(names), taken(authorities, self.chosen))
        return keys.column(keys.values)


@cache
def _types() -> dict[str, tuple[str, int]]:
    """Type of an identifier (HL7 table 0203) → its category and its rank for the key."""
    text = resources.files("connectors.hl7v2").joinpath("identifier_types.csv").read_text("utf-8")
    return {row["type"]: (row["category"], int(row["rank"])) for row in csv.DictReader(text.splitlines())}


def find_identifiers(
    segments: Segments, pids: Positions, layout: Layout, default_authority: Callable[[Values], None]
) -> Identifiers:
    """The identifiers of the PID segments.

    default_authority: fills the authorities that are not sent, in place.
    """
    patient, field, repetition, start, end = _repetitions(segments, pids)
    message = segments.message[pids][patient]
    spans = Segments(segments.text, start - 4, end, message, message, segments.separators, segments.joined)
    values = find_values(spans, layout, {"CX": np.arange(len(patient), dtype=np.int32)}, message)
    _licences(values, layout, field == LICENCE)
    default_authority(values)
    columns = texts(spans, values, layout.texts)
    sent = columns.get("type", pa.nulls(len(patient), pa.string()))
    types, category, rank = _classified(sent, field)
    usable = values.length[layout.slot("identifier")]
    rank[(usable == 0) | (usable > LONGEST)] = _NO_KEY
    no_value = _explicit_nulls(columns, len(patient))
    rank[no_value] = _LAST
    chosen, several = np.empty(len(pids), np.int32), np.zeros(len(pids), np.bool_)
    _choose(patient, rank, chosen, several)
    several &= ~np.append(no_value, False)[chosen]
    return Identifiers(patient, field, repetition, pids[patient], columns, types, category, values, chosen, several)


def _explicit_nulls(columns: Mapping[str, pa.Array], count: int) -> npt.NDArray[np.bool_]:
    """bool per identifier: the sender says that there is none."""
    if "identifier" not in columns:
        return np.zeros(count, np.bool_)
    return np.asarray(pc.fill_null(pc.equal(columns["identifier"], EXPLICIT_NULL), False), dtype=np.bool_)


def _repetitions(segments: Segments, pids: Positions) -> Positions:
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
            return np.ascontiguousarray(found[:, :count])
        capacity = count


def _licences(values: Values, layout: Layout, rows: npt.NDArray[np.bool_]) -> None:
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


def _classified(sent: pa.StringArray, field: Positions) -> tuple[pa.StringArray, pa.StringArray, Positions]:
    """Type (sent, else implied by the field), category and rank (for the key) of each identifier."""
    implied = np.zeros(max(FIELDS) + 1, np.int8)
    names = [None, *IMPLIED_TYPE.values()]
    for number, name in IMPLIED_TYPE.items():
        implied[number] = names.index(name)
    types = pc.coalesce(sent, pa.array(names, pa.string()).take(pa.array(implied[field])))
    coded = pc.fill_null(types, "").dictionary_encode()
    known = [_types().get(normal, ("patient_id", _UNKNOWN_RANK)) for normal in normalise(coded.dictionary).to_pylist()]
    codes = coded.indices.to_numpy()
    categories = sorted({category for category, _ in known} | {"relative_id", "ssn"})
    of_type = np.array([categories.index(category) for category, _ in known], np.int8)
    category = of_type[codes] if len(codes) else np.empty(0, np.int8)
    category[(field == MOTHER) & (category != categories.index("ssn"))] = categories.index("relative_id")
    rank = np.array([rank for _, rank in known], np.int32)[codes] if len(codes) else np.empty(0, np.int32)
    later = np.full(max(FIELDS) + 1, _NO_KEY, np.int32)
    for place, number in enumerate(KEY_FIELDS):
        later[number] = 1000 * place
    return types, pa.array(categories).take(pa.array(category)), rank + later[field]


@njit(cache=True, nogil=True)
def _choose(patient: Positions, rank: Positions, chosen: Positions, several: npt.NDArray[np.bool_]) -> None:
    """chosen[p]: the first identifier of patient p with the lowest rank, -1 for none; several[p]: it is not alone."""
    chosen[:] = -1
    for i in range(patient.size):
        p = patient[i]
        if rank[i] >= _NO_KEY:
            continue
        if chosen[p] < 0 or rank[i] < rank[chosen[p]]:
            chosen[p], several[p] = i, False
        elif rank[i] == rank[chosen[p]]:
            several[p] = True
