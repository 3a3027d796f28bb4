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
_ENTRY_NUMBERS: Final = 3
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
def _part(low: int, high: int, separator: int, number: int) -> Any:
    """Where the part of that number, from 1, begins and ends between two addresses: both `high` where it is missing."""
    end = _first(low, high, separator)
    for _ in range(number - 1):
        low = min(end + 1, high)
        end = _first(low, high, separator)
    return low, end


@njit(cache=True, nogil=True, inline="always")
def _head(low: int, high: int, separator: int, repeater: int) -> Any:
    """Where the first part of the first repetition ends between two addresses."""
    if high - low > BLOCK:
        return _first(low, _first(low, high, repeater), separator)
    return min(low + lowest(equals(low, separator) | equals(low, repeater)), high)


@njit(cache=True, nogil=True)
def _clear(lengths: int, stride: int) -> None:
    """Writes zero at each row of a slot."""
    for at in range(lengths, lengths + stride, 4):
        put_int(at, 0)


@njit(cache=True, nogil=True, inline="always")
def _note(
    starts: int, lengths: int, total: int, row: int, stride: int, text: int, low: int, high: int, shared: bool
) -> None:
    """The bytes between two addresses, if any, become the value of a row, and their number is added to a total.

    starts, lengths: where the rows of the slot stand; the lengths are cleared before its first value. Where several
    positions share the slot, the first value that is not empty stays.
    """
    size, before = high - low, word_at(total)
    if size <= 0:
        return
    if before == 0:
        _clear(lengths, stride)
    if shared and int_at(lengths + 4 * row):
        return
    put_int(starts + 4 * row, low - text)
    put_int(lengths + 4 * row, size)
    put_word(total, before + size)


@njit(cache=True, nogil=True, inline="always")
def _note_parts(targets: int, row: int, stride: int, entries: int, stop: int, low: int, high: int, own: int) -> None:
    """Notes what the entries between two addresses want of the field between two others.

    targets: see _find. The components are gone through once, for their entries are in the same order.
    """
    start, length, totals, text = word_at(targets), word_at(targets + 8), word_at(targets + 16), word_at(targets + 24)
    shared, one, long = word_at(targets + 40) != 0, np.uint64(1), high - low > BLOCK
    divider, repeater = byte_at(own + _COMPONENT), byte_at(own + _REPETITION)
    limit = _first(low, high, repeater) if long else min(low + lowest(equals(low, repeater)), high)
    bits = equals(low, divider) & below(limit - low)
    at, end, number = low, _first(low, limit, divider) if long else min(low + lowest(bits), limit), 1
    for entry in range(entries, stop, 4 * _ENTRY_NUMBERS):
        component, subcomponent, slot = int_at(entry), int_at(entry + 4), int_at(entry + 8)
        while number < component and end < limit:
            at, number, bits = end + 1, number + 1, bits & (bits - one)
            end = _first(at, limit, divider) if long else min(low + lowest(bits), limit)
        if number < component:
            break
        begin, behind = at, end
        if subcomponent:
            begin, behind = _part(at, end, byte_at(own + _SUBCOMPONENT), subcomponent)
        to, total = stride * slot, totals + 8 * slot
        _note(start + to, length + to, total, row, stride, text, begin, behind, shared)


@njit(cache=True, nogil=True)
def _note_escapes(targets: int, row: int, stride: int, places: int, count: int, escape: int) -> None:
    """Marks those of `count` slots as ESCAPED whose value in a row holds the escape character."""
    for place in range(places, places + 4 * count, 4):
        slot = int_at(place)
        if word_at(word_at(targets + 16) + 8 * slot) == 0:
            continue
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
    heads: Positions,
    parted: Positions,
    entries: Positions,
    places: Positions,
    header: bool,
    bounds: Places,
    own: Bytes,
) -> None:
    """See find_values. targets: addresses of start, length, totals, text and state, and whether slots are shared.

    bounds, own: room. The caller holds all whose addresses are used.
    """
    start, length, totals, text, shared = targets[0], targets[1], targets[2], targets[3], targets[5] != 0
    at_targets, at_own, at_bounds = targets.ctypes.data, own.ctypes.data, bounds.ctypes.data
    at_entries = entries.ctypes.data
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
            to, total = stride * slot, totals + 8 * slot
            _note(start + to, length + to, total, row, stride, text, word_at(field - 8) + 1, word_at(field), shared)
        for i in range(heads.shape[0]):
            if heads[i, 0] > sent_last:
                break
            field, slot = at_bounds + 8 * heads[i, 0], np.int64(heads[i, 1])
            low, high = word_at(field - 8) + 1, word_at(field)
            if high > low:
                high = _head(low, high, own[_COMPONENT], own[_REPETITION])
                to, total = stride * slot, totals + 8 * slot
                _note(start + to, length + to, total, row, stride, text, low, high, shared)
        for i in range(parted.shape[0]):
            if parted[i, 0] > sent_last:
                break
            field = at_bounds + 8 * parted[i, 0]
            low, high = word_at(field - 8) + 1, word_at(field)
            if high > low:
                of_field, stop = at_entries + 4 * parted[i, 1], at_entries + 4 * parted[i, 2]
                _note_parts(at_targets, row, stride, of_field, stop, low, high, at_own)
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

    totals: int64[slots], zero before the first call, to which the lengths are added. start, length: int32[slots, rows];
    the starts are written where there is a value, the lengths of all rows where a slot has any. state: uint8[slots],
    zero before, ESCAPED where a value holds an escape character. Components and subcomponents are those of a field's
    first repetition.
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
        source.heads,
        source.parted,
        source.entries,
        source.places,
        source.header,
        np.empty(source.fields + BLOCK + 2 * _TOGETHER, np.int64),
        np.empty(_SEPARATORS, np.uint8),
    )
