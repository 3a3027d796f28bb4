"""Numbers of HL7 v2 (chapter 2A: NM and SN) to float64, equal bit for bit to Python's float() of the same text."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from connectors.kernels.gather import Bytes, Integers, string_columns
from connectors.kernels.spans import number_array
from connectors.kernels.words import AHEAD, byte_at, prefetch

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_POWERS = 10.0 ** np.arange(23)  # each is exact in float64
_EXACT_DIGITS = 15  # every integer of so many digits is exact in float64
NULL, FINE, BAD, LONG = range(4)


@njit(cache=True, nogil=True)
def _trimmed(buf: Bytes, at: int, n: int) -> Any:
    """The first and the last but one place of a span without blanks around."""
    end = at + n
    while at < end and (buf[at] == 32 or buf[at] == 9):
        at += 1
    while end > at and (buf[end - 1] == 32 or buf[end - 1] == 9):
        end -= 1
    return at, end


@njit(cache=True, nogil=True)
def _number(buf: Bytes, at: int, end: int, powers: Floats) -> Any:
    """Value and state of one number [+-]digits[.digits]; LONG where the exact way does not reach."""
    negative = buf[at] == 45
    if negative or buf[at] == 43:
        at += 1
    mantissa, significant, digits, decimals, point = np.int64(0), 0, 0, 0, False
    for i in range(at, end):
        b = buf[i]
        if b == 46 and not point:
            point = True
            continue
        if b < 48 or b > 57:
            return 0.0, BAD
        digits += 1
        decimals += point
        if significant or b != 48:
            significant += 1
        if significant <= 15:
            mantissa = mantissa * 10 + (b - 48)
    if digits == 0:
        return 0.0, BAD
    if significant > 15 or decimals > 22:
        return 0.0, LONG
    value = mantissa / powers[decimals]
    return (-value if negative else value), FINE


@njit(cache=True, nogil=True)
def _numbers(buf: Bytes, start: Integers, length: Integers, powers: Floats, values: Floats, state: Bytes) -> None:
    """values[r] and state[r] of the number in each span; the explicit null (two quotes) is NULL."""
    base = np.int64(buf.ctypes.data)
    for r in range(length.size):
        values[r], state[r] = 0.0, NULL
        if r + AHEAD < length.size:
            prefetch(base + start[r + AHEAD])
        if length[r] <= 0:
            continue
        digit = byte_at(base + start[r]) - 48
        if length[r] == 1 and 0 <= digit <= 9:  # as most numbers of segments are
            values[r], state[r] = digit, FINE
            continue
        at, end = _trimmed(buf, np.int64(start[r]), np.int64(length[r]))
        if at == end or (end - at == 2 and buf[at] == 34 and buf[at + 1] == 34):
            continue
        values[r], state[r] = _number(buf, at, end, powers)


def numbers(buf: Bytes, start: Integers, length: Integers) -> tuple[pa.DoubleArray, Booleans]:
    """NM: an optional sign, digits, an optional decimal point; blanks around are left out.

    buf: uint8[size]; start, length: int[n], length -1 null. Returns float64[n], null where the value is null, empty,
    `""` or bad, and bad bool[n]: text that is no NM (thousands separators, exponents, words, units), or beyond float64.
    """
    values, state = _parsed(buf, start, length)
    return number_array(values, state == FINE), state == BAD


def integers(buf: Bytes, start: Integers, length: Integers) -> tuple[pa.Int64Array, Booleans]:
    """The same for whole numbers of at most 15 digits, as int64[n]: another number is bad."""
    values, state = _parsed(buf, start, length)
    whole = np.empty(length.size, np.int64)
    _whole(values, state, whole)
    return number_array(whole, state == FINE), state == BAD


def _parsed(buf: Bytes, start: Integers, length: Integers) -> tuple[Floats, Bytes]:
    """The number in each span and its state: NULL, FINE or BAD."""
    values, state = np.empty(length.size, np.float64), np.empty(length.size, np.uint8)
    _numbers(buf, start, length, _POWERS, values, state)
    for r in np.flatnonzero(state == LONG):
        values[r] = float(buf[start[r] : start[r] + length[r]].tobytes())
        state[r] = FINE if np.isfinite(values[r]) else BAD
    return values, state


@njit(cache=True, nogil=True)
def _whole(values: Floats, state: Bytes, whole: npt.NDArray[np.int64]) -> None:
    """whole[r]: the number if it is whole and below 10^15, else 0; one that is not becomes BAD."""
    for r in range(values.size):
        value = values[r]
        fits = np.abs(value) < 1e15 and value == np.floor(value)
        whole[r] = np.int64(value) if fits else 0
        if not fits:
            state[r] = BAD


class StructuredNumbers(NamedTuple):
    """SN as columns of n rows; bad: num1 or num2 is no number, or the comparator is none of table 0523's."""

    comparator: pa.StringArray
    num1: pa.DoubleArray
    separator: pa.StringArray
    num2: pa.DoubleArray
    bad: Booleans


_COMPARATORS = ("=", ">", "<", ">=", "<=", "<>")


@njit(cache=True, nogil=True)
def _split(buf: Bytes, start: Integers, length: Integers, separator: Bytes, at: Integers, size: Integers) -> None:
    """at[k, r], size[k, r]: part k of span r between its separator bytes; a part that is not there has size -1."""
    for r in range(length.size):
        for k in range(at.shape[0]):
            at[k, r], size[k, r] = 0, -1
        if length[r] < 0:
            continue
        first, end, k = int(start[r]), int(start[r] + length[r]), 0
        for i in range(first, end + 1):
            if i < end and buf[i] != separator[r]:
                continue
            at[k, r], size[k, r] = first, i - first
            first, k = i + 1, k + 1
            if k == at.shape[0]:
                break


def components(
    buf: Bytes, start: Integers, length: Integers, separator: Bytes, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Spans of the first `count` components: start, length int64[count, n]. separator: uint8[n], each row's own."""
    at, size = np.empty((count, length.size), np.int64), np.empty((count, length.size), np.int64)
    _split(buf, start, length, separator, at, size)
    return at, size


def structured_numbers(buf: Bytes, start: Integers, length: Integers) -> StructuredNumbers:
    """SN `comparator^num1^separator^num2` from the spans of its components: start, length int[4, n].

    A row without num1 has no number and is not bad unless one of the others cannot be.
    """
    comparator, separator = string_columns(buf, start[[0, 2]], length[[0, 2]])
    num1, bad1 = numbers(buf, start[1], length[1])
    num2, bad2 = numbers(buf, start[3], length[3])
    known = pc.is_in(comparator, value_set=pa.array([*_COMPARATORS, '""']))
    strange = comparator.is_valid().to_numpy(zero_copy_only=False) & ~known.to_numpy(zero_copy_only=False)
    return StructuredNumbers(comparator, num1, separator, num2, bad1 | bad2 | strange)
