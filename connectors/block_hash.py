"""The hash of an object that is read in ranges: a Merkle tree over its blocks, the same wherever it was cut.

The blocks are of BLOCK bytes each, counted from the object's first byte; the last one may be shorter. The hash is the
root (RFC 6962, 2.1) of the list of their SHA-256. A block belongs to the range in which it begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from connectors import merkle
from connectors.digests import SIZE, sha256_spans

BLOCK = 64 << 10


def of_ranges(ranges: Iterable[tuple[int, int, bytes]], size: int) -> bytes:
    """The hash of an object of `size` bytes, 32 bytes. ranges: start, end and what a RangeHash found of each, in order;
    they cover the object. Raises ValueError where that is not so."""
    return merkle.joined(_nodes(ranges, size))


def _nodes(ranges: Iterable[tuple[int, int, bytes]], size: int) -> Iterator[tuple[int, bytes]]:
    """How many blocks each of the tree's parts covers that the ranges found, and its root."""
    at = 0
    for start, end, found in ranges:
        if start != at:
            raise ValueError("the ranges do not follow one another")
        nodes = (found[k : k + SIZE] for k in range(0, len(found), SIZE))
        yield from zip(merkle.subtrees(_count(start), _count(end)), nodes, strict=True)
        at = end
    if at != size:
        raise ValueError("the ranges do not cover the object")


def _count(end: int) -> int:
    """How many blocks begin before a place."""
    return -(-end // BLOCK)


class RangeHash:
    """What a range [start, end) gives to the hash of an object of `size` bytes. It takes bytes as they come, from the
    range's start or before it on, to where its last block ends."""

    def __init__(self, start: int, end: int, size: int) -> None:
        self._first = _count(start)
        self._at, self._end = self._first * BLOCK, min(_count(end) * BLOCK, size)
        self._begun = hashlib.sha256()
        self._digests: list[bytes] = []

    def add(self, data: npt.NDArray[np.uint8], at: int) -> None:
        """Take the bytes at a place of the object, which follow those before. Other blocks' bytes are passed over."""
        data = data[max(self._at - at, 0) : max(self._end - at, 0)]
        missing = -self._at % BLOCK
        behind = data[missing:]
        whole = len(behind) // BLOCK * BLOCK
        self._go_on(data[:missing])
        starts = np.arange(0, whole, BLOCK)
        self._digests.extend(row.tobytes() for row in sha256_spans(behind, starts, starts + BLOCK))
        self._at += whole
        self._go_on(behind[whole:])

    def _go_on(self, data: npt.NDArray[np.uint8]) -> None:
        """Take bytes of one block."""
        if not len(data):
            return
        self._begun.update(data.data)
        self._at += len(data)
        if self._at % BLOCK == 0 or self._at == self._end:
            self._digests.append(self._begun.digest())
            self._begun = hashlib.sha256()

    def found(self) -> bytes | None:
        """The roots of the largest whole subtrees over the range's blocks, 32 bytes each, once all were taken. No bytes
        where no block begins in the range."""
        return b"".join(merkle.nodes(self._digests, self._first)) if self._at >= self._end else None
