"""Leaves of a wave become one outcome an object, and counts that balance."""

from __future__ import annotations

import hashlib
from typing import Any

from connectors.block_hash import BLOCK
from connectors.contract import RawObject
from connectors.lake import INPUTS
from jobs.inputs import counts, inputs_table, settle
from jobs.leaves import Leaves
from jobs.outcomes import Packed, SpanOutcome, rows_of, table_of


def outcome(uri: str, start: int = 0, end: int | None = None, **facts: Any) -> SpanOutcome:
    return SpanOutcome(RawObject(uri, 100, 0, "e"), start, end, facts.pop("outcome", "written"), **facts)


def leaves(index: int, *spans: SpanOutcome) -> Leaves:
    return Leaves(index, f"{index:016}", (), Packed.of(table_of(spans)))


def test_ranges_of_an_object_become_one_outcome_with_the_root_of_its_blocks() -> None:
    raw = RawObject("a", 3 * BLOCK, 0, "e")
    zero, one, two = (hashlib.sha256(b"\0" + bytes([n]) * 32).digest() for n in range(3))
    left = hashlib.sha256(b"\1" + zero + one).digest()
    first = SpanOutcome(raw, 0, BLOCK + 1, "written", sha256=left, read=1, written=1, record_bytes=40)
    second = SpanOutcome(raw, BLOCK + 1, None, "written", sha256=two, read=3, written=2, quarantined=1, record_bytes=50)
    settled = settle([leaves(1, second), leaves(0, first)])
    [joined] = rows_of(settled.outcomes)
    assert joined.sha256 == hashlib.sha256(b"\1" + left + two).digest()
    assert (joined.read, joined.written, joined.quarantined) == (4, 3, 1)


def test_a_deferred_range_defers_the_object_and_leaves_out_its_other_ranges() -> None:
    settled = settle(
        [
            leaves(0, outcome("a", 0, 50, read=1, written=1)),
            leaves(1, outcome("a", 50, None, outcome="deferred", code="STORE_UNAVAILABLE")),
            leaves(2, outcome("b", read=1, written=1)),
        ]
    )
    assert [leaf.index for leaf in settled.leaves] == [2]
    assert [(o.object.uri, o.outcome, o.code) for o in rows_of(settled.outcomes)] == [
        ("a", "deferred", "STORE_UNAVAILABLE"),
        ("b", "written", ""),
    ]


def test_outcomes_are_in_the_order_of_their_keys_whatever_bundles_ended_first() -> None:
    settled = settle([leaves(1, outcome("c"), outcome("d")), leaves(0, outcome("b"), outcome("a"), outcome("é"))])
    assert settled.outcomes["uri"].to_pylist() == ["a", "b", "c", "d", "é"]
    assert [leaf.index for leaf in settled.leaves] == [0, 1]


def test_what_the_log_is_told_of_an_object() -> None:
    read = outcome("a", sha256=bytes(range(32)), read=3, written=2, quarantined=1, record_bytes=90, quarantined_bytes=9)
    lost = outcome("b", outcome="deferred", code="OBJECT_GONE", place="ObjectChanged in x")
    table = inputs_table(table_of([read, lost]), "identified")
    assert table.schema == INPUTS
    first, second = table.to_pylist()
    assert first["sha256"] == bytes(range(32)).hex()
    assert (first["key"], first["version"], first["code"], first["zone"]) == ("a", "e", None, "identified")
    assert [first[f"records_{name}"] for name in ("read", "written", "quarantined", "duplicate")] == [3, 2, 1, 0]
    assert [first[f"bytes_{name}"] for name in ("record", "quarantined", "envelope")] == [90, 9, 0]
    assert (second["sha256"], second["outcome"], second["code"]) == (None, "deferred", "OBJECT_GONE")


def test_the_counts_balance() -> None:
    outcomes = table_of(
        [
            outcome(
                "a",
                read=5,
                written=3,
                quarantined=1,
                duplicate=1,
                record_bytes=80,
                quarantined_bytes=15,
                envelope_bytes=5,
            ),
            outcome("b", outcome="quarantined", read=1, quarantined=1, quarantined_bytes=100),
            outcome("c", outcome="deferred"),
        ]
    )
    counted = counts(outcomes, done=4)
    assert counted == {
        "objects": {"listed": 7, "written": 1, "done": 4, "quarantined": 1, "deferred": 1},
        "records": {"read": 6, "written": 3, "quarantined": 2, "duplicate": 1},
        "bytes": {"read": 200, "records": 80, "quarantined": 115, "envelope": 5},
    }
