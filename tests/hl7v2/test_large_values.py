"""Documents in OBX-5: twice the bytes cost twice the work, however they come and wherever the line breaks are."""

from __future__ import annotations

import time

import pytest
from reading import chunks, message

BLOCK = 1 << 20
SMALL, FACTOR, BOUND = 4 << 20, 4, 2
"""Bytes of the smaller value, how many times that the larger one has, and how much more than so many times the work it
may cost: what grows with the square of the size would cost FACTOR times that."""

LINES = {"on one line": b"", "with a line break after each 76": b"\r\n"}


def document(size: int, between: bytes) -> bytes:
    line = b"TVNI" * 19 + between
    head, tail = message("PID|1||7", "OBR|1", "OBX|1|ED|DOC||^^PDF^Base64^X").split(b"X\r", 1)
    return head + line * (size // len(line)) + b"\r" + tail


def processor_seconds(data: bytes) -> float:
    """The least of three readings, in seconds of the processor, of which other work takes none."""
    taken = []
    for _ in range(3):
        begun = time.process_time()
        found = chunks(data, BLOCK)
        taken.append(time.process_time() - begun)
        assert sum(parsed.tables["hl7v2_observations"].num_rows for parsed in found) == 1
    return min(taken)


@pytest.mark.parametrize("between", LINES.values(), ids=LINES)
def test_work_grows_with_the_size_of_a_value_and_no_faster(between: bytes) -> None:
    small, large = (document(size, between) for size in (SMALL, FACTOR * SMALL))
    processor_seconds(small)
    assert processor_seconds(large) < BOUND * FACTOR * processor_seconds(small)
