"""Identifiers without an authority, against a row at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.hl7v2.patient_key import without_authority

TEXT = b'GEN"""x"A'
SPAN = st.tuples(st.integers(0, 6), st.integers(0, 3))
Span = tuple[int, int]


def lacks(authority: Span, *identifiers: Span) -> bool:
    at, size = authority
    return TEXT[at : at + size] in (b"", b'""') and any(length for _, length in identifiers)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.tuples(SPAN, SPAN, SPAN), min_size=1, max_size=12))
def test_an_identifier_may_lack_its_authority(rows: list[tuple[Span, Span, Span]]) -> None:
    spans = np.array(rows, np.int32)
    start, length = (np.ascontiguousarray(spans[:, :, part].T) for part in (0, 1))
    found = without_authority(np.frombuffer(bytearray(TEXT), np.uint8), start, length, 0, np.array([1, 2]))
    assert found.tolist() == [n for n, row in enumerate(rows) if lacks(*row)]
