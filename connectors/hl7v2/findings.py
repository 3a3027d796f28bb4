"""What only the reader can see: rows of hl7v2_findings made while a chunk is parsed. A finding never holds a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.hl7v2 import rules
from connectors.hl7v2.chunk import Segments, Values
from connectors.hl7v2.locate import MENDED, STRAY, Positions, code_name
from connectors.hl7v2.relate import Relations
from connectors.kernels.distinct import Distinct, Told, spread
from connectors.kernels.interning import codes_of_numbers

CHARSET_ASSUMED: Final = "HL7_CHARSET_ASSUMED"
LINE_STRAY: Final = "HL7_LINE_STRAY"
NUMBER_INVALID: Final = "HL7_NUMBER_INVALID"
PATIENT_ID_MISSING: Final = "HL7_PATIENT_ID_MISSING"
PATIENT_ID_SEVERAL: Final = "HL7_PATIENT_ID_SEVERAL"
PATIENT_SEVERAL: Final = "HL7_PATIENT_SEVERAL"
SEGMENT_START: Final = "HL7_SEGMENT_START"
TIME_INVALID: Final = "HL7_TIME_INVALID"


@dataclass
class Findings:
    """Findings of one chunk, gathered: code, position, and the segments that each stands in."""

    parts: list[tuple[str, str, Positions]] = field(default_factory=list)

    def add(self, code: str, position: str, segments: npt.NDArray[np.integer]) -> None:
        """One finding for each segment (its place in the chunk)."""
        if len(segments):
            self.parts.append((code, position, np.asarray(segments, np.int32)))

    def unparsed(self, code: str, segments: Segments, values: Values, slot: int, bad: npt.NDArray[np.bool_]) -> None:
        """The rows whose value in a slot does not parse: the finding stands where the value was taken from."""
        rows = np.flatnonzero(bad)
        if not len(rows):
            return
        for position in values.layout.slots[slot].positions:
            source, separator, place = position.partition("-")
            found = values.sources.get(source)
            if found is None or not separator:
                continue
            own = found[rows]
            within = (own >= 0) & (segments.start[own] <= values.start[slot, rows])
            within &= values.start[slot, rows] < segments.end[own]
            field_position = f"{source.partition('@')[0]}-{place.split('.')[0]}"
            self.add(code, field_position, own[within])

    def of_lines(self, segments: Segments) -> None:
        """Segments that begin as they should not, and those behind which lines stand that belong to none."""
        for code, mark in ((SEGMENT_START, MENDED), (LINE_STRAY, STRAY)):
            marked = np.flatnonzero(segments.marks & mark)
            for name in np.unique(segments.name[marked]).tolist():
                self.add(code, code_name(name), marked[segments.name[marked] == name])

    def columns(self, segments: Segments, relations: Relations, told: Told) -> tuple[Positions, dict[str, pa.Array]]:
        """The segment of each finding, in order, and the columns of hl7v2_findings but the common ones.

        told: gets to know of them.
        """
        if not self.parts:
            return np.empty(0, np.int32), {}
        places = np.concatenate([rows for _, _, rows in self.parts])
        part = np.repeat(np.arange(len(self.parts), dtype=np.int32), [len(rows) for _, _, rows in self.parts])
        order = np.argsort(places, kind="stable")
        places, which = places[order], part[order]
        severities = {rule.code: rule.severity for rule in rules.rules()}
        codes = [code for code, _, _ in self.parts]
        of_parts = {
            "code": codes,
            "severity": [severities[code] for code in codes],
            "position": [position for _, position, _ in self.parts],
            "stage": [rules.READ] * len(codes),
        }
        return places, {
            **{name: told.column(spread(pa.array(each, pa.string()), which)) for name, each in of_parts.items()},
            "segment": told.column(segment_names(segments.name[places])),
            "segment_index": pa.array(relations.index(places)),
        }


def segment_names(codes: Positions) -> Distinct:
    """The names of segments, from their numbers."""
    which, firsts = codes_of_numbers(codes.astype(np.int64))
    return Distinct(pa.array([code_name(int(code)) for code in codes[firsts]], pa.string()), which)
