"""Leaves of a bundle, on their way from its task to the driver."""

from __future__ import annotations

import pickle

import pyarrow as pa

from connectors.contract import RawObject
from connectors.lake import Part
from jobs.leaves import Leaves, SpanOutcome

WRITTEN = SpanOutcome(RawObject("/in/a", 30, 1, "e"), 0, None, "written", sha256=bytes(32), read=3, written=3)
LOST = SpanOutcome(RawObject("/in/b", 40, 2), 10, 20, "deferred", code="OBJECT_GONE", place="ObjectChanged in x")


def test_they_cross_to_another_process_whole() -> None:
    part = Part("hl7v2_messages", "identified", "p.parquet", 3, 99, "ab", "cd")
    envelopes = pa.table({"piece": [1]})
    leaves = Leaves(7, "name", (part,), (WRITTEN, LOST), {"hl7v2_messages": 3}, envelopes, {"read": 0.5})
    assert pickle.loads(pickle.dumps(leaves)) == leaves
    assert pickle.loads(pickle.dumps(leaves)).deferred == (LOST,)


def test_those_without_an_object_do_too() -> None:
    assert pickle.loads(pickle.dumps(Leaves(1, "name", (), ()))) == Leaves(1, "name", (), ())
