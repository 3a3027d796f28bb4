"""Leaves of a wave → what the log is told of its inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from connectors.block_hash import of_ranges
from connectors.lake import INPUTS
from jobs.leaves import Leaves
from jobs.outcomes import COUNTED, OUTCOMES, SpanOutcome, by_value, rows_of, table_of, total, whole


@dataclass(frozen=True)
class Settled:
    """A wave of which every object is either whole or left out.

    leaves: without the bundles of objects of which a range was deferred. outcomes: OUTCOMES, a row an object, by uri.
    """

    leaves: tuple[Leaves, ...]
    outcomes: pa.Table


def settle(leaves: Sequence[Leaves]) -> Settled:
    """One outcome an object. An object of which a range was deferred is deferred, and what its other ranges wrote is
    left out (each range is a bundle of its own, so nothing else goes with it)."""
    ordered = sorted(leaves, key=lambda leaf: leaf.index)
    found = pa.concat_tables([OUTCOMES.empty_table(), *(leaf.outcomes.table() for leaf in ordered)])
    one = whole(found)
    split: dict[str, list[SpanOutcome]] = {}
    for span in rows_of(found.filter(pc.invert(one))):
        split.setdefault(span.object.uri, []).append(span)
    deferred = {uri for uri, spans in split.items() if any(s.outcome == "deferred" for s in spans)}
    kept = tuple(leaf for leaf in ordered if not (deferred and _is_range(leaf, deferred)))
    if split:
        found = pa.concat_tables([found.filter(one), table_of(_joined(spans) for spans in split.values())])
    return Settled(kept, _by_uri(found))


def _by_uri(outcomes: pa.Table) -> pa.Table:
    """The same rows in order, in which those of bundles stand already unless objects were set aside or split."""
    uri = outcomes["uri"]
    return outcomes.sort_by("uri") if pc.any(pc.greater(uri[:-1], uri[1:])).as_py() else outcomes


def _is_range(leaf: Leaves, uris: Container[str]) -> bool:
    """Whether a bundle is the range of one of these objects."""
    first = rows_of(leaf.outcomes.table().slice(0, 1))[0]
    return not first.whole and first.object.uri in uris


def _joined(spans: Sequence[SpanOutcome]) -> SpanOutcome:
    """The ranges of an object as one outcome, with the hash of its blocks."""
    first = spans[0]
    lost = next((s for s in spans if s.outcome == "deferred"), None)
    if lost is not None:
        return SpanOutcome(first.object, 0, None, "deferred", code=lost.code, place=lost.place)
    ordered, size = sorted(spans, key=lambda s: s.start), first.object.size
    added = {name: sum(getattr(s, name) for s in spans) for name in COUNTED}
    nothing = added["quarantined"] > 0 and added["written"] == 0 and added["duplicate"] == 0
    return SpanOutcome(
        first.object,
        0,
        None,
        "quarantined" if nothing else "written",
        sha256=of_ranges([(s.start, size if s.end is None else s.end, s.sha256) for s in ordered], size),
        **added,
    )


INPUT_OF = {
    "uri": "key",
    "version": "version",
    "size": "size",
    "modified_us": "modified_us",
    "sha256": "sha256",
    "outcome": "outcome",
    "code": "code",
    "read": "records_read",
    "written": "records_written",
    "quarantined": "records_quarantined",
    "duplicate": "records_duplicate",
    "record_bytes": "bytes_record",
    "quarantined_bytes": "bytes_quarantined",
    "envelope_bytes": "bytes_envelope",
}
"""Column of OUTCOMES → column of INPUTS."""


def inputs_table(outcomes: pa.Table, zone: str) -> pa.Table:
    """INPUTS of the wave."""
    columns = {of_input: outcomes[name] for name, of_input in INPUT_OF.items()}
    return pa.table({**columns, "zone": pa.repeat(zone, outcomes.num_rows)}, schema=INPUTS)


def counts(outcomes: pa.Table, done: int) -> dict[str, dict[str, int]]:
    """The counts of an entry. outcomes: OUTCOMES, a row an object. done: objects that were listed and are in the log
    already."""
    objects = {"listed": outcomes.num_rows + done, "written": 0, "done": done, "quarantined": 0, "deferred": 0}
    of = {name: total(outcomes, name) for name in COUNTED}
    spans = of["record_bytes"], of["quarantined_bytes"], of["envelope_bytes"]
    return {
        "objects": objects | by_value(outcomes["outcome"]),
        "records": {name: of[name] for name in ("read", "written", "quarantined", "duplicate")},
        "bytes": {"read": sum(spans), "records": spans[0], "quarantined": spans[1], "envelope": spans[2]},
    }


def run_identity(*parts: str) -> str:
    """64 hexadecimal digits that follow from what makes a run itself: inputs, digests, key id, code version."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
