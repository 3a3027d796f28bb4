"""What a task hands back about its bundle: no row of data, a few hundred bytes and some for each object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from connectors.contract import RawObject
from connectors.lake.parts import Part
from jobs.columnwise import Columns, columns, records

Outcome = Literal["written", "quarantined", "deferred"]


@dataclass(frozen=True, slots=True)
class SpanOutcome:
    """What became of an object, or of a range of it.

    sha256: of the bytes that were read, 32 bytes; empty if they were not. code: why it was deferred or quarantined.
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
    still_quarantined: int = 0
    resolved: int = 0
    record_bytes: int = 0
    quarantined_bytes: int = 0
    envelope_bytes: int = 0

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end is None


@dataclass(frozen=True, slots=True)
class Leaves:
    """What became of a bundle.

    parts: every part that was written. rows: table → rows. envelopes: contract.ENVELOPES of ranges of split objects,
    for whom the declared counts are checked when all ranges are known.
    """

    index: int
    identity: str
    parts: tuple[Part, ...]
    spans: tuple[SpanOutcome, ...]
    rows: Mapping[str, int] = field(default_factory=dict)
    envelopes: pa.Table | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def deferred(self) -> tuple[SpanOutcome, ...]:
        return tuple(s for s in self.spans if s.outcome == "deferred")

    def __reduce__(self) -> tuple[Any, ...]:
        objects = columns([span.object for span in self.spans], RawObject)
        others = (self.rows, self.envelopes, self.seconds)
        return _leaves, (self.index, self.identity, self.parts, objects, columns(self.spans, SpanOutcome)[1:], others)


def _leaves(
    index: int, identity: str, parts: tuple[Part, ...], objects: Columns, outcomes: Columns, others: tuple[Any, ...]
) -> Leaves:
    """Leaves whose outcomes came as columns, their objects apart."""
    spans = records(SpanOutcome, (records(RawObject, objects), *outcomes))
    return Leaves(index, identity, parts, spans, *others)


def together(index: int, identity: str, several: Iterable[Leaves]) -> Leaves:
    """The leaves of the parts of one bundle as those of the whole."""
    leaves = list(several)
    rows: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for leaf in leaves:
        for name, count in leaf.rows.items():
            rows[name] = rows.get(name, 0) + count
        for name, spent in leaf.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + spent
    envelopes = [leaf.envelopes for leaf in leaves if leaf.envelopes is not None]
    return Leaves(
        index,
        identity,
        tuple(p for leaf in leaves for p in leaf.parts),
        tuple(s for leaf in leaves for s in leaf.spans),
        rows,
        pa.concat_tables(envelopes) if envelopes else None,
        seconds,
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit of work that could not be done: its objects are deferred, unless `stops` ends the run.

    code: of the error. place: type of the error and where it was raised, without its text. stops: the class of the
    error says that the run cannot go on (access or configuration); `message` is its
    sentence, `access` its class.
    """

    index: int
    code: str
    place: str
    stops: bool = False
    access: bool = False
    message: str = ""
