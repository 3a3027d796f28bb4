"""Where every segment, and every repetition of some fields, stands in the text of a chunk.

Positions are int32 in a buffer of less than 2 GiB. HL7 2.9, chapter 2, 2.5 (message structure).
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.kernels.words import BLOCK, below, byte_at, equals, load, lowest, ones

_SIX_BYTES: Final = np.uint64((1 << 48) - 1)
Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

NAMES: Final = 26 * 36 * 36  # how many segment names there can be
NO_NAME: Final = -1
ANYWHERE: Final = (1 << 64) - 1  # all fields of a segment
MENDED: Final = 1  # a segment begins behind other bytes, or with small letters
STRAY: Final = 2  # behind a segment stand lines that belong to none
SEPARATORS: Final = 6  # field, component, repetition, escape, subcomponent, truncation; 0 where a message has none


def name_code(name: str) -> int:
    """The number of a segment's name, below NAMES."""
    return int(_name_code(np.frombuffer(name.encode("ascii"), np.uint8), 0))


def code_name(code: int) -> str:
    """The segment's name with that number."""
    letters = "".join(chr(48 + digit if digit < 10 else 55 + digit) for digit in (code // 36 % 36, code % 36))
    return chr(65 + code // 1296) + letters


@njit(cache=True, nogil=True, inline="always")
def _digit(c: int) -> Any:
    """0 to 35 for a digit or capital letter, else -1."""
    if 48 <= c <= 57:
        return c - 48
    if 65 <= c <= 90:
        return c - 55
    return -1


@njit(cache=True, nogil=True)
def _name_code(text: Bytes, at: int) -> Any:
    """The number of the name text[at:at + 3], or NO_NAME."""
    first, second, third = np.int64(text[at]), _digit(np.int64(text[at + 1])), _digit(np.int64(text[at + 2]))
    if first < 65 or first > 90 or second < 0 or third < 0:
        return NO_NAME
    return ((first - 65) * 36 + second) * 36 + third


@njit(cache=True, nogil=True, inline="always")
def _small_name_code(at: int) -> Any:
    """The number of the name at an address whose letters may be small ones, or NO_NAME."""
    code = np.int64(0)
    for k in range(3):
        c = byte_at(at + k)
        digit = _digit(c - 32 if 97 <= c <= 122 else c)
        if digit < 0 or (k == 0 and digit < 10):
            return NO_NAME
        code = code * 36 + (digit - 10 if k == 0 else digit)
    return code


@njit(cache=True, nogil=True, inline="always")
def _behind_blanks(base: int, begin: int, end: int) -> Any:
    """The first place of a line, or its end, that holds no blank, control byte or byte-order mark (in UTF-8)."""
    at = begin
    while at < end:
        if byte_at(base + at) <= 32:
            at += 1
        elif end - at >= 3 and byte_at(base + at) == 0xEF and byte_at(base + at + 1) == 0xBB:
            if byte_at(base + at + 2) != 0xBF:
                break
            at += 3
        else:
            break
    return at


@njit(cache=True, nogil=True)
def find_separators(text: Bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], separators: Bytes) -> None:
    """separators[i]: the six separators of message i, 0 for those that its MSH-2 lacks. text: eight readable bytes
    behind the last message.

    They follow from six bytes, which are mostly those of the message before.
    """
    base, before, known = text.ctypes.data, np.uint64(0), -1
    for i in range(starts.size):
        at = starts[i] + 3
        head = load(base + at) & _SIX_BYTES
        if head == before and known >= 0 and at + SEPARATORS <= ends[i]:
            for k in range(SEPARATORS):
                separators[i, k] = separators[known, k]
            continue
        field = text[at]
        separators[i, 0] = field
        for k in range(1, SEPARATORS):
            separators[i, k] = 0
        for k in range(1, SEPARATORS):
            c = text[at + k]
            if at + k >= ends[i] or c == field or c == 13 or c == 10:
                break
            separators[i, k] = c
        before, known = head, i if at + SEPARATORS <= ends[i] else -1


@njit(cache=True, nogil=True)
def find_segments(
    text: Bytes,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    segment_start: Positions,
    segment_end: Positions,
    message: Positions,
    name: Positions,
    marks: Positions,
    text_fields: npt.NDArray[np.uint64],
) -> tuple[int, bool]:
    """The segments of all messages in order: [segment_start, segment_end) is the content, without the line's end.

    A segment may begin behind blanks and control bytes and, one of those that tables are made of, with small letters,
    where a field separator is behind its name. A line that is no segment goes on in the field before it where that may
    hold text (text_fields, see lines.text_fields); elsewhere it belongs to no segment. marks: MENDED, STRAY or both.
    Returns how many segments there are (those beyond the capacity of the arrays are counted, not stored) and whether
    any line went on.
    """
    n, joined, one, base = 0, False, np.uint64(1), text.ctypes.data
    counted, place, last, here = np.uint64(0), np.int64(0), np.int64(0), np.uint64(0)
    for m in range(starts.size):
        begin, end, field = starts[m], ends[m], text[starts[m] + 3]
        for block in range(begin, end + 1, BLOCK):
            bits = equals(base + block, 13) | equals(base + block, 10)
            if end - block < BLOCK:
                bits = bits & ((one << np.uint64(end - block)) - one) | one << np.uint64(end - block)
            while bits:
                at = block + lowest(bits)
                bits &= bits - one
                code, first, mark = NO_NAME, begin, 0
                if at - begin == 3 or (at - begin > 3 and text[np.uint64(begin + 3)] == field):
                    code = _name_code(text, begin)
                if code == NO_NAME and at > begin:
                    first, mark = _behind_blanks(base, begin, at), MENDED
                    if at - first > 3 and text[first + 3] == field:
                        code = _name_code(text, first)
                        if code == NO_NAME:
                            code = _small_name_code(base + first)
                            if code != NO_NAME and text_fields[code] == np.uint64(ANYWHERE):
                                code = NO_NAME
                if code != NO_NAME:
                    if n < segment_start.size:
                        segment_start[n], segment_end[n], message[n], name[n] = first, at, m, code
                        marks[n] = mark
                    n += 1
                    counted, place, last, here = np.uint64(0), first + 3, at, text_fields[code]
                elif at > first:
                    while place < last:
                        counted += np.uint64(text[place] == field)
                        place += 1
                    goes_on = here == np.uint64(ANYWHERE) or (counted < np.uint64(64) and here >> counted & one != 0)
                    if goes_on:
                        last, joined = at, True
                    if 0 < n <= segment_start.size:
                        segment_end[n - 1] = last
                        marks[n - 1] |= 0 if goes_on else STRAY
                begin = at + 1
    return n, joined


@njit(cache=True, nogil=True)
def join_lines(text: Bytes, segment_start: Positions, segment_end: Positions, out: Bytes) -> None:
    """Copies every segment to out, each line break inside it as one LF; the spans become those in out."""
    o = 0
    for s in range(segment_start.size):
        at, end = segment_start[s], segment_end[s]
        segment_start[s] = o
        while at < end:
            c = text[at]
            if c == 13:
                c = np.uint8(10)
                at += 1 if at + 1 < end and text[at + 1] == 10 else 0
            out[o] = c
            o += 1
            at += 1
        segment_end[s] = o


@njit(cache=True, nogil=True)
def find_repetitions(
    text: Bytes,
    segment_start: Positions,
    segment_end: Positions,
    separators: Bytes,
    message: Positions,
    segments: Positions,
    wanted: npt.NDArray[np.bool_],
    found: Positions,
) -> int:
    """The repetitions that are not empty of the wanted fields of some segments, in order. text: BLOCK readable bytes
    behind the last segment.

    wanted: bool[fields], the last one is. found: int32[5, capacity]: index into segments, field, number of the
    repetition from 1, start, end. Returns how many there are; those beyond the capacity are counted, not stored.
    """
    n, one, base, gaps = 0, np.uint64(1), np.int64(text.ctypes.data), _gaps(wanted)
    for i in range(segments.size):
        s = segments[i]
        of_message = message[s]
        divider, repeater = np.int64(separators[of_message, 0]), np.int64(separators[of_message, 2])
        begin, end, field, repetition = np.int64(segment_start[s]) + 4, np.int64(segment_end[s]), 1, 1
        for block in range(begin, end + 1, BLOCK):
            if field >= wanted.size:
                break
            dividers, repeaters = equals(base + block, divider), equals(base + block, repeater) & below(end - block)
            if end - block < BLOCK:
                dividers = dividers & below(end - block) | one << np.uint64(end - block)
            repeaters = repeaters if repeater else np.uint64(0)
            while field < wanted.size:
                gap = gaps[field]
                if gap > ones(dividers):
                    field += ones(dividers)
                    break
                if gap:
                    for _ in range(gap - 1):
                        dividers &= dividers - one
                    begin = block + lowest(dividers) + 1
                    field, repetition, repeaters = field + gap, 1, repeaters & ~(dividers ^ (dividers - one))
                    dividers &= dividers - one
                bits = dividers | repeaters
                if bits == 0:
                    break
                at, ends_field = block + lowest(bits), bits & (~bits + one) & dividers != 0
                if at > begin:
                    if n < found.shape[1]:
                        found[0, n], found[1, n], found[2, n], found[3, n] = i, field, repetition, begin
                        found[4, n] = at
                    n += 1
                begin, repetition = at + 1, repetition + 1
                dividers, repeaters = dividers & (bits - one), repeaters & (bits - one)
                if ends_field:
                    field, repetition = field + 1, 1
    return n


@njit(cache=True, nogil=True)
def _gaps(wanted: npt.NDArray[np.bool_]) -> Places:
    """How many fields on from each of them one is wanted."""
    gaps = np.zeros(wanted.size, np.int64)
    for field in range(wanted.size - 2, -1, -1):
        gaps[field] = 0 if wanted[field] else gaps[field + 1] + 1
    return gaps


@njit(cache=True, nogil=True, inline="always")
def _write_structure(name: Positions, begin: int, end: int, out: Bytes, o: int) -> Any:
    """Writes the structure of the segments [begin, end) at out[o]; returns where it ends."""
    s = begin
    while s < end:
        code, run = name[s], s
        while s < end and name[s] == code:
            s += 1
        if run > begin:
            out[o] = 32
            o += 1
        second, third = code // 36 % 36, code % 36
        out[o] = 65 + code // 1296
        out[o + 1] = second + 48 if second < 10 else second + 55
        out[o + 2] = third + 48 if third < 10 else third + 55
        o += 3
        if s > run + 1:
            out[o] = 43
            o += 1
    return o


@njit(cache=True, nogil=True)
def write_structures(bounds: Places, name: Positions, offsets: Positions, out: Bytes) -> None:
    """The names of each message's segments, a space between them, a run of equal names once and with a plus sign.

    bounds: int64[messages + 1], where each message's segments begin among all, and where the last ones end. offsets:
    int32[messages + 1], the same of the texts in out (uint8[5 * segments]).
    """
    offsets[0] = 0
    for m in range(bounds.size - 1):
        offsets[m + 1] = _write_structure(name, bounds[m], bounds[m + 1], out, offsets[m])
