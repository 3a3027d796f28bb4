"""The distinct values of a column in which none has more than seven bytes: with its length, each is one word."""
# mypy: disallow-untyped-decorators=False, warn-return-any=False

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.kernels.words import load

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

LONGEST_SHORT: Final = 7
"""Bytes of the longest value that is a short one."""

GROUP: Final = 256
PROBE: Final = 8
"""After one in so many rows it is decided whether values repeat enough."""

_FIRST_PROBE: Final = 1 << 12
_ROOM: Final = 1 << 10
_EMPTY, _ONE, _MIX = np.uint64(0), np.uint64(1), np.uint64(0x9E3779B97F4A7C15)
_FOLD, _HALF = np.uint64(29), np.uint64(32)


@njit(cache=True, nogil=True, inline="always")
def short(at: int, length: int, last: int) -> np.uint64:
    """A value of fewer than eight bytes as a word. last: the highest address at which eight bytes may be read."""
    if length == 0:
        return _EMPTY
    unwanted = np.uint64(64 - 8 * length)
    if at <= last:
        return load(at) << unwanted
    return (load(at + length - 8) >> unwanted) << unwanted


@njit(cache=True, nogil=True, inline="always")
def probe_after(rows: int) -> int:
    """The number of rows, whole groups, after which it is decided whether values repeat enough."""
    return max(_FIRST_PROBE, rows // PROBE // GROUP * GROUP)


@njit(cache=True, nogil=True, inline="always")
def _slot(word: np.uint64) -> np.uint64:
    """A number whose lowest bits follow from all of a word."""
    return ((word ^ (word >> _FOLD)) * _MIX) >> _HALF


@njit(cache=True, nogil=True)
def intern_short(
    data: Bytes, starts: Integers, ends: Integers, valid: npt.NDArray[np.bool_], limit: float
) -> tuple[Codes, Integers, bool]:
    """(code of each row, first row of each code, whether values repeat): what `interning` says of any values.

    What grows does so between groups of rows: an array that changes inside a loop is counted at each use.
    """
    n, base = starts.size, data.ctypes.data
    last = base + data.size - 8
    codes, rows, words = np.full(n, -1, np.int32), np.empty(_ROOM, np.int64), np.empty(GROUP, np.uint64)
    table, code_in = np.zeros(4 * _ROOM, np.uint64), np.empty(4 * _ROOM, np.int32)
    count, probe = 0, probe_after(n)
    for group in range(0, n, GROUP):
        if group == probe and count > limit * group:
            return codes, rows[:count], False
        if count + GROUP > rows.size:
            rows = np.append(rows, np.empty_like(rows))
        if 2 * (count + GROUP) > table.size:
            table, code_in = _grown(table, code_in)
        stop = min(group + GROUP, n)
        for i in range(stop - group):
            length = ends[group + i] - starts[group + i]
            # The lowest byte of a short value's word is free: the length makes it another word than any other value's,
            # and none of them zero.
            words[i] = short(base + starts[group + i], length, last) | np.uint64(length + 1)
        count = _find(words, valid[group:stop], codes[group:stop], group, table, code_in, rows, count)
    return codes, rows[:count], True


@njit(cache=True, nogil=True)
def _find(
    words: Words,
    valid: npt.NDArray[np.bool_],
    codes: Codes,
    before: int,
    table: Words,
    code_in: Codes,
    rows: Integers,
    count: int,
) -> int:
    """Gives some rows, of which `before` others stand in front, their codes; how many distinct ones there are then."""
    mask = np.uint64(table.size - 1)
    for i in range(codes.size):
        if not valid[i]:
            continue
        word = words[i]
        slot = _slot(word) & mask
        while table[slot] != word:
            if table[slot] == _EMPTY:
                table[slot], code_in[slot], rows[count] = word, count, before + i
                count += 1
                break
            slot = (slot + _ONE) & mask
        codes[i] = code_in[slot]
    return count


@njit(cache=True, nogil=True)
def _grown(table: Words, code_in: Codes) -> tuple[Words, Codes]:
    """A table four times as large that holds the same."""
    larger, codes = np.zeros(4 * table.size, np.uint64), np.empty(4 * table.size, np.int32)
    mask = np.uint64(larger.size - 1)
    for old in range(table.size):
        if table[old] == _EMPTY:
            continue
        slot = _slot(table[old]) & mask
        while larger[slot] != _EMPTY:
            slot = (slot + _ONE) & mask
        larger[slot], codes[slot] = table[old], code_in[old]
    return larger, codes
