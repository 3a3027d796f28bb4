"""SHA-256 of many spans: which of them go side by side, and how they end (FIPS 180-4, 5.1.1)."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.kernels.sha256 import BLOCK, LANES, SIZE, Bytes, Integers, Words, compress, put_digests, put_end
from connectors.kernels.words import prefetch, store, swap

Booleans = npt.NDArray[np.bool_]

_BLOCK_BITS: Final = 6
_PADDING: Final = 9  # a one behind the span, and eight bytes that tell how many bits there were
_TAIL: Final = 2 * BLOCK
_MOST: Final = (1 << 16) - 1  # blocks that spans are told apart by


class Room(NamedTuple):
    """What the work on a group of spans is done in. state, kept: uint32[8, LANES]. tails: uint8[LANES, _TAIL], the ends
    of spans. rows: int64[LANES], the span of each lane. at: int64[LANES], the address that each lane reads next."""

    state: Words
    kept: Words
    tails: Bytes
    rows: Integers
    at: Integers


@njit(cache=True, nogil=True, inline="always")
def _blocks(length: np.int64) -> np.int64:
    """How many blocks a span makes with its padding (FIPS 180-4, 5.1.1)."""
    return (length + _PADDING + BLOCK - 1) >> _BLOCK_BITS


@njit(cache=True, nogil=True, inline="always")
def _bodies(places: Integers, lengths: Integers, room: Room) -> None:
    """room.state: the states of the lanes behind those blocks of their spans that stand whole before the last two. A
    lane that has no more of them reads what the last one reads, and its state is set aside before."""
    done, aside = np.int64(0), 0
    for lane in range(LANES):
        room.at[lane] = places[room.rows[lane]]
    for lane in range(LANES):
        body = _blocks(lengths[room.rows[lane]]) - 2
        if body <= done:
            continue
        for k in range(8):
            for ended in range(aside, lane):
                room.kept[k, ended] = room.state[k, ended]
        aside = lane
        for ended in range(lane):
            room.at[ended] = room.at[LANES - 1]
        compress(room.state.ctypes.data, room.at.ctypes.data, body - done)
        for going in range(LANES):
            room.at[going] += BLOCK * (body - done)
        done = body
    for k in range(8):
        for ended in range(aside):
            room.state[k, ended] = room.kept[k, ended]


@njit(cache=True, nogil=True, inline="always")
def _ends(places: Integers, lengths: Integers, before: int, blocks: int, room: Room, out: Bytes) -> None:
    """out: the digests of the spans, from the states in room.state over the last blocks of each, two or the only one,
    which are laid out with their padding."""
    tails = room.tails.ctypes.data
    for lane in range(LANES):
        row, tail = room.rows[lane], tails + _TAIL * lane
        body = BLOCK * (_blocks(lengths[row]) - blocks)
        rest, size = places[row] + body, lengths[row] - body
        put_end(tail, rest, size)
        if blocks == 2:
            put_end(tail + BLOCK, rest + BLOCK, size - BLOCK)
        store(tail + blocks * BLOCK - 8, swap(np.uint64(8 * (lengths[row] + before))))
        room.at[lane] = tail
    compress(room.state.ctypes.data, room.at.ctypes.data, blocks)
    for lane in range(LANES):
        room.at[lane] = out.ctypes.data + SIZE * room.rows[lane]
    put_digests(room.state.ctypes.data, room.at.ctypes.data)


@njit(cache=True, nogil=True)
def _by_blocks(lengths: Integers) -> Integers:
    """int64[n]: the spans by how many blocks they make, equal ones in their order; from _MOST on all count as equal."""
    shortest, longest = np.int64(1 << 62), np.int64(0)
    for length in lengths:
        shortest, longest = min(shortest, length), max(longest, length)
    if _blocks(shortest) >= _blocks(longest):
        return np.arange(lengths.size)
    behind, order = np.zeros(min(_blocks(longest), _MOST) + 2, np.int64), np.empty(lengths.size, np.int64)
    for length in lengths:
        behind[min(_blocks(length), _MOST) + 1] += 1
    for blocks in range(1, behind.size):
        behind[blocks] += behind[blocks - 1]
    for i in range(lengths.size):
        blocks = min(_blocks(lengths[i]), _MOST)
        order[behind[blocks]] = i
        behind[blocks] += 1
    return order


@njit(cache=True, nogil=True)
def _hash(
    order: Integers,
    places: Integers,
    lengths: Integers,
    start: Words,
    before: int,
    room: Room,
    out: Bytes,
    alone: Booleans,
) -> None:
    """See `digests_of`. order: the spans by how many blocks they make."""
    first = 0
    while first < order.size:
        count, total = _count(first, order, lengths), np.int64(0)
        for lane in range(count):
            total += _blocks(lengths[order[first + lane]])
        most = _blocks(lengths[order[first + count - 1]])
        if 2 * total < LANES * most:
            for lane in range(count):
                alone[order[first + lane]] = True
        else:
            for ahead in range(first + count, min(first + count + LANES, order.size)):
                prefetch(places[order[ahead]])
            for lane in range(LANES):
                room.rows[lane] = order[first + min(lane, count - 1)]
                for k in range(8):
                    room.state[k, lane] = start[k]
            _bodies(places, lengths, room)
            _ends(places, lengths, before, min(most, 2), room, out)
        first += count


@njit(cache=True, nogil=True, inline="always")
def _count(first: int, order: Integers, lengths: Integers) -> int:
    """How many spans, from one in their order on, go side by side: none of one block with longer ones, whose ends are
    two blocks."""
    count = min(LANES, order.size - first)
    if _blocks(lengths[order[first]]) == 1:
        while _blocks(lengths[order[first + count - 1]]) > 1:
            count -= 1
    return count


def digests_of(places: Integers, lengths: Integers, start: Words, before: int) -> tuple[Bytes, Booleans]:
    """(uint8[n, 32], bool[n]): SHA-256 of the spans of lengths[i] bytes at the addresses places[i], int64[n] each; and
    which were left out, because too few others are about as long.

    start: uint32[8], the state behind `before` bytes, a multiple of 64, that stand in front of every span. The caller
    holds what the addresses are of.
    """
    out, alone = np.empty((places.size, SIZE), np.uint8), np.zeros(places.size, np.bool_)
    _hash(_by_blocks(lengths), places, lengths, start, before, _room(), out, alone)
    return out, alone


def _room() -> Room:
    words = np.empty((2, 8, LANES), np.uint32)
    return Room(words[0], words[1], np.empty((LANES, _TAIL), np.uint8), *np.empty((2, LANES), np.int64))
