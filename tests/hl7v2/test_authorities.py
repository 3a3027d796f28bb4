"""The sending facility as the authority of identifiers without one, against a row at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.hl7v2.patient_key import give_authority

TEXT = b'GEN"""x"A'
SPAN = st.tuples(st.integers(0, 6), st.integers(0, 3))
ROW = st.tuples(SPAN, SPAN, SPAN, st.integers(0, 2))


def twin(row: tuple[tuple[int, int], ...], facility: tuple[int, int]) -> tuple[int, int]:
    (at, size), *identifiers = row
    lacks = size == 0 or TEXT[at : at + size] == b'""'
    return facility if lacks and any(length for _, length in identifiers) else (at, size)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=12), st.lists(SPAN, min_size=3, max_size=3))
def test_what_has_no_authority_gets_the_facility_of_its_message(
    rows: list[tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]], facilities: list[tuple[int, int]]
) -> None:
    spans = np.array([row[:3] for row in rows], np.int32)
    start, length = (np.ascontiguousarray(spans[:, :, part].T) for part in (0, 1))
    message = np.array([row[3] for row in rows], np.int32)
    given_to = np.array(facilities, np.int32)
    facility = np.ascontiguousarray(given_to[:, 0]), np.ascontiguousarray(given_to[:, 1])
    text = np.frombuffer(bytearray(TEXT), np.uint8)
    added = give_authority(text, start, length, 0, np.array([1, 2]), message, *facility)
    want = [twin(row[:3], facilities[row[3]]) for row in rows]
    assert list(zip(start[0].tolist(), length[0].tolist(), strict=True)) == want
    changed = [new for row, new in zip(rows, want, strict=True) if new != row[0]]
    assert added >= sum(size for _, size in changed)
    assert np.array_equal(start[1:], spans[:, 1:, 0].T)
