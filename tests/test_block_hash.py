"""The hash of an object that is read in ranges, against the slow, obvious way: from all of its bytes, with hashlib."""

from __future__ import annotations

import hashlib
import itertools
import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import block_hash, merkle
from connectors.block_hash import BLOCK, RangeHash, of_ranges


def tree(leaves: list[bytes]) -> bytes:
    """As RFC 6962, 2.1 says it: split at the largest power of two below n."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def obvious(data: bytes, block: int) -> bytes:
    return tree([hashlib.sha256(data[at : at + block]).digest() for at in range(0, len(data), block)])


def found(data: bytes, start: int, end: int, front: int, sizes: list[int]) -> bytes:
    """What a range gives that comes in pieces of such sizes, with some bytes in front of it and all behind it."""
    taken, at, sizes = RangeHash(start, end, len(data)), max(start - front, 0), [*sizes, len(data)]
    own = [n for n in range(start, end) if n % block_hash.BLOCK == 0]
    for size in sizes:
        assert (taken.found() is not None) == (not own or at >= min(own[-1] + block_hash.BLOCK, len(data)))
        taken.add(np.frombuffer(data[at : at + size], np.uint8), at)
        at += size
    given = taken.found()
    assert given is not None
    return given


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.data(), st.integers(1, 40), st.integers(0, 4))
def test_the_hash_is_that_of_all_blocks_wherever_the_object_is_cut(
    data: bytes, draw: st.DataObject, block: int, front: int
) -> None:
    cuts = draw.draw(st.sets(st.integers(1, len(data)), max_size=6))
    sizes = draw.draw(st.lists(st.integers(0, 90), max_size=6))
    borders = sorted({0, *cuts, len(data)})
    with mock.patch.object(block_hash, "BLOCK", block):
        ranges = [(a, b, found(data, a, b, front, sizes)) for a, b in itertools.pairwise(borders)]
        assert of_ranges(ranges, len(data)) == obvious(data, block)


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 16 * BLOCK, 37 * BLOCK + 5])
def test_blocks_have_the_size_that_the_documents_tell(size: int) -> None:
    data = os.urandom(size)
    middle = size // 2
    ranges = [(0, middle, found(data, 0, middle, 0, [])), (middle, size, found(data, middle, size, 4, []))]
    assert of_ranges(ranges[middle == 0 :], size) == obvious(data, 65_536)


def test_a_range_hands_on_few_digests_however_many_blocks_it_has() -> None:
    for first, count in itertools.product((0, 1, 1000, 4095), (1, 16_384, 16_385)):
        sizes = list(merkle.subtrees(first, first + count))
        assert sum(sizes) == count
        assert len(sizes) <= 2 * count.bit_length()


@pytest.mark.parametrize(
    "ranges",
    [
        [(0, BLOCK, b"1" * 32)],
        [(0, 2 * BLOCK, b"")],
        [(0, 2 * BLOCK, b"1" * 64)],
        [(0, BLOCK, b"1" * 32), (BLOCK + 1, 2 * BLOCK, b"")],
        [],
    ],
    ids=["short", "unknown", "too many", "gap", "none"],
)
def test_what_does_not_make_an_object_has_no_hash(ranges: list[tuple[int, int, bytes]]) -> None:
    with pytest.raises(ValueError, match=r"range|argument"):
        of_ranges(ranges, 2 * BLOCK)
