"""Escape sequences of HL7 v2 (chapter 2.7) in values that are already split.

What the formatting ones become stands in `escapes.csv`. Separators are those of each row's own message, uint8[n, 6] in
the order of MSH-1 and MSH-2: field, component, repetition, escape, subcomponent, truncation (0: not declared).
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.kernels.gather import Bytes, Integers

PADDING = 64
FIELD, COMPONENT, REPETITION, ESCAPE, SUBCOMPONENT, TRUNCATION = range(6)
_LETTERS = np.frombuffer(b"FSRETP", np.uint8)  # \F\ … in the order of the separators


class Spans(NamedTuple):
    """buf: uint8[size + 64]; start, length: the shape they came in, int64. Rows without an escape stand as before."""

    buf: Bytes
    start: Integers
    length: Integers


@lru_cache(maxsize=1)
def _formatting() -> npt.NDArray[np.int64]:
    """int64[k, 4]: name (bytes, little endian), whether it takes a count, the byte it becomes (0: none), default."""
    rows = csv.DictReader(files("connectors.kernels").joinpath("escapes.csv").read_text("utf-8").splitlines())
    return np.array(
        [
            (
                int.from_bytes(row["sequence"].encode(), "little"),
                row["argument"] == "count",
                int(row["character"][2:] or "0", 16),
                int(row["default"]),
            )
            for row in rows
        ],
        np.int64,
    )


@njit(cache=True, nogil=True)
def _holding(buf: Bytes, start: Integers, length: Integers, escape: Bytes, found: npt.NDArray[np.bool_]) -> None:
    """found[r]: span r holds the escape character of its row at least twice."""
    for r in range(length.size):
        seen, e = 0, escape[r]
        if e:
            for i in range(start[r], start[r] + max(length[r], 0)):
                seen += buf[i] == e
        found[r] = seen > 1


@njit(cache=True, nogil=True)
def _bounds(buf: Bytes, start: Integers, length: Integers, escape: Bytes, room: Integers) -> None:
    """room[r]: the most bytes that span r can take decoded: only sequences that begin with a full stop may grow."""
    for r in range(length.size):
        first, end = start[r], start[r] + length[r]
        room[r] = length[r]
        for i in range(first, end - 1):
            if buf[i] == escape[r] and buf[i + 1] == 46:
                room[r] += 99


@njit(cache=True, nogil=True)
def _nibble(b: int) -> Any:
    """The value of a hexadecimal digit, -1 if it is none."""
    if 48 <= b <= 57:
        return b - 48
    if 65 <= b <= 70:
        return b - 55
    return b - 87 if 97 <= b <= 102 else -1


@njit(cache=True, nogil=True)
def _utf8_width(out: Bytes, i: int, end: int) -> Any:
    """How many bytes the UTF-8 character at i has, 0 where none begins there (RFC 3629)."""
    b = out[i]
    if b < 0x80:
        return 1
    width = 2 if 0xC2 <= b <= 0xDF else 3 if 0xE0 <= b <= 0xEF else 4 if 0xF0 <= b <= 0xF4 else 0
    if width == 0 or i + width > end:
        return 0
    for k in range(1, width):
        if out[i + k] & 0xC0 != 0x80:
            return 0
    second = out[i + 1]
    if (b == 0xE0 and second < 0xA0) or (b == 0xED and second > 0x9F):
        return 0
    if (b == 0xF0 and second < 0x90) or (b == 0xF4 and second > 0x8F):
        return 0
    return width


@njit(cache=True, nogil=True)
def _widen(out: Bytes, first: int, end: int) -> Any:
    """Makes out[first:end] UTF-8: left as it is where it is valid, else taken as latin-1. Returns the new end."""
    i, high = first, 0
    while i < end:
        width = _utf8_width(out, i, end)
        if width == 0:
            break
        i += width
    if i >= end:
        return end
    for k in range(first, end):
        high += out[k] >= 0x80
    to = end + high
    for k in range(end - 1, first - 1, -1):
        b = out[k]
        to -= 1
        if b >= 0x80:
            out[to] = 0x80 | (b & 0x3F)
            to -= 1
            b = 0xC0 | (b >> 6)
        out[to] = b
    return end + high


@njit(cache=True, nogil=True)
def _hexadecimal(buf: Bytes, at: int, end: int, out: Bytes, to: int) -> Any:
    """Decodes the digits buf[at:end] to out[to:]; returns the place behind, -1 where they are no pairs of digits."""
    if at == end or (end - at) % 2:
        return -1
    first = to
    for i in range(at, end, 2):
        high, low = _nibble(buf[i]), _nibble(buf[i + 1])
        if high < 0 or low < 0:
            return -1
        out[to] = high * 16 + low
        to += 1
    return _widen(out, first, to)


@njit(cache=True, nogil=True)
def _count(buf: Bytes, at: int, end: int, default: int) -> Any:
    """The number [+-]n of at most two digits in buf[at:end], `default` where nothing stands, -1 where it is none."""
    if at == end:
        return default
    negative = buf[at] == 45
    if negative or buf[at] == 43:
        at += 1
    if at == end or end - at > 2:
        return -1
    value = 0
    for i in range(at, end):
        if buf[i] < 48 or buf[i] > 57:
            return -1
        value = value * 10 + (buf[i] - 48)
    return 0 if negative else value


@njit(cache=True, nogil=True)
def _format(buf: Bytes, at: int, end: int, out: Bytes, to: int, formatting: Integers) -> Any:
    """Writes what a formatting sequence becomes; returns the place behind, -1 where it is none."""
    size = 3 if buf[at] == 46 else 1
    name = np.int64(0)
    for k in range(min(size, end - at)):
        name |= np.int64(buf[at + k]) << (8 * k)
    for f in range(formatting.shape[0]):
        if formatting[f, 0] != name or (end - at > size and not formatting[f, 1]):
            continue
        count = _count(buf, at + size, end, formatting[f, 3])
        if count < 0:
            return -1
        if formatting[f, 2]:
            out[to : to + count] = formatting[f, 2]
            to += count
        return to
    return -1


@njit(cache=True, nogil=True)
def _sequence(
    buf: Bytes, at: int, end: int, row: Bytes, letters: Bytes, formatting: Integers, out: Bytes, to: int
) -> Any:
    """Writes what the sequence with content buf[at:end] becomes; returns the place behind, -1 where it stays."""
    if end == at:
        return -1
    if end - at == 1:
        for k in range(6):
            if buf[at] == letters[k] and row[k]:
                out[to] = row[k]
                return to + 1
    if buf[at] == 88:
        return _hexadecimal(buf, at + 1, end, out, to)
    return _format(buf, at, end, out, to, formatting)


@njit(cache=True, nogil=True)
def _unescape(
    buf: Bytes,
    start: Integers,
    length: Integers,
    rows: Integers,
    separators: Bytes,
    letters: Bytes,
    formatting: Integers,
    out: Bytes,
    places: Integers,
    sizes: Integers,
) -> None:
    """Writes span k decoded from out[places[k]] on and its size to sizes[k]; rows[k] is its row of separators."""
    for k in range(start.size):
        row = separators[rows[k]]
        escape = row[3]
        i, end, to = start[k], start[k] + length[k], places[k]
        while i < end:
            if buf[i] != escape:
                out[to] = buf[i]
                i, to = i + 1, to + 1
                continue
            closing = i + 1
            while closing < end and buf[closing] != escape:
                closing += 1
            behind = np.int64(-1)
            if closing < end:
                behind = _sequence(buf, i + 1, closing, row, letters, formatting, out, to)
            if behind < 0:
                behind = to
                for j in range(i, min(closing + 1, end)):
                    out[behind] = buf[j]
                    behind += 1
            i, to = closing + 1, behind
        sizes[k] = to - places[k]


def unescape(buf: Bytes, start: Integers, length: Integers, separators: Bytes) -> Spans:
    """Values with their escape sequences decoded; time and memory are linear in the bytes of the spans.

    buf: uint8[size + 64], UTF-8. start, length: int[n] or int[columns, n], length -1 null. separators: uint8[n, 6].
    Only values that hold an escape are written anew, behind the others; where none does, the answer is what came in.
    Hexadecimal data becomes text: its bytes where they are UTF-8, else each a latin-1 character. \\C..\\, \\M..\\,
    \\Z..\\, unknown sequences and such without an end stay as they stood.
    """
    flat_start, flat_length = start.ravel(), length.ravel()
    repeats = flat_length.size // max(len(separators), 1)
    escape = np.tile(np.ascontiguousarray(separators[:, ESCAPE]), repeats)
    found = np.empty(flat_length.size, np.bool_)
    _holding(buf, flat_start, flat_length, escape, found)
    at = np.flatnonzero(found)
    if not at.size:
        return Spans(buf, start, length)
    old_start, old_length = flat_start[at].astype(np.int64), flat_length[at].astype(np.int64)
    room = np.empty(at.size, np.int64)
    _bounds(buf, old_start, old_length, escape[at], room)
    places = buf.size + np.cumsum(room) - room
    out = np.empty(buf.size + int(room.sum()) + PADDING, np.uint8)
    out[: buf.size] = buf
    out[-PADDING:] = 0
    sizes = np.empty(at.size, np.int64)
    rows = at % max(len(separators), 1)
    _unescape(buf, old_start, old_length, rows, separators, _LETTERS, _formatting(), out, places, sizes)
    new_start, new_length = flat_start.astype(np.int64), flat_length.astype(np.int64)
    new_start[at], new_length[at] = places, sizes
    return Spans(out, new_start.reshape(start.shape), new_length.reshape(length.shape))
