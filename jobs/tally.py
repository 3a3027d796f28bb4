"""What became of each piece of a bundle, added up over its chunks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.outcomes import MET_AGAIN, OUTCOMES
from jobs.plan import Span

COUNTS = ("records", "quarantined", "record_bytes", "quarantined_bytes", "envelope_bytes")
LATER = ("duplicate", *MET_AGAIN)


class Tally:
    """Counts per piece of a bundle (int64[pieces] each)."""

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self._spans = spans
        self._names = pa.array([span.object.uri for span in spans], pa.string())
        self._counts = {name: np.zeros(len(spans), np.int64) for name in (*COUNTS, *LATER)}

    def add(self, accounts: pa.Table) -> None:
        """The ACCOUNTS of a chunk."""
        piece = accounts["piece"].to_numpy()
        for name in COUNTS:
            np.add.at(self._counts[name], piece, accounts[name].to_numpy())

    def quarantine(self, left_out: pa.Table) -> None:
        """Rows of the record table that were read and are quarantined after all (columns _object, _length)."""
        piece, length = self.pieces(left_out), left_out["_length"].to_numpy()
        np.add.at(self._counts["quarantined"], piece, 1)
        np.add.at(self._counts["record_bytes"], piece, -length)
        np.add.at(self._counts["quarantined_bytes"], piece, length)

    def duplicate(self, records: pa.Table) -> None:
        """Rows of the record table that were written before (column _object, as it was read)."""
        np.add.at(self._counts["duplicate"], self.pieces(records), 1)

    def duplicate_rejects(self, rejects: pa.Table) -> None:
        """REJECTS that are quarantined already: their records count as duplicate."""
        piece, records = rejects["piece"].to_numpy(), rejects["records"].to_numpy()
        np.add.at(self._counts["still_quarantined"], piece, records)
        np.add.at(self._counts["duplicate"], piece, records)
        np.add.at(self._counts["quarantined"], piece, -records)

    def resolve(self, spans: pa.Table) -> None:
        """Rows of the quarantine that were not met again."""
        np.add.at(self._counts["resolved"], self.pieces(spans), spans["records"].to_numpy())

    def pieces(self, rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """int64 per row: the ordinal of its object's piece."""
        return np.asarray(pc.index_in(rows["_object"], value_set=self._names), dtype=np.int64)

    def outcomes(self, sha256: Sequence[bytes]) -> pa.Table:
        """OUTCOMES: what became of each piece, if it was read to its end. sha256: of each piece, empty for unknown."""
        count = self._counts
        written = count["records"] - count["quarantined"] - count["duplicate"]
        lost = (written == 0) & (count["duplicate"] == count["still_quarantined"])
        lost &= count["quarantined"] + count["still_quarantined"] > 0
        objects = [span.object for span in self._spans]
        nothing = pa.nulls(len(objects), pa.string())
        columns = {
            "uri": self._names,
            "size": [raw.size for raw in objects],
            "modified_us": [raw.modified_us for raw in objects],
            "version": [raw.version for raw in objects],
            "start": [span.start for span in self._spans],
            "end": [span.end for span in self._spans],
            "outcome": pc.if_else(pa.array(lost), "quarantined", "written"),
            "code": nothing,
            "place": nothing,
            "sha256": [digest.hex() or None for digest in sha256],
            "read": count["records"],
            "written": written,
        }
        same = ("quarantined", "duplicate", "record_bytes", "quarantined_bytes", "envelope_bytes", *MET_AGAIN)
        return pa.table({**columns, **{name: count[name] for name in same}}, schema=OUTCOMES)
