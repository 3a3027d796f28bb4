"""The Merkle tree hash of RFC 6962, section 2.1: one digest over an ordered list."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

LEAF = b"\x00"
NODE = b"\x01"


def root(leaves: Sequence[bytes]) -> bytes:
    """SHA-256 tree hash of the leaves' data, 32 bytes; of no leaves: the SHA-256 of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = [hashlib.sha256(LEAF + leaf).digest() for leaf in leaves]
    # Pairing neighbours and carrying an odd one up gives the split at the largest power of two that the RFC defines.
    while len(level) > 1:
        paired = [_parent(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0]


def subtrees(first: int, stop: int) -> Iterator[int]:
    """How many leaves the largest whole subtrees have in which the leaves [first, stop) of a tree stand, in order."""
    while first < stop:
        size = 1 << (stop - first).bit_length() - 1
        size = min(size, first & -first) if first else size
        yield size
        first += size


def nodes(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The roots of these subtrees, 32 bytes each. leaves: their data, from the leaf number `first` on."""
    sizes = [*subtrees(first, first + len(leaves))]
    starts = accumulate(sizes, initial=0)
    return [root(leaves[start : start + size]) for start, size in zip(starts, sizes, strict=False)]


def joined(several: Iterable[tuple[int, bytes]]) -> bytes:
    """The root of a tree from its subtrees, one at least: how many leaves each has, and its root. They follow one
    another from the first leaf on, and are those that `subtrees` tells of parts that do."""
    held: list[tuple[int, bytes]] = []
    for size, node in several:
        while held and held[-1][0] == size:
            size, node = 2 * size, _parent(held.pop()[1], node)
        held.append((size, node))
    found = held.pop()[1]
    while held:
        found = _parent(held.pop()[1], found)
    return found


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE + left + right).digest()
