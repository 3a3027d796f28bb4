"""The kernel that notes where the wanted values of segments stand.

The separators of a segment come from blocks of 64 bytes at once; what is wanted is then read off their places by
number, so that hardly any branch depends on the text. Inner functions take addresses, see kernels.words. HL7 2.9,
chapter 2, 2.5.3 (fields) and 2.7 (escape sequences).
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.hl7v2.layout import Source
from connectors.hl7v2.locate import SEPARATORS
from connectors.kernels.words import (
    BLOCK,
    below,
    byte_at,
    equals,
    fill,
    int_at,
    lowest,
    ones,
    prefetch,
    put_byte,
    put_int,
    put_word,
    word_at,
)

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

ESCAPED: Final = 1
_TOGETHER: Final = 8
_ENTRY_NUMBERS: Final = 4
_FIELD, _COMPONENT, _REPETITION, _ESCAPE, _SUBCOMPONENT = range(5)
_SEPARATORS: Final = 5
_AHEAD: Final = 25  # segments from one to the text that is asked for while it is worked on


@njit(cache=True, nogil=True)
def _first(low: int, high: int, separator: int) -> Any:
    """Where the separator stands first between two addresses, `high` where it does not."""
    for block in range(low, high, BLOCK):
        bits = equals(block, separator)
        if bits:
            return min(block + lowest(bits), high)
    return high


@njit(cache=True, nogil=True, inline="always")
def _fields(at: int, end: int, separator: int, escape: int, bounds: int, wanted: int) -> Any:
    """Writes at `bounds` where each field between two addresses ends, and behind them _TOGETHER times `end`: the
    `wanted` ones, with those of the last one's block (so `bounds` is int64[wanted + BLOCK + 2 * _TOGETHER]). Returns
    how many separators it found, and whether an escape character was seen.

    Places are written _TOGETHER at once; those that were too many are written over.
    """
    count, one, escapes = 0, np.uint64(1), np.uint64(0)
    for block in range(at, end, BLOCK):
        inside = below(end - block)
        bits = equals(block, separator) & inside
        escapes |= equals(block, escape) & inside
        found = ones(bits)
        for first in range(bounds + 8 * count, bounds + 8 * (count + found), 8 * _TOGETHER):
            for i in range(_TOGETHER):
                put_word(first + 8 * i, block + lowest(bits))
                bits &= bits - one
        count += found
        if count >= wanted:
            break
    fill(bounds + 8 * count, end)
    return count, escapes != np.uint64(0)


@njit(cache=True, nogil=True, inline="always")
def _parts(low: int, high: int, separator: int, bounds: int, count: int) -> None:
    """Writes at `bounds` (int64[count + 1]) low - 1, and where each of `count` parts between two addresses ends."""
    put_word(bounds, low - 1)
    if high - low > BLOCK:
        for i in range(1, count + 1):
            end = _first(low, high, separator)
            put_word(bounds + 8 * i, end)
            low = min(end + 1, high)
        return
    bits, one = equals(low, separator) & below(high - low), np.uint64(1)
    for at in range(bounds + 8, bounds + 8 * count + 8, 8):
        put_word(at, min(low + lowest(bits), high))
        bits &= bits - one


@njit(cache=True, nogil=True)
def _note(start: int, length: int, total: int, text: int, before_end: int, end: int, shared: bool) -> None:
    """The bytes from behind one separator to the next one become the value at the first two addresses, and their number
    is added at the third.

    Where the slot is shared by several positions, the first value that is not empty stays.
    """
    size = max(end - before_end - 1, 0)
    if shared and (size == 0 or int_at(length)):
        return
    put_int(start, before_end + 1 - text)
    put_int(length, size)
    put_word(total, word_at(total) + size)


@njit(cache=True, nogil=True, inline="always")
def _note_parts(
    targets: int, row: int, stride: int, entries: int, stop: int, low: int, high: int, own: int, bounds: int, inner: int
) -> None:
    """Notes what the entries between two addresses want of the field between two others.

    targets: see _find. The parts of the field are found at once, as many as any entry wants.
    """
    start, length, totals, text = word_at(targets), word_at(targets + 8), word_at(targets + 16), word_at(targets + 24)
    shared = word_at(targets + 40) != 0
    limit = _first(low, high, byte_at(own + _REPETITION))
    _parts(low, limit, byte_at(own + _COMPONENT), bounds, int_at(stop - 4))
    for entry in range(entries, stop, 4 * _ENTRY_NUMBERS):
        component, subcomponent, slot = int_at(entry), int_at(entry + 4), int_at(entry + 8)
        at = stride * slot + 4 * row
        if component == 0:
            _note(start + at, length + at, totals + 8 * slot, text, low - 1, high, shared)
            continue
        before, end = word_at(bounds + 8 * component - 8), word_at(bounds + 8 * component)
        if subcomponent:
            _parts(min(before + 1, end), end, byte_at(own + _SUBCOMPONENT), inner, subcomponent)
            before, end = word_at(inner + 8 * subcomponent - 8), word_at(inner + 8 * subcomponent)
        _note(start + at, length + at, totals + 8 * slot, text, before, end, shared)


@njit(cache=True, nogil=True)
def _note_escapes(targets: int, row: int, stride: int, places: int, count: int, escape: int) -> None:
    """Marks those of `count` slots as ESCAPED whose value in a row holds the escape character."""
    for place in range(places, places + 4 * count, 4):
        slot = int_at(place)
        at = stride * slot + 4 * row
        low = word_at(targets + 24) + int_at(word_at(targets) + at)
        high = low + int_at(word_at(targets + 8) + at)
        if _first(low, high, escape) < high:
            put_byte(word_at(targets + 32) + slot, ESCAPED)


@njit(cache=True, nogil=True)
def _find(
    targets: Places,
    segment_start: Positions,
    segment_end: Positions,
    separators: Bytes,
    message: Positions,
    segments: Positions,
    wholes: Positions,
    parted: Positions,
    entries: Positions,
    places: Positions,
    header: bool,
    bounds: Places,
    parts: Places,
    own: Bytes,
) -> None:
    """See find_values. targets: addresses of start, length, totals, text and state, and whether slots are shared.

    bounds, parts, own: room. The caller holds all whose addresses are used.
    """
    start, length, totals, text, shared = targets[0], targets[1], targets[2], targets[3], targets[5] != 0
    at_targets, at_own, at_bounds = targets.ctypes.data, own.ctypes.data, bounds.ctypes.data
    at_entries, at_parts, inner = entries.ctypes.data, parts[0].ctypes.data, parts[1].ctypes.data
    fields, stride = bounds.size - BLOCK - 2 * _TOGETHER, 4 * segments.size
    at_separators, first_four, fifth = separators.ctypes.data, 0, -1
    for row in range(segments.size):
        s = segments[row]
        if s < 0:
            continue
        ahead = min(s + _AHEAD, segment_start.size - 1)
        prefetch(text + segment_start[ahead])
        prefetch(text + segment_start[ahead] + BLOCK)
        sent = at_separators + SEPARATORS * message[s]
        if int_at(sent) != first_four or byte_at(sent + 4) != fifth:
            first_four, fifth = int_at(sent), byte_at(sent + 4)
            for k in range(_SEPARATORS):
                declared = byte_at(sent + k)
                own[k] = declared if declared else byte_at(sent)  # which divides nothing inside a field
        at, end, first = text + segment_start[s] + 4, text + segment_end[s], 0
        if header:
            bounds[0], bounds[1] = at - 2, _first(at, end, own[_FIELD])
            bounds[2] = bounds[1]
            at, first = bounds[1] + 1, 2
        bounds[first] = at - 1
        at_first = at_bounds + 8 * first + 8
        count, escaped = _fields(at, end, own[_FIELD], own[_ESCAPE], at_first, fields - first - 1)
        sent_last = first + count + 1
        for i in range(wholes.shape[0]):
            if wholes[i, 0] > sent_last:
                break
            field, slot = at_bounds + 8 * wholes[i, 0], np.int64(wholes[i, 1])
            to = stride * slot + 4 * row
            _note(start + to, length + to, totals + 8 * slot, text, word_at(field - 8), word_at(field), shared)
        for i in range(parted.shape[0]):
            if parted[i, 0] > sent_last:
                break
            field = at_bounds + 8 * parted[i, 0]
            low, high = word_at(field - 8) + 1, word_at(field)
            if high > low:
                of_field, stop = at_entries + 4 * parted[i, 1], at_entries + 4 * parted[i, 2]
                _note_parts(at_targets, row, stride, of_field, stop, low, high, at_own, at_parts, inner)
        if escaped:
            _note_escapes(at_targets, row, stride, places.ctypes.data, places.size, own[_ESCAPE])


def find_values(
    text: Bytes,
    segment_start: Positions,
    segment_end: Positions,
    separators: Bytes,
    message: Positions,
    segments: Positions,
    source: Source,
    start: Positions,
    length: Positions,
    totals: Places,
    state: Bytes,
) -> None:
    """Row r of the slots that a source fills is filled from segment segments[r] (-1: none).

    start, length: int32[slots, rows], lengths zero before the first call; where one stays zero, the start is not
    written. totals: int64[slots], to which the lengths are added. state: uint8[slots], ESCAPED where a value holds an
    escape character. Components and subcomponents are those of a field's first repetition.
    """
    targets = [array.ctypes.data for array in (start, length, totals, text, state)]
    _find(
        np.array([*targets, source.shared], np.int64),
        segment_start,
        segment_end,
        separators,
        message,
        segments,
        source.wholes,
        source.parted,
        source.entries,
        source.places,
        source.header,
        np.empty(source.fields + BLOCK + 2 * _TOGETHER, np.int64),
        np.empty((2, source.parts), np.int64),
        np.empty(_SEPARATORS, np.uint8),
    )
