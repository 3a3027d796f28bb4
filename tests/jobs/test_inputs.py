"""Leaves of a wave become one outcome an object, and counts that balance."""

from __future__ import annotations

import hashlib
from typing import Any

from connectors.contract import RawObject
from jobs.inputs import counts, settle
from jobs.leaves import Leaves, SpanOutcome


def outcome(uri: str, start: int = 0, end: int | None = None, **facts: Any) -> SpanOutcome:
    return SpanOutcome(RawObject(uri, 100, 0, "e"), start, end, facts.pop("outcome", "written"), **facts)


def leaves(index: int, *spans: SpanOutcome) -> Leaves:
    return Leaves(index, f"{index:016}", (), spans)


def test_ranges_of_an_object_become_one_outcome_with_their_rfc_6962_root() -> None:
    one, two = b"1" * 32, b"2" * 32
    settled = settle(
        [
            leaves(1, outcome("a", 50, None, sha256=two, read=3, written=2, quarantined=1, record_bytes=50)),
            leaves(0, outcome("a", 0, 50, sha256=one, read=1, written=1, record_bytes=40, envelope_bytes=10)),
        ]
    )
    leaf = [hashlib.sha256(b"\0" + part).digest() for part in (one, two)]
    assert len(settled.outcomes) == 1
    assert settled.outcomes[0].sha256 == hashlib.sha256(b"\1" + leaf[0] + leaf[1]).digest()
    assert (settled.outcomes[0].read, settled.outcomes[0].written, settled.outcomes[0].quarantined) == (4, 3, 1)


def test_a_deferred_range_defers_the_object_and_leaves_out_its_other_ranges() -> None:
    settled = settle(
        [
            leaves(0, outcome("a", 0, 50, read=1, written=1)),
            leaves(1, outcome("a", 50, None, outcome="deferred", code="STORE_UNAVAILABLE")),
            leaves(2, outcome("b", read=1, written=1)),
        ]
    )
    assert [leaf.index for leaf in settled.leaves] == [2]
    assert [(o.object.uri, o.outcome, o.code) for o in settled.outcomes] == [
        ("a", "deferred", "STORE_UNAVAILABLE"),
        ("b", "written", ""),
    ]


def test_the_counts_balance() -> None:
    counted = counts(
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
        ],
        done=4,
    )
    assert counted == {
        "objects": {"listed": 7, "written": 1, "done": 4, "quarantined": 1, "deferred": 1},
        "records": {"read": 6, "written": 3, "quarantined": 2, "duplicate": 1},
        "bytes": {"read": 200, "records": 80, "quarantined": 115, "envelope": 5},
    }
