"""What became of objects, as a table: a task makes one of its bundle, the driver adds them up. Nothing but what is rare
is looked at row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import RawObject

Outcome = Literal["written", "quarantined", "deferred"]

COUNTED = ("read", "written", "quarantined", "duplicate", "record_bytes", "quarantined_bytes", "envelope_bytes")
MET_AGAIN = ("still_quarantined", "resolved")
"""What became of records that stood in the quarantine: counts of an outcome beside those that balance."""

OUTCOMES = pa.schema(
    [
        pa.field("uri", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("modified_us", pa.int64()),
        pa.field("version", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("outcome", pa.string()),
        pa.field("code", pa.string()),
        pa.field("place", pa.string()),
        pa.field("sha256", pa.string()),
        *(pa.field(name, pa.int64()) for name in (*COUNTED, *MET_AGAIN)),
    ]
)
"""One row a SpanOutcome, whose fields these are; sha256 in hexadecimal digits. What is empty there is null."""


@dataclass(frozen=True, slots=True)
class SpanOutcome:
    """What became of an object, or of a range of it: a row of OUTCOMES.

    sha256: of the bytes that were read, 32 bytes, or of a range, what it gives to the object's hash (see block_hash);
    empty if they were not. code: why it was deferred or quarantined.
    place: of an unforeseen error, its type and where it was raised.
    Counts are of records, the *_bytes of (decompressed) bytes. still_quarantined: of the duplicates, those that
    stand in the quarantine; resolved: those that stood there and were not met again.
    """

    object: RawObject
    start: int
    end: int | None
    outcome: Outcome
    code: str = ""
    place: str = ""
    sha256: bytes = b""
    read: int = 0
    written: int = 0
    quarantined: int = 0
    duplicate: int = 0
    record_bytes: int = 0
    quarantined_bytes: int = 0
    envelope_bytes: int = 0
    still_quarantined: int = 0
    resolved: int = 0

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end is None


def table_of(rows: Iterable[SpanOutcome]) -> pa.Table:
    """OUTCOMES of a few rows."""
    return pa.Table.from_pylist([_row(outcome) for outcome in rows], schema=OUTCOMES)


def _row(outcome: SpanOutcome) -> dict[str, Any]:
    raw = outcome.object
    return {
        "uri": raw.uri,
        "size": raw.size,
        "modified_us": raw.modified_us,
        "version": raw.version,
        "start": outcome.start,
        "end": outcome.end,
        "outcome": outcome.outcome,
        "code": outcome.code or None,
        "place": outcome.place or None,
        "sha256": outcome.sha256.hex() or None,
        **{name: getattr(outcome, name) for name in (*COUNTED, *MET_AGAIN)},
    }


def rows_of(table: pa.Table) -> list[SpanOutcome]:
    """The rows of a small table of OUTCOMES."""
    rows = []
    for row in table.to_pylist():
        # The version stands where the entity tag does, which it is wherever there is one (docs/adr/0012).
        raw = RawObject(row.pop("uri"), row.pop("size"), row.pop("modified_us"), row.pop("version"))
        sha256 = bytes.fromhex(row.pop("sha256") or "")
        rows.append(SpanOutcome(raw, code=row.pop("code") or "", place=row.pop("place") or "", sha256=sha256, **row))
    return rows


def whole(table: pa.Table) -> pa.ChunkedArray:
    """Bool per row of OUTCOMES: whether it speaks of a whole object."""
    return pc.and_(pc.equal(table["start"], 0), pc.is_null(table["end"]))


def total(table: pa.Table, name: str) -> int:
    """The sum of a column of counts."""
    return int(pc.sum(table[name]).as_py() or 0)


def by_value(column: pa.ChunkedArray) -> dict[str, int]:
    """Each value of a column of text, in the order in which they come first, and its rows; nulls are left out."""
    found = pc.value_counts(column.drop_null())
    return {value["values"]: value["counts"] for value in found.to_pylist()}


@dataclass(frozen=True, slots=True)
class Packed:
    """OUTCOMES of a bundle as they travel, and are held until its wave is settled: about 120 bytes an object, where a
    table of Arrow takes 20 kB even for one row."""

    stream: bytes

    @classmethod
    def of(cls, table: pa.Table) -> Packed:
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        with pa.ipc.new_stream(sink, OUTCOMES, options=options) as writer:
            writer.write_table(table)
        return cls(sink.getvalue().to_pybytes())

    def table(self) -> pa.Table:
        # Handing so few bytes of each column to threads takes three times as long as unpacking them.
        return pa.ipc.open_stream(self.stream, options=pa.ipc.IpcReadOptions(use_threads=False)).read_all()
