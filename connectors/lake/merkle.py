"""The Merkle tree hash of RFC 6962, section 2.1: one digest over an ordered list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

LEAF = b"\x00"
NODE = b"\x01"


def root(leaves: Sequence[bytes]) -> bytes:
    """SHA-256 tree hash of the leaves' data, 32 bytes; of no leaves: the SHA-256 of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = [hashlib.sha256(LEAF + leaf).digest() for leaf in leaves]
    # Pairing neighbours and carrying an odd one up gives the split at the largest power of two that the RFC defines.
    while len(level) > 1:
        paired = [hashlib.sha256(NODE + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0]
