"""Leaves of a wave → what the log is told of its inputs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import pyarrow as pa

from connectors.lake import INPUTS
from connectors.lake.merkle import root
from jobs.leaves import Leaves, SpanOutcome


@dataclass(frozen=True)
class Settled:
    """A wave of which every object is either whole or left out.

    leaves: without the bundles of objects of which a range was deferred. outcomes: one an object.
    """

    leaves: tuple[Leaves, ...]
    outcomes: tuple[SpanOutcome, ...]


def settle(leaves: Sequence[Leaves]) -> Settled:
    """One outcome an object. An object of which a range was deferred is deferred, and what its other ranges wrote is
    left out (each range is a bundle of its own, so nothing else goes with it)."""
    ordered = sorted(leaves, key=lambda leaf: leaf.index)
    split: dict[str, list[SpanOutcome]] = {}
    for leaf in ordered:
        for span in leaf.spans:
            if not span.whole:
                split.setdefault(span.object.uri, []).append(span)
    deferred = {uri for uri, spans in split.items() if any(s.outcome == "deferred" for s in spans)}
    kept = tuple(leaf for leaf in ordered if leaf.spans[0].whole or leaf.spans[0].object.uri not in deferred)
    outcomes = [span for leaf in ordered for span in leaf.spans if span.whole]
    outcomes += [_joined(spans) for spans in split.values()]
    return Settled(kept, tuple(sorted(outcomes, key=lambda o: o.object.uri)))


def _joined(spans: Sequence[SpanOutcome]) -> SpanOutcome:
    """The ranges of an object as one outcome; its hash is the RFC 6962 root of theirs."""
    first = spans[0]
    lost = next((s for s in spans if s.outcome == "deferred"), None)
    if lost is not None:
        return SpanOutcome(first.object, 0, None, "deferred", code=lost.code, place=lost.place)
    ordered = sorted(spans, key=lambda s: s.start)
    total = {name: sum(getattr(s, name) for s in spans) for name in COUNTED}
    nothing = total["quarantined"] > 0 and total["written"] == 0 and total["duplicate"] == 0
    return SpanOutcome(
        first.object,
        0,
        None,
        "quarantined" if nothing else "written",
        sha256=root([s.sha256 for s in ordered]),
        **total,
    )


COUNTED = ("read", "written", "quarantined", "duplicate", "record_bytes", "quarantined_bytes", "envelope_bytes")
MET_AGAIN = ("still_quarantined", "resolved")
"""What became of records that stood in the quarantine: counts of an outcome beside those that balance."""


def inputs_table(outcomes: Iterable[SpanOutcome], zone: str) -> pa.Table:
    """INPUTS of the wave."""
    found = list(outcomes)
    columns = {
        "key": [o.object.uri for o in found],
        "version": [o.object.version for o in found],
        "size": [o.object.size for o in found],
        "modified_us": [o.object.modified_us for o in found],
        "sha256": [o.sha256.hex() or None for o in found],
        "outcome": [o.outcome for o in found],
        "code": [o.code or None for o in found],
        "records_read": [o.read for o in found],
        "records_written": [o.written for o in found],
        "records_quarantined": [o.quarantined for o in found],
        "records_duplicate": [o.duplicate for o in found],
        "bytes_record": [o.record_bytes for o in found],
        "bytes_quarantined": [o.quarantined_bytes for o in found],
        "bytes_envelope": [o.envelope_bytes for o in found],
        "zone": pa.repeat(zone, len(found)),
    }
    return pa.table(columns, schema=INPUTS)


def counts(outcomes: Sequence[SpanOutcome], done: int) -> dict[str, dict[str, int]]:
    """The counts of an entry; done: objects that were listed and are in the log already."""
    of = Counter(outcome.outcome for outcome in outcomes)
    total = {name: sum(map(attrgetter(name), outcomes)) for name in COUNTED}
    spans = total["record_bytes"], total["quarantined_bytes"], total["envelope_bytes"]
    return {
        "objects": {"listed": len(outcomes) + done, "written": of["written"], "done": done}
        | {"quarantined": of["quarantined"], "deferred": of["deferred"]},
        "records": {name: total[name] for name in ("read", "written", "quarantined", "duplicate")},
        "bytes": {"read": sum(spans), "records": spans[0], "quarantined": spans[1], "envelope": spans[2]},
    }


def run_identity(*parts: str) -> str:
    """64 hexadecimal digits that follow from what makes a run itself: inputs, digests, key id, code version."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
