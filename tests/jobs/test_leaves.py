"""Leaves of a bundle, on their way from its task to the driver."""

from __future__ import annotations

import pickle

import pyarrow as pa

from connectors.contract import RawObject
from connectors.lake import Part
from jobs.leaves import Leaves, together
from jobs.outcomes import OUTCOMES, Packed, SpanOutcome, rows_of, table_of

WRITTEN = SpanOutcome(RawObject("/in/a", 30, 1, "e"), 0, None, "written", sha256=bytes(32), read=3, written=3)
LOST = SpanOutcome(RawObject("/in/b", 40, 2, "f"), 10, 20, "deferred", code="OBJECT_GONE", place="ObjectChanged in x")
NOTHING = Packed.of(OUTCOMES.empty_table())


def test_they_cross_to_another_process_whole() -> None:
    part = Part("hl7v2_messages", "identified", "p.parquet", 3, 99, "ab", "cd")
    envelopes = pa.table({"piece": [1]})
    outcomes = Packed.of(table_of([WRITTEN, LOST]))
    leaves = Leaves(7, "name", (part,), outcomes, {"hl7v2_messages": 3}, envelopes, {"read": 0.5})
    assert pickle.loads(pickle.dumps(leaves)) == leaves


def test_outcomes_are_the_same_as_rows_as_a_table_and_packed() -> None:
    assert rows_of(Packed.of(table_of([WRITTEN, LOST])).table()) == [WRITTEN, LOST]
    assert rows_of(NOTHING.table()) == []


def test_an_object_without_entity_tag_keeps_its_version() -> None:
    raw = RawObject("/in/c", 40, 2)
    [row] = rows_of(table_of([SpanOutcome(raw, 0, None, "written")]))
    assert row.object.version == raw.version


def test_those_of_objects_that_were_read_one_by_one_are_those_of_the_bundle() -> None:
    several = [Leaves(7, n, (), Packed.of(table_of([o])), {"t": 1}) for n, o in (("x", WRITTEN), ("y", LOST))]
    leaves = together(7, "name", several)
    assert (leaves.identity, leaves.rows) == ("name", {"t": 2})
    assert rows_of(leaves.outcomes.table()) == [WRITTEN, LOST]
