"""The kernel that notes where the wanted values of segments stand.

Fields are those that end in a window, the 64 bytes from where the first of them begins: the separators in it are bits,
from which the places of what is not empty are read off, so that hardly any branch depends on the text. Inner functions
take addresses, see kernels.words. HL7 2.9, chapter 2, 2.5.3 (fields) and 2.7 (escape sequences).
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
    clear,
    equals,
    highest,
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
_ENTRY: Final = 4  # words of an entry: component, subcomponent, where the starts of its slot stand, and where its total
_PLAN: Final = 8  # words of a field's plan: what is wanted, the addresses of its first entry, where its entries stand
_NOTHING, _PARTS = 0, -1  # what is wanted of a field: nothing, what several entries or one of a part say
_WHOLE, _HEAD = 8, 16  # all of it, or its first component: where in `room` the bits stand that end that
_FIELD, _COMPONENT, _REPETITION, _ESCAPE, _SUBCOMPONENT = range(5)
_SEPARATORS: Final = 5
_AHEAD: Final = 25  # segments from one to the text that is asked for while it is worked on


@njit(cache=True, nogil=True, inline="always")
def _first(low: int, high: int, separator: int) -> Any:
    """Where the separator stands first between two addresses, `high` where it does not. Reads 64 bytes of the text."""
    bits = equals(low, separator)
    if bits == 0 and high - low > BLOCK:
        return _first_far(low + BLOCK, high, separator)
    return min(low + lowest(bits), high)


@njit(cache=True, nogil=True)
def _first_far(low: int, high: int, separator: int) -> Any:
    """The same, block by block, of which there may be none."""
    for block in range(low, high, BLOCK):
        bits = equals(block, separator)
        if bits:
            return min(block + lowest(bits), high)
    return high


@njit(cache=True, nogil=True, inline="always")
def _part(low: int, high: int, separator: int, number: int) -> Any:
    """Where the part of that number, from 1, begins and ends between two addresses: both `high` where it is missing."""
    end = _first(low, high, separator)
    for _ in range(number - 1):
        low = min(end + 1, high)
        end = _first(low, high, separator)
    return low, end


@njit(cache=True, nogil=True, inline="always")
def _window(low: int, end: int, own: int, header: bool) -> Any:
    """Bits for the 64 bytes from an address: where fields end, the last one at `end`, and where escape characters are.

    header: the first byte is a separator that divides nothing, the first field declares the escape character.
    """
    left, one = end - low, np.uint64(1)
    bits, escapes = equals(low, byte_at(own + _FIELD)), equals(low, byte_at(own + _ESCAPE))
    if left < BLOCK:
        bits, escapes = bits & below(left) | one << np.uint64(left), escapes & below(left)
    if header:
        bits &= ~one
        escapes &= ~below(lowest(bits))
    return bits, escapes


@njit(cache=True, nogil=True, inline="always")
def _note(at: int, lengths: int, total: int, offset: int, stride: int, begin: int, size: int) -> None:
    """The bytes from a place in the text, if any, become the value of a row, and their number is added to a total.

    at: where the starts of the slot stand. lengths: from there to its lengths, cleared before the first value. offset:
    from the first row to this one.
    """
    before = word_at(total)
    if size <= 0:
        return
    if before == 0:
        clear(at + lengths, stride)
    put_int(at + offset, begin)
    put_int(at + lengths + offset, size)
    put_word(total, before + size)


@njit(cache=True, nogil=True, inline="always")
def _note_parts(
    entry: int, stop: int, low: int, high: int, parts: Any, limit: int, targets: Any, offset: int, own: int, long: bool
) -> None:
    """Notes what the entries between two addresses want of the field between two others.

    parts: uint64, where components end from `low` on, for a field that is not long. limit: where the first repetition
    ends. The components are gone through once, for their entries are in the same order. Where several positions share
    a slot, the first value that is not empty stays.
    """
    text, lengths, stride, shared = targets
    divider, one = byte_at(own + _COMPONENT), np.uint64(1)
    number, begin = 1, low
    end = _first(low, limit, divider) if long else low + lowest(parts)
    for each in range(entry, stop, 8 * _ENTRY):
        component, subcomponent, at, total = word_at(each), word_at(each + 8), word_at(each + 16), word_at(each + 24)
        at_low, at_high = low, high
        if component:
            while number < component and end < limit:
                begin, number = end + 1, number + 1
                parts &= parts - one
                end = _first(begin, limit, divider) if long else low + lowest(parts)
            if number < component:
                break
            at_low, at_high = begin, end
            if subcomponent:
                at_low, at_high = _part(begin, end, byte_at(own + _SUBCOMPONENT), subcomponent)
        if not shared or word_at(total) == 0 or int_at(at + lengths + offset) == 0:
            _note(at, lengths, total, offset, stride, at_low - text, at_high - at_low)


@njit(cache=True, nogil=True)
def _note_long(entry: int, stop: int, low: int, high: int, targets: Any, offset: int, own: int) -> None:
    """Notes what the entries between two addresses want of a field that does not end in its window."""
    limit = _first(low, high, byte_at(own + _REPETITION))
    _note_parts(entry, stop, low, high, np.uint64(0), limit, targets, offset, own, True)


@njit(cache=True, nogil=True)
def _note_escapes(entry: int, stop: int, targets: Any, offset: int, totals: int, state: int, escape: int) -> None:
    """Marks those slots of the entries between two addresses as ESCAPED whose value in a row holds the escape
    character."""
    text, lengths, _, _ = targets
    for each in range(entry, stop, 8 * _ENTRY):
        at, total = word_at(each + 16), word_at(each + 24)
        if word_at(total) == 0 or int_at(at + lengths + offset) == 0:
            continue
        low = text + int_at(at + offset)
        high = low + int_at(at + lengths + offset)
        if _first(low, high, escape) < high:
            put_byte(state + (total - totals) // 8, ESCAPED)


@njit(cache=True, nogil=True)
def _plan(
    bounds: Positions,
    entries: Positions,
    shared: bool,
    start: int,
    totals: int,
    stride: int,
    plan: Places,
    work: Places,
) -> None:
    """Writes the entries of a source with the addresses of what they fill to work, and what is wanted of each field,
    nothing of those behind them, to plan."""
    at_work = np.int64(work.ctypes.data)
    for i in range(entries.shape[0]):
        work[i, 0], work[i, 1] = entries[i, 0], entries[i, 1]
        work[i, 2], work[i, 3] = start + stride * entries[i, 2], totals + 8 * entries[i, 2]
    plan[:, 0] = _NOTHING
    for field in range(bounds.size - 1):
        first, last = bounds[field], bounds[field + 1]
        if last == first + 1 and entries[first, 0] <= 1 and entries[first, 1] == 0 and not shared:
            plan[field, 0] = _HEAD if entries[first, 0] else _WHOLE
        elif last > first:
            plan[field, 0] = _PARTS
        if last > first:
            plan[field, 1], plan[field, 2] = work[first, 2], work[first, 3]
        plan[field, 3], plan[field, 4] = at_work + 8 * _ENTRY * first, at_work + 8 * _ENTRY * last


@njit(cache=True, nogil=True)
def _find(
    targets: Places,
    segment_start: Positions,
    segment_end: Positions,
    separators: Bytes,
    message: Positions,
    segments: Positions,
    bounds: Positions,
    entries: Positions,
    header: bool,
    plan: Places,
    work: Places,
    room: Places,
) -> None:
    """See find_values. targets: addresses of start, length, totals, text and state, and whether slots are shared.

    plan: int64[fields + BLOCK, _PLAN], work: int64[e, _ENTRY], room: int64[3], the separators and two words of bits.
    The caller holds all whose addresses are used, which are int64 as well: the sum of an int64 and a uint64 is a float.
    """
    start, lengths, totals, text, state = targets[0], targets[1] - targets[0], targets[2], targets[3], targets[4]
    stride, shared, one = 4 * segments.size, targets[5] != 0, np.uint64(1)
    _plan(bounds, entries, shared, start, totals, stride, plan, work)
    at_plan, at_work, own = np.int64(plan.ctypes.data), np.int64(work.ctypes.data), np.int64(room.ctypes.data)
    behind_plan, behind_work = at_plan + 8 * _PLAN * (bounds.size - 1), at_work + 8 * _ENTRY * entries.shape[0]
    at_separators, first_four, fifth = np.int64(separators.ctypes.data), 0, -1
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
                put_byte(own + k, declared if declared else byte_at(sent))  # which divides nothing inside a field
        target, offset = (text, lengths, stride, shared), 4 * row
        low, end, field, escaped = text + segment_start[s] + 4, text + segment_end[s], at_plan, np.uint64(0)
        first, low = header, low - header
        while low <= end and field < behind_plan:
            bits, escapes = _window(low, end, own, first)
            first = False
            escaped |= escapes
            if bits == 0:
                high = _first_far(low + BLOCK, end, byte_at(own + _FIELD))
                if word_at(field) != _NOTHING:
                    _note_long(word_at(field + 24), word_at(field + 32), low, high, target, offset, own)
                escaped |= np.uint64(1)
                low, field = high + 1, field + 8 * _PLAN
                continue
            repeats = bits | equals(low, byte_at(own + _REPETITION))
            parts = repeats | equals(low, byte_at(own + _COMPONENT))
            put_word(own + _WHOLE, np.int64(bits))
            put_word(own + _HEAD, np.int64(parts))
            ends, base = bits & ~(bits << one | one), low - text
            while ends:
                place = lowest(ends)
                before = bits & below(place)
                begin, wanted = highest(before) + 1, field + 8 * _PLAN * ones(before)
                shift, kind = np.uint64(begin), word_at(wanted)
                ends &= ends - one
                if kind > 0:
                    size = lowest(np.uint64(word_at(own + kind)) >> shift)
                    _note(word_at(wanted + 8), lengths, word_at(wanted + 16), offset, stride, base + begin, size)
                elif kind < 0:
                    limit, at = lowest(repeats >> shift), low + begin
                    entry, stop = word_at(wanted + 24), word_at(wanted + 32)
                    _note_parts(entry, stop, at, low + place, parts >> shift, at + limit, target, offset, own, False)
            low += highest(bits) + 1
            field += 8 * _PLAN * ones(bits)
        if escaped:
            _note_escapes(at_work, behind_work, target, offset, totals, state, byte_at(own + _ESCAPE))


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
        source.bounds,
        source.entries,
        source.header,
        np.empty((len(source.bounds) - 1 + BLOCK, _PLAN), np.int64),
        np.empty((len(source.entries), _ENTRY), np.int64),
        np.empty(3, np.int64),
    )
