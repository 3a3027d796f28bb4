"""The distinct values of a column of values of any length, by a table of their hashes."""
# mypy: disallow-untyped-decorators=False, warn-return-any=False

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.kernels.short_values import GROUP, probe_after, short
from connectors.kernels.words import load

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_EMPTY, _ONE, _HALF, _CODE = np.uint64(0), np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)
_ROOM: Final = 1 << 10
"""Values that the tables hold at first: few enough that they stay in the processor's nearest cache."""
_FIRST, _LAST, _LENGTH, _ADDRESS, _NUMBERS = 0, 1, 2, 3, 4  # of a distinct value: its first and last eight bytes, …


@njit(cache=True, nogil=True, inline="always")
def _ends(at: int, length: int, last: int) -> tuple[np.uint64, np.uint64]:
    """The first and the last eight bytes of a value; of a shorter one, all of it twice."""
    if length < 8:
        whole = short(at, length, last)
        return whole, whole
    return load(at), load(at + length - 8)


@njit(cache=True, nogil=True, inline="always")
def _hash(at: int, length: int, first: np.uint64, end: np.uint64) -> np.uint64:
    """A 64-bit number that follows from the bytes of a value at an address, whose ends are given."""
    h = np.uint64(length) * _MIX
    if length > 8:
        h = (h ^ first) * _MIX
        h ^= h >> _HALF
        for i in range(8, length - 8, 8):
            h = (h ^ load(at + i)) * _MIX
            h ^= h >> _HALF
    h = (h ^ end) * _MIX
    h = (h ^ (h >> _HALF)) * _MIX
    return h ^ (h >> _HALF)


@njit(cache=True, nogil=True, inline="always")
def same_middle(a: int, b: int, length: int) -> bool:
    """Whether two values of one length, at two addresses, are the same between their first and last eight bytes."""
    for i in range(8, length - 8, 8):  # noqa: SIM110 - numba compiles loops, not generators
        if load(a + i) != load(b + i):
            return False
    return True


@njit(cache=True, nogil=True, inline="always")
def _is(values: Words, code: int, first: np.uint64, end: np.uint64, length: int, at: int) -> bool:
    """Whether a distinct value is the one at an address: up to 16 bytes its ends and length say so."""
    place = _NUMBERS * code
    if values[place + _FIRST] != first or values[place + _LAST] != end or values[place + _LENGTH] != np.uint64(length):
        return False
    return same_middle(np.int64(values[place + _ADDRESS]), at, length)


@njit(cache=True, nogil=True, inline="always")
def _find(
    table: Words, hashed: np.uint64, values: Words, first: np.uint64, end: np.uint64, length: int, at: int
) -> np.int64:
    """The code of a value, or -1 - slot where it is to be put."""
    mask, mark = np.uint64(table.size - 1), hashed >> _HALF
    slot = hashed & mask
    while table[slot] != _EMPTY:
        if table[slot] >> _HALF == mark:
            code = np.int64(table[slot] & _CODE) - 1
            if _is(values, code, first, end, length, at):
                return code
        slot = (slot + np.uint64(1)) & mask
    return -1 - np.int64(slot)


@njit(cache=True, nogil=True)
def _grown(table: Words, hashes: Words, count: int) -> Words:
    """A table four times as large with the same `count` values in it."""
    larger = np.zeros(table.size * 4, np.uint64)
    mask = np.uint64(larger.size - 1)
    for code in range(count):
        slot = hashes[code] & mask
        while larger[slot] != _EMPTY:
            slot = (slot + np.uint64(1)) & mask
        larger[slot] = (hashes[code] >> _HALF << _HALF) | np.uint64(code + 1)
    return larger


@njit(cache=True, nogil=True)
def intern_long(
    data: Bytes, starts: Integers, ends: Integers, valid: npt.NDArray[np.bool_], limit: float
) -> tuple[Codes, Integers, bool]:
    """(code of each row, first row of each code, whether values repeat): an open-addressing table of hash and code.

    What grows does so between groups of rows: an array that changes inside a loop is counted at each use.
    """
    n, base = starts.size, data.ctypes.data
    last = base + data.size - 8
    codes = np.full(n, -1, np.int32)
    table = np.zeros(4 * _ROOM, np.uint64)
    rows, hashes, values = np.empty(_ROOM, np.int64), np.empty(_ROOM, np.uint64), np.empty(_NUMBERS * _ROOM, np.uint64)
    room = np.empty((_NUMBERS, GROUP), np.uint64)
    count, probe = 0, probe_after(n)
    for group in range(0, n, GROUP):
        if group == probe and count > limit * group:
            return codes, rows[:count], False
        if count + GROUP > rows.size:
            rows, hashes = np.append(rows, np.empty_like(rows)), np.append(hashes, np.empty_like(hashes))
            values = np.append(values, np.empty_like(values))
        if 2 * (count + GROUP) > table.size:
            table = _grown(table, hashes, count)
        stop = min(group + GROUP, n)
        count = _intern_group(
            base,
            last,
            starts[group:stop],
            ends[group:stop],
            valid[group:stop],
            codes[group:stop],
            group,
            table,
            values,
            rows,
            hashes,
            count,
            room,
        )
    return codes, rows[:count], True


@njit(cache=True, nogil=True)
def _intern_group(
    base: int,
    last: int,
    starts: Integers,
    ends: Integers,
    valid: npt.NDArray[np.bool_],
    codes: Codes,
    before: int,
    table: Words,
    values: Words,
    rows: Integers,
    hashes: Words,
    count: int,
    room: Words,
) -> int:
    """Gives some rows, of which `before` others stand in front, their codes; how many distinct values there are then.

    Each step goes over all rows, so that the reads of a step do not wait for one another.
    """
    first, end, hashed, found = room[0], room[1], room[2], room[3]
    mask = np.uint64(table.size - 1)
    for i in range(starts.size):
        at, length = base + starts[i], ends[i] - starts[i]
        first[i], end[i] = _ends(at, length, last)
        hashed[i] = _hash(at, length, first[i], end[i])
    for i in range(starts.size):
        found[i] = table[hashed[i] & mask]
    for i in range(starts.size):
        if not valid[i]:
            continue
        code = np.int64(found[i] & _CODE) - 1
        length, at = ends[i] - starts[i], base + starts[i]
        if code >= 0 and _is(values, code, first[i], end[i], length, at):
            codes[i] = code
            continue
        place = _find(table, hashed[i], values, first[i], end[i], length, at)
        if place >= 0:
            codes[i] = place
            continue
        table[-1 - place] = (hashed[i] >> _HALF << _HALF) | np.uint64(count + 1)
        new = _NUMBERS * count
        values[new + _FIRST], values[new + _LAST] = first[i], end[i]
        values[new + _LENGTH], values[new + _ADDRESS] = np.uint64(length), np.uint64(at)
        rows[count], hashes[count] = before + i, hashed[i]
        codes[i] = count
        count += 1
    return count


@njit(cache=True, nogil=True)
def hashes_differ(data: Bytes, starts: Integers, ends: Integers) -> bool:
    """Whether no two values have the same hash, in all bits but one."""
    room = 2
    while room < 2 * starts.size:
        room *= 2
    table, mask = np.zeros(room, np.uint64), np.uint64(room - 1)
    base = data.ctypes.data
    last = base + data.size - 8
    for i in range(starts.size):
        at, length = base + starts[i], ends[i] - starts[i]
        first, end = _ends(at, length, last)
        hashed = _hash(at, length, first, end) | _ONE
        slot = hashed >> _ONE & mask
        while table[slot] != _EMPTY:
            if table[slot] == hashed:
                return False
            slot = (slot + _ONE) & mask
        table[slot] = hashed
    return True
