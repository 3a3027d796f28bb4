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
from connectors.hl7v2.value_plan import (
    AT,
    CLEARED,
    COMPONENT_OF,
    COUNT,
    ENTRY,
    FIRST,
    HEAD,
    KIND,
    LATER,
    NOTHING,
    OWN,
    PARTS,
    PARTS_OF,
    PLAN,
    SHARED,
    START,
    STOP,
    SUBCOMPONENT_OF,
    WHOLE,
    WORD,
    write_plan,
)
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
    put_int,
    put_word,
    same,
    word_at,
)

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

ESCAPED: Final = 1
# What `room` holds: a block of each separator, and the bits of WHOLE and HEAD.
_FIELD, _COMPONENT, _REPETITION, _ESCAPE, _SUBCOMPONENT = range(0, WHOLE, BLOCK)
_ROOM: Final = WHOLE + BLOCK
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
    bits, escapes = same(low, own + _FIELD), same(low, own + _ESCAPE)
    if left < BLOCK:
        bits, escapes = bits & below(left) | one << np.uint64(left), escapes & below(left)
    if header:
        bits &= ~one
        escapes &= ~below(lowest(bits))
    return bits, escapes


@njit(cache=True, nogil=True, inline="always")
def _begins(ends: Any, limit: int) -> Any:
    """uint64: where what is not empty begins, for the bits of where parts end, below a limit; one begins at 0."""
    one = np.uint64(1)
    return ~ends & (ends << one | one) & below(limit)


@njit(cache=True, nogil=True)
def _note(entry: int, lengths: int, stride: int, offset: int, begin: int, size: int) -> None:
    """The bytes from a place in the text, if any, become the value of a row of an entry's slot.

    lengths: from the starts of a slot to its lengths, cleared before the first value. offset: from the first row to
    this one. Where several positions share the slot, the first value that is not empty stays.
    """
    if size <= 0:
        return
    at = word_at(entry + AT)
    if word_at(entry + CLEARED) == 0:
        clear(at + lengths, stride)
        put_word(entry + CLEARED, 1)
    if word_at(entry + SHARED) == 0 or int_at(at + lengths + offset) == 0:
        put_int(at + offset, begin)
        put_int(at + lengths + offset, size)


@njit(cache=True, nogil=True, inline="always")
def _note_entries(entry: int, stop: int, low: int, high: int, targets: Any, offset: int, own: int) -> None:
    """Notes what the entries between two addresses want of the field or component between two others."""
    text, lengths, stride = targets
    divided = same(low, own + _SUBCOMPONENT) & below(high - low) != 0 or high - low > BLOCK
    for each in range(entry, stop, ENTRY):
        subcomponent, begin, end = word_at(each + SUBCOMPONENT_OF), low, high
        if subcomponent and divided:
            begin, end = _part(low, high, byte_at(own + _SUBCOMPONENT), subcomponent)
        elif subcomponent > 1:
            break
        _note(each, lengths, stride, offset, begin - text, end - begin)


@njit(cache=True, nogil=True)
def _begun(plan: int, lengths: int, stride: int) -> Any:
    """Clears the lengths of the slot that gets a field or component; returns what is wanted of that from now on."""
    entry, kind = word_at(plan + OWN), word_at(plan + LATER)
    if word_at(entry + CLEARED) == 0:
        clear(word_at(entry + AT) + lengths, stride)
        put_word(entry + CLEARED, 1)
    put_word(plan + KIND, kind)
    return kind


@njit(cache=True, nogil=True, inline="always")
def _note_parts(plan: int, low: int, size: int, parts: Any, limit: int, targets: Any, offset: int, own: int) -> None:
    """Notes what is wanted of a field of `size` bytes from an address on, and of its components that are not empty.

    parts: uint64, where components end from `low` on. limit: where the first repetition ends.
    """
    text, lengths, stride = targets
    entry, base, one = word_at(plan + OWN), low - text, np.uint64(1)
    if entry:
        _note(entry, lengths, stride, offset, base, size)
    ends = parts | one << np.uint64(limit)
    begins, components, count = _begins(ends, limit), word_at(plan + PARTS_OF), word_at(plan + COUNT)
    while begins:
        begin, number = lowest(begins), ones(ends & (begins - one))
        begins &= begins - one
        if number >= count:
            break
        component, length = components + PLAN * number, lowest(ends >> np.uint64(begin))
        kind = word_at(component + KIND)
        if kind == NOTHING:
            continue
        if kind == PARTS:
            entry, stop = word_at(component + FIRST), word_at(component + STOP)
            _note_entries(entry, stop, low + begin, low + begin + length, targets, offset, own)
            continue
        if kind < 0:
            _begun(component, lengths, stride)
        at = word_at(component + START)
        put_int(at + offset, base + begin)
        put_int(at + lengths + offset, length)


@njit(cache=True, nogil=True)
def _note_long(plan: int, low: int, high: int, targets: Any, offset: int, own: int) -> None:
    """Notes what is wanted of the field between two addresses, which does not end in its window.

    The components are gone through once, for the entries are in the same order.
    """
    limit, divider = _first(low, high, byte_at(own + _REPETITION)), byte_at(own + _COMPONENT)
    number, begin, end = 1, low, _first(low, limit, divider)
    for entry in range(word_at(plan + FIRST), word_at(plan + STOP), ENTRY):
        component = word_at(entry + COMPONENT_OF)
        if component == 0:
            _note_entries(entry, entry + 1, low, high, targets, offset, own)
            continue
        while number < component and end < limit:
            begin, number = end + 1, number + 1
            end = _first(begin, limit, divider)
        if number < component:
            break
        _note_entries(entry, entry + 1, begin, end, targets, offset, own)


@njit(cache=True, nogil=True)
def _note_escapes(work: Places, entries: Positions, targets: Any, offset: int, state: Bytes, escape: int) -> None:
    """Marks those slots of the entries as ESCAPED whose value in a row holds the escape character."""
    text, lengths, _ = targets
    for i in range(entries.shape[0]):
        at = work[i, AT // WORD]
        if work[i, CLEARED // WORD] == 0 or int_at(at + lengths + offset) == 0:
            continue
        low = text + int_at(at + offset)
        high = low + int_at(at + lengths + offset)
        if _first(low, high, escape) < high:
            state[entries[i, 2]] = ESCAPED


@njit(cache=True, nogil=True, inline="always")
def _declare(room: Bytes, sent: int) -> None:
    """A block of each separator of a message, which are given by their address; one that it lacks divides nothing in a
    field where it is the field's."""
    for k in range(_SEPARATORS):
        declared = byte_at(sent + k)
        room[BLOCK * k : BLOCK * (k + 1)] = declared if declared else byte_at(sent)


@njit(cache=True, nogil=True)
def _fill(
    text: Bytes,
    segment_start: Positions,
    segment_end: Positions,
    separators: Bytes,
    message: Positions,
    segments: Positions,
    header: bool,
    start: Positions,
    length: Positions,
    state: Bytes,
    entries: Positions,
    plan: Places,
    fields: int,
    parts: Places,
    work: Places,
    room: Bytes,
) -> None:
    """Fills the rows from their segments, as the plan of so many fields says.

    What is read by address is an argument: numba frees an array of a function's own after it is named for the last
    time. Addresses are int64: the sum of an int64 and a uint64 is a float.
    """
    stride, first_start, one = 4 * segments.size, np.int64(start.ctypes.data), np.uint64(1)
    at_plan, own, base = np.int64(plan.ctypes.data), np.int64(room.ctypes.data), np.int64(text.ctypes.data)
    behind_plan, lengths = at_plan + PLAN * fields, np.int64(length.ctypes.data) - first_start
    target = (base, lengths, stride)
    at_separators, first_four, fifth = np.int64(separators.ctypes.data), 0, -1
    for row in range(segments.size):
        s = segments[row]
        if s < 0:
            continue
        ahead = min(s + _AHEAD, segment_start.size - 1)
        prefetch(base + segment_start[ahead])
        prefetch(base + segment_start[ahead] + BLOCK)
        sent = at_separators + SEPARATORS * message[s]
        if int_at(sent) != first_four or byte_at(sent + 4) != fifth:
            first_four, fifth = int_at(sent), byte_at(sent + 4)
            _declare(room, sent)
        offset, first, field, escaped = 4 * row, header, at_plan, np.uint64(0)
        low, end = base + segment_start[s] + 4 - header, base + segment_end[s]
        while low <= end and field < behind_plan:
            bits, escapes = _window(low, end, own, first)
            first = False
            escaped |= escapes
            if bits == 0:
                high = _first_far(low + BLOCK, end, byte_at(own + _FIELD))
                if word_at(field) != NOTHING:
                    _note_long(field, low, high, target, offset, own)
                escaped |= one
                low, field = high + 1, field + PLAN
                continue
            repeats = bits | same(low, own + _REPETITION)
            parted = repeats | same(low, own + _COMPONENT)
            put_word(own + WHOLE, np.int64(bits))
            put_word(own + HEAD, np.int64(parted))
            begins, place = _begins(bits, highest(bits)), low - base
            while begins:
                begin, wanted = lowest(begins), field + PLAN * ones(bits & (begins - one))
                shift, kind = np.uint64(begin), word_at(wanted + KIND)
                begins &= begins - one
                if kind == NOTHING:
                    continue
                if kind == PARTS:
                    size, limit = lowest(bits >> shift), lowest(repeats >> shift)
                    _note_parts(wanted, low + begin, size, parted >> shift, limit, target, offset, own)
                    continue
                if kind < 0:
                    kind = _begun(wanted, lengths, stride)
                at = word_at(wanted + START)
                put_int(at + offset, place + begin)
                put_int(at + lengths + offset, lowest(np.uint64(word_at(own + kind)) >> shift))
            low += highest(bits) + 1
            field += PLAN * ones(bits)
        if escaped:
            _note_escapes(work, entries, target, offset, state, byte_at(own + _ESCAPE))


@njit(cache=True, nogil=True)
def _find(
    text: Bytes,
    segment_start: Positions,
    segment_end: Positions,
    separators: Bytes,
    message: Positions,
    segments: Positions,
    bounds: Positions,
    entries: Positions,
    header: bool,
    start: Positions,
    length: Positions,
    totals: Places,
    state: Bytes,
) -> None:
    """See find_values."""
    fields = bounds.size - 1
    plan = np.empty((fields + BLOCK, PLAN // WORD), np.int64)
    parts = np.empty((entries[:, 0].sum(), PLAN // WORD), np.int64)
    work, room = np.empty((entries.shape[0], ENTRY // WORD), np.int64), np.empty(_ROOM, np.uint8)
    write_plan(bounds, entries, np.int64(start.ctypes.data), 4 * segments.size, totals, plan, parts, work)
    _fill(
        text,
        segment_start,
        segment_end,
        separators,
        message,
        segments,
        header,
        start,
        length,
        state,
        entries,
        plan,
        fields,
        parts,
        work,
        room,
    )
    for i in range(entries.shape[0]):
        if work[i, CLEARED // WORD]:
            total, lengths_of = np.int64(0), length[entries[i, 2]]
            for row in range(lengths_of.size):
                total += lengths_of[row]
            totals[entries[i, 2]] = total


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
    _find(
        text,
        segment_start,
        segment_end,
        separators,
        message,
        segments,
        source.bounds,
        source.entries,
        source.header,
        start,
        length,
        totals,
        state,
    )
