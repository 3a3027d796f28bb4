"""The compiled loops of Parquet's encodings: numbers into as few bits as they need, bytes behind their lengths.

Source: Encodings.md of the Apache Parquet format. Every function that writes takes room that is large enough (`room_*`)
and returns how many bytes it filled, an int.
"""
# mypy: disallow-untyped-decorators=False, warn-return-any=False

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.kernels.words import VECTOR, copy_vector, int_at, load, put_byte, put_int, store
from connectors.parquet import thrift

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

BLOCK: Final = 128
MINIBLOCKS: Final = 4
_MINIBLOCK: Final = BLOCK // MINIBLOCKS
_WORD: Final = 64
_LENGTH: Final = 4
_NUMBER: Final = 4
_LEAST_RUN: Final = 8
_NARROW: Final = 16
_SLACK: Final = 64


def room_of_runs(count: int, width: int) -> int:
    """Bytes that `runs` may write: alternating runs and literals at most, and a word beyond."""
    return count * (width + 8) // 8 + 16 * (count // _LEAST_RUN + 2) + _SLACK


def room_of_differences(count: int) -> int:
    """Bytes that `differences` may write."""
    blocks = -(-count // BLOCK) + 1
    return 40 + blocks * (10 + MINIBLOCKS + 8 * BLOCK) + _SLACK


@njit(cache=True, nogil=True, inline="always")
def _varint(to: int, number: np.uint64) -> int:
    """Writes a number at an address, seven bits a byte; the address behind it."""
    seven, low, more = np.uint64(7), np.uint64(0x7F), np.uint64(0x80)
    while number > low:
        put_byte(to, np.int64(number & low | more))
        number >>= seven
        to += 1
    put_byte(to, np.int64(number))
    return to + 1


@njit(cache=True, nogil=True, inline="always")
def _zigzag(to: int, number: np.int64) -> int:
    return _varint(to, np.uint64((number << np.int64(1)) ^ (number >> np.int64(63))))


@njit(cache=True, nogil=True, inline="always")
def _width_of(number: np.uint64) -> int:
    """How many bits a number needs."""
    width, one = 0, np.uint64(1)
    while number:
        number >>= one
        width += 1
    return width


@njit(cache=True, nogil=True, inline="always")
def _four(at: int, width: int) -> np.uint64:
    """Four numbers of 32 bits at an address, of which each needs `width` bits (up to 16), end to end."""
    first, second = load(at), load(at + 8)
    low, each, half = np.uint64(0xFFFFFFFF), np.uint64(width), np.uint64(32)
    return (
        (first & low)
        | (first >> half) << each
        | (second & low) << (each + each)
        | (second >> half) << (each + each + each)
    )


@njit(cache=True, nogil=True, inline="always")
def _narrow_literals(values: int, groups: int, width: int, to: int) -> None:
    """Writes groups of eight numbers of 32 bits at an address, `width` bits each (up to 16)."""
    half = np.uint64(4 * width)
    rest = np.uint64(_WORD) - half
    for _ in range(groups):
        low, high = _four(values, width), _four(values + 16, width)
        store(to, low | high << half if rest else low)
        store(to + 8, high >> rest if rest else high)
        values += 8 * _NUMBER
        to += width


@njit(cache=True, nogil=True, inline="always")
def _wide_literals(values: int, count: int, width: int, to: int) -> None:
    """Writes numbers of 32 bits at an address, `width` bits each (up to 32), and zeros up to a multiple of eight."""
    held, bits, seven = np.uint64(0), 0, np.uint64(7)
    stop = to + (count + 7) // 8 * width
    for i in range(count):
        held |= np.uint64(int_at(values + _NUMBER * i)) << np.uint64(bits)
        bits += width
        store(to, held)
        to += bits >> 3
        held >>= np.uint64(bits) & ~seven
        bits &= 7
    store(to, held)
    for rest in range(to + 8, stop):
        put_byte(rest, 0)


@njit(cache=True, nogil=True, inline="always")
def _literals(values: int, count: int, width: int, to: int) -> int:
    """Writes numbers of 32 bits at an address as one run of literals, filled up to a multiple of eight with zeros."""
    groups = (count + 7) // 8
    to = _varint(to, np.uint64(groups << 1 | 1))
    narrow = count // 8 if width <= _NARROW else 0
    _narrow_literals(values, narrow, width, to)
    if narrow < groups:
        _wide_literals(values + 8 * _NUMBER * narrow, count - 8 * narrow, width, to + narrow * width)
    return to + groups * width


@njit(cache=True, nogil=True, inline="always")
def _before_run(values: int, count: int) -> int:
    """How many numbers of 32 bits at an address, a multiple of eight, stand before eight that are the same; all where
    none do."""
    half = np.uint64(32)
    for place in range(0, count - 7, 8):
        at = values + _NUMBER * place
        first = load(at)
        same = first ^ (first >> half | first << half)
        for word in range(8, 32, 8):
            same |= first ^ load(at + word)
        if not same:
            return place
    return count


@njit(cache=True, nogil=True)
def runs(values: Codes, width: int, out: Bytes) -> Any:
    """The hybrid of runs and literals of numbers below 2^width (width up to 32), without a length before it.

    A run has eight values at least, and the literals before it are a multiple of eight.
    """
    to, at = np.int64(out.ctypes.data), np.int64(values.ctypes.data)
    begun, end = to, at + _NUMBER * values.size
    while at < end:
        before = _before_run(at, (end - at) // _NUMBER)
        if before:
            to = _literals(at, before, width, to)
            at += _NUMBER * before
        if at < end:
            value, first = int_at(at), at
            while at < end and int_at(at) == value:
                at += _NUMBER
            to = _varint(to, np.uint64((at - first) // _NUMBER << 1))
            for byte in range((width + 7) // 8):
                put_byte(to, (value >> (8 * byte)) & 255)
                to += 1
    return to - begun


@njit(cache=True, nogil=True, inline="always")
def _pack(values: npt.NDArray[np.uint64], begin: int, count: int, width: int, to: int) -> int:
    """Writes values[begin:begin + count] and zeros up to a miniblock, `width` bits each (up to 64)."""
    held, bits, stop = np.uint64(0), 0, to + _MINIBLOCK // 8 * width
    for i in range(begin, begin + count):
        value = values[i]
        held |= value << np.uint64(bits)
        if bits + width >= _WORD:
            store(to, held)
            to += 8
            held = value >> np.uint64(_WORD - bits) if bits else np.uint64(0)
            bits -= _WORD
        bits += width
    if bits:
        store(to, held)
        to += 8
    while to < stop:
        store(to, np.uint64(0))
        to += 8
    return stop


@njit(cache=True, nogil=True)
def differences(values: Integers, narrow: bool, out: Bytes) -> Any:
    """Numbers as packed differences (DELTA_BINARY_PACKED). narrow: they are of 32 bits, and so are the differences."""
    n, to = values.size, np.int64(out.ctypes.data)
    begun, mask = to, np.uint64(0xFFFFFFFF) if narrow else ~np.uint64(0)
    to = _varint(to, np.uint64(BLOCK))
    to = _varint(to, np.uint64(MINIBLOCKS))
    to = _varint(to, np.uint64(n))
    to = _zigzag(to, values[0] if n else np.int64(0))
    relative = np.empty(BLOCK, np.uint64)
    for block in range(1, n, BLOCK):
        count = min(BLOCK, n - block)
        least = np.int64(0)
        for i in range(count):
            step = values[block + i] - values[block + i - 1]
            if narrow:
                step = np.int64(np.int32(step))
            relative[i] = np.uint64(step)
            least = step if i == 0 else min(least, step)
        to = _zigzag(to, least)
        widths = to
        to += MINIBLOCKS
        for mini in range(MINIBLOCKS):
            begin = mini * _MINIBLOCK
            size, every = min(_MINIBLOCK, count - begin), np.uint64(0)
            for i in range(begin, begin + max(size, 0)):
                relative[i] = (relative[i] - np.uint64(least)) & mask
                every |= relative[i]
            width = _width_of(every)
            put_byte(widths + mini, width)
            if width:
                to = _pack(relative, begin, size, width, to)
    return to - begun


def no_differences(value: int, count: int) -> bytes:
    """What `differences` makes of one number `count` times: of each block the least step and the widths, all zero."""
    blocks = -(-(count - 1) // BLOCK)
    head = (thrift.varint(BLOCK), thrift.varint(MINIBLOCKS), thrift.varint(count), thrift.zigzag(value))
    return b"".join(head) + bytes((1 + MINIBLOCKS) * blocks)


@njit(cache=True, nogil=True)
def plain(data: Bytes, starts: Integers, ends: Integers, rows: Integers, prefix: bool) -> Any:
    """uint8[bytes]: the values of some rows end to end, each behind its length in four bytes where `prefix`."""
    total, each = np.int64(0), _LENGTH if prefix else 0
    for row in rows:
        total += ends[row] - starts[row] + each
    out = np.empty(total + VECTOR, np.uint8)
    source, to, readable = np.int64(data.ctypes.data), np.int64(out.ctypes.data), data.size
    for row in rows:
        first, size = starts[row], np.int64(ends[row] - starts[row])
        if prefix:
            put_int(to, size)
            to += _LENGTH
        if first + size + VECTOR <= readable:
            for k in range(0, size, VECTOR):
                copy_vector(to + k, source + first + k)
        elif size >= 8:
            for k in range(0, size - 8, 8):
                store(to + k, load(source + first + k))
            store(to + size - 8, load(source + first + size - 8))
        else:
            for k in range(size):
                put_byte(to + k, np.int64(data[first + k]))
        to += size
    return out[:total]


@njit(cache=True, nogil=True)
def list_levels(offsets: Integers, valid: npt.NDArray[np.bool_], present: npt.NDArray[np.bool_]) -> Any:
    """(repetition, definition) of each slot of a column of lists, int32 each, and which elements are its values.

    Definition: 0 a null list, 1 an empty one, 2 a null element, 3 a value. offsets: int64[rows + 1] into present,
    which says of each element whether it is no null.
    """
    slots = 0
    for row in range(valid.size):
        slots += max(offsets[row + 1] - offsets[row], 1) if valid[row] else 1
    repetition, definition = np.zeros(slots, np.int32), np.zeros(slots, np.int32)
    values, at, count = np.empty(slots, np.int64), 0, 0
    for row in range(valid.size):
        if not valid[row] or offsets[row + 1] == offsets[row]:
            definition[at] = np.int32(valid[row])
            at += 1
            continue
        for element in range(offsets[row], offsets[row + 1]):
            repetition[at] = np.int32(element > offsets[row])
            definition[at] = np.int32(2 + present[element])
            if present[element]:
                values[count] = element
                count += 1
            at += 1
    return repetition, definition, values[:count]
