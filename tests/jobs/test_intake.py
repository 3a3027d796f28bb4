"""What comes into a bundle's task has the ordinals of the bundle, whatever was set aside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from connectors.contract import Stretch
from connectors.storage import StorageOptions
from connectors.storage.listing import list_objects
from jobs.intake import Intake
from jobs.outcomes import SpanOutcome
from jobs.plan import Span

DATA = [b"MSH|^~\\&|%d\r" % n * n for n in range(5)]


@pytest.mark.parametrize("aside", [(), (0,), (1, 2), (1, 3)])
def test_what_is_set_aside_moves_no_other_ordinal(tmp_path: Path, aside: tuple[int, ...]) -> None:
    for n, data in enumerate(DATA):
        (tmp_path / f"{n}.hl7").write_bytes(data)
    (tmp_path / "5.hl7.gz").write_bytes(b"damaged")
    spans = tuple(Span(raw) for page in list_objects(str(tmp_path)) for raw in page)
    outcomes = {n: SpanOutcome(spans[n].object, 0, None, "deferred", code="OBJECT_GONE") for n in aside}
    intake = Intake(spans, StorageOptions(), outcomes)
    met = list(intake.pieces().stretches)
    assert any(isinstance(each, Stretch) for each in met)
    alone = [piece for each in met for piece in (each.pieces() if isinstance(each, Stretch) else [each])]
    kept = [n for n in range(5) if n not in aside]
    assert {p.ordinal: b"".join(p.blocks) for p in alone} == {**{n: DATA[n] for n in kept}, 5: b"damaged"}
    for n in range(5):
        assert intake.sha256(n) == (b"" if n in aside else hashlib.sha256(DATA[n]).digest())
    assert sorted(intake.set_aside) == list(aside)
