"""Where HL7 v2 messages and envelope lines begin and end in bytes.

The rule needs no context, so that any split of an object gives what the whole gives. A message starts at "MSH", an
envelope line at "FHS", "BHS", "BTS" or "FTS" (HL7 2.9, chapter 2, 2.10.3), where
- the byte before is CR, LF, VT, FS, NUL or Ctrl-Z, or a UTF-8 byte-order mark ends there, or the object begins there;
- the bytes behind can be separators (neither letter, digit nor space, nor one of those six bytes): "|", or two such
  bytes, or, for a trailer, one such byte before a digit, before itself, or at the end of the line. A trailer without
  fields is one too. So a line of free text such as "MSH: 5.1 pg/ml" or "BTS notified" starts nothing.
An item runs from its start to the next start. In it a message ends at its first end block, if there is one: FS at the
start of a line or before CR, as MLLP has it.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.hl7v2.charsets import UNDECLARED, fingerprint, resolve
from connectors.hl7v2.lanes import LANES, breaks_mask, letters_mask
from connectors.kernels.words import BLOCK, below, byte_at, equals, load, lowest, ones

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

NONE: Final = -1  # no start
MSH: Final = 0
FHS: Final = 1
BHS: Final = 2
BTS: Final = 3
FTS: Final = 4
TEXT: Final = 5  # what stands in an object before its first start
KINDS: Final = ("MSH", "FHS", "BHS", "BTS", "FTS", "TEXT")
LOOK_BEHIND: Final = 4  # bytes around a start that decide whether it is one
LOOK_AHEAD: Final = 5

CHARSET_FIELD: Final = 18  # of MSH

_FS: Final = 28
_USUAL: Final = 8  # from the start of a message to the end of an MSH-2 of four separators
_FOUR_BYTES, _SIX_BYTES = np.uint64((1 << 32) - 1), np.uint64((1 << 48) - 1)
_PLAIN: Final = np.uint64(int.from_bytes(b"MSH|", "little"))  # as nearly all messages start

READABLE: Final = 0
SHORT: Final = 1  # MSH ends before MSH-3
SEPARATORS: Final = 2  # they are not distinct, or one is a letter, digit, space, control or not ASCII


@njit(cache=True, nogil=True, inline="always")
def is_terminator(c: int) -> bool:
    """Whether c is CR, LF, VT, FS, NUL or Ctrl-Z."""
    return c == 13 or c == 10 or c == 11 or c == 28 or c == 0 or c == 26


@njit(cache=True, nogil=True, inline="always")
def _is_mark(base: int, at: int, low: int, high: int) -> Any:
    """Whether a UTF-8 byte-order mark stands at place `at` of the buffer at an address, and lies within [low, high)."""
    if at < low or at + 3 > high:
        return False
    return byte_at(base + at) == 0xEF and byte_at(base + at + 1) == 0xBB and byte_at(base + at + 2) == 0xBF


@njit(cache=True, nogil=True, inline="always")
def _is_alphanumeric(c: int) -> bool:
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122


@njit(cache=True, nogil=True)
def _name_at(buf: Bytes, at: int) -> int:
    """The kind that the three bytes at `at` name, or NONE."""
    a, b, c = buf[at], buf[at + 1], buf[at + 2]
    if a == 77 and b == 83 and c == 72:
        return MSH
    if c != 83 or (a != 70 and a != 66) or (b != 72 and b != 84):
        return NONE
    if b == 72:
        return FHS if a == 70 else BHS
    return FTS if a == 70 else BTS


@njit(cache=True, nogil=True, inline="always")
def _may_name(c: int) -> bool:
    """Whether c ends one of the names: most bytes need no closer look."""
    return c == 72 or c == 83


@njit(cache=True, nogil=True)
def kind_at(buf: Bytes, at: int, low: int, high: int, line_start: int) -> int:
    """The kind of the start at `at`, or NONE. Reads within [low, high), where high may be the end of the object;
    at `line_start` a line begins whatever stands before it."""
    if at + 3 > high:
        return NONE
    kind: int = _name_at(buf, at)
    if kind == NONE:
        return NONE
    behind = at == line_start or (at > low and is_terminator(buf[at - 1]))
    if not behind and not _is_mark(buf.ctypes.data, at - 3, low, high):
        return NONE
    if at + 3 == high:
        return kind if kind >= BTS else NONE
    c = buf[at + 3]
    if is_terminator(c):
        return kind if kind >= BTS else NONE
    if c == 124:
        return kind
    if c == 32 or _is_alphanumeric(c):
        return NONE
    if at + 4 == high:
        return kind if kind >= BTS else NONE
    d = buf[at + 4]
    if kind >= BTS:
        return kind if d == c or 48 <= d <= 57 or is_terminator(d) else NONE
    return NONE if d == 32 or _is_alphanumeric(d) or is_terminator(d) else kind


@njit(cache=True, nogil=True)
def first_start(buf: Bytes, begin: int, end: int, high: int, line_start: int) -> int:
    """The first position in [begin, end) at which something starts, or -1; see kind_at."""
    for at in range(begin, min(end, high - 2)):
        if _may_name(buf[at + 2]) and kind_at(buf, at, 0, high, line_start) != NONE:
            return at
    return -1


@njit(cache=True, nogil=True)
def last_start(buf: Bytes, begin: int, end: int, high: int) -> int:
    """The last position in [begin, end) at which something starts, or -1; see kind_at."""
    for at in range(min(end, high - 2) - 1, begin - 1, -1):
        if _may_name(buf[at + 2]) and kind_at(buf, at, 0, high, -1) != NONE:
            return at
    return -1


@njit(cache=True, nogil=True)
def find_items(
    buf: Bytes,
    run_starts: Offsets,
    at_object_start: npt.NDArray[np.bool_],
    starts: Offsets,
    kinds: npt.NDArray[np.int8],
    run_of: npt.NDArray[np.int32],
    blocks: Offsets,
) -> tuple[int, int]:
    """Starts, kinds and runs of all items; run r is buf[run_starts[r]:run_starts[r + 1]], and its first byte begins a
    line. A run at the start of an object that begins with none of the names begins with a TEXT item. blocks: where end
    blocks stand. LANES bytes behind the last run are readable.

    Returns how many items and end blocks there are; those beyond the capacity of the arrays are counted, not stored.
    """
    n, found, base, one = 0, 0, np.int64(buf.ctypes.data), np.uint64(1)
    for r in range(run_starts.size - 1):
        low, high = run_starts[r], run_starts[r + 1]
        if at_object_start[r] and low < high and kind_at(buf, low, low, high, low) == NONE:
            if n < starts.size:
                starts[n], kinds[n], run_of[n] = low, TEXT, r
            n += 1
        behind = one  # whether the byte before a block may end a line
        for block in range(low, high, LANES):
            breaks = breaks_mask(base + block)
            mask = (breaks << one | behind) & letters_mask(base + block)
            behind = breaks >> np.uint64(LANES - 1)
            while mask:
                at = block + lowest(mask)
                mask &= mask - one
                plain = low < at < high - 3 and load(base + at) & _FOUR_BYTES == _PLAIN
                plain = plain and is_terminator(byte_at(base + at - 1))
                kind = MSH if plain else kind_at(buf, at, low, high, low)
                if kind != NONE:
                    if n < starts.size:
                        starts[n], kinds[n], run_of[n] = at, kind, r
                    n += 1
            mask = equals(base + block, _FS)
            while mask:
                at = block + lowest(mask)
                mask &= mask - one
                if at < high and _is_end_block(base, at, low, high):
                    if found < blocks.size:
                        blocks[found] = at
                    found += 1
    return n, found


@njit(cache=True, nogil=True, inline="always")
def _is_end_block(base: int, at: int, low: int, high: int) -> Any:
    """Whether the FS at place `at` of the run [low, high) of the buffer at an address is before CR, or behind CR or
    LF."""
    if at + 1 < high and byte_at(base + at + 1) == 13:
        return True
    before = byte_at(base + at - 1) if at > low else 0
    return before == 13 or before == 10


@njit(cache=True, nogil=True)
def content_end(buf: Bytes, start: int, end: int) -> int:
    """The end of buf[start:end] without the terminators and byte-order marks at its end."""
    found: int = _content_end(buf.ctypes.data, start, end)
    return found


@njit(cache=True, nogil=True, inline="always")
def _content_end(base: int, start: int, end: int) -> Any:
    """The same of a buffer at an address: an array that is passed on in a loop is counted each time."""
    while end > start:
        if is_terminator(byte_at(base + end - 1)):
            end -= 1
        elif _is_mark(base, end - 3, start, end):
            end -= 3
        else:
            break
    return end


@njit(cache=True, nogil=True, inline="always")
def _is_blank(c: int) -> bool:
    return c == 32 or c == 9 or is_terminator(c)


@njit(cache=True, nogil=True)
def text_start(buf: Bytes, start: int, end: int) -> int:
    """Where the first byte of buf[start:end] stands that is neither blank, terminator nor byte-order mark, else end."""
    while start < end:
        if _is_blank(buf[start]):
            start += 1
        elif _is_mark(buf.ctypes.data, start, start, end):
            start += 3
        else:
            break
    return start


@njit(cache=True, nogil=True)
def text_end(buf: Bytes, start: int, end: int) -> int:
    """Behind the last byte of buf[start:end] that is neither blank, terminator nor byte-order mark, else start."""
    while end > start:
        if _is_blank(buf[end - 1]):
            end -= 1
        elif _is_mark(buf.ctypes.data, end - 3, start, end):
            end -= 3
        else:
            break
    return end


@njit(cache=True, nogil=True)
def line_end(buf: Bytes, start: int, end: int) -> int:
    """Where the first terminator of buf[start:end] stands, else end."""
    while start < end and not is_terminator(buf[start]):
        start += 1
    return start


@njit(cache=True, nogil=True)
def measure_items(
    buf: Bytes,
    run_starts: Offsets,
    run_of: npt.NDArray[np.int32],
    starts: Offsets,
    kinds: npt.NDArray[np.int8],
    blocks: Offsets,
    longest: int,
    limits: Offsets,
    ends: Offsets,
    text_starts: Offsets,
    text_ends: Offsets,
) -> None:
    """limits[i]: where item i ends, which is where the next one of its run starts or the run ends. ends[i]: the end of
    the message's content or of the envelope line (its start for TEXT), and [text_starts[i], text_ends[i]), what follows
    it that is neither record nor envelope. blocks: where end blocks stand, as of find_items; an item of a message over
    the longest is not divided."""
    base, b = buf.ctypes.data, 0
    for i in range(starts.size):
        followed = i + 1 < starts.size and run_of[i + 1] == run_of[i]
        limits[i] = starts[i + 1] if followed else run_starts[run_of[i] + 1]
        while b < blocks.size and blocks[b] < starts[i]:
            b += 1
        if kinds[i] == MSH:
            ends[i] = _content_end(base, starts[i], limits[i])
            text_starts[i] = text_ends[i] = ends[i]
            if b >= blocks.size or blocks[b] >= ends[i] or limits[i] - starts[i] > longest:
                continue
            ends[i] = _content_end(base, starts[i], blocks[b])
        else:
            ends[i] = starts[i] if kinds[i] == TEXT else line_end(buf, starts[i], limits[i])
        text_starts[i] = text_start(buf, ends[i], limits[i])
        text_ends[i] = text_end(buf, text_starts[i], limits[i])


@njit(cache=True, nogil=True)
def _is_separator(c: int) -> bool:
    """Whether c is printable ASCII, and neither letter, digit nor space."""
    return 32 < c < 127 and not _is_alphanumeric(c)


@njit(cache=True, nogil=True)
def _separators(buf: Bytes, start: int, end: int) -> tuple[int, int]:
    """(READABLE, SHORT or SEPARATORS, end of MSH-2) of the MSH segment buf[start:end]."""
    separator = buf[start + 3]
    at = start + 4
    while at < end and buf[at] != separator:
        at += 1
    if not _is_separator(separator):
        return SEPARATORS, at
    if at >= end or at == start + 4:
        return SHORT, at
    if at - start - 4 > 5:
        return SEPARATORS, at
    for i in range(start + 4, at):
        if not _is_separator(buf[i]):
            return SEPARATORS, at
        for j in range(i + 1, at):
            if buf[i] == buf[j]:
                return SEPARATORS, at
    return READABLE, at


@njit(cache=True, nogil=True)
def _line_stop(base: int, at: int, end: int) -> Any:
    """Where the first line break stands between two places of a buffer at `base`, `end` where there is none."""
    for block in range(at, end, BLOCK):
        bits = equals(base + block, 13) | equals(base + block, 10)
        if bits:
            return min(block + lowest(bits), end)
    return end


@njit(cache=True, nogil=True)
def _behind(base: int, at: int, end: int, separator: int, count: int) -> Any:
    """The place behind the separator number `count` between two places of a buffer, `end` where there are fewer."""
    one = np.uint64(1)
    for block in range(at, end, BLOCK):
        bits = equals(base + block, separator) & below(end - block)
        found = ones(bits)
        if found >= count:
            for _ in range(count - 1):
                bits &= bits - one
            return block + lowest(bits) + 1
        count -= found
    return end


@njit(cache=True, nogil=True)
def read_headers(
    buf: Bytes,
    starts: Offsets,
    ends: Offsets,
    status: npt.NDArray[np.int8],
    charset: npt.NDArray[np.int16],
    aliases: Offsets,
    names: npt.NDArray[np.int16],
) -> None:
    """status[i]: whether the separators of message i can be used (READABLE, SHORT, SEPARATORS); charset[i]: what the
    first repetition of its MSH-18 declares, read with its own separators (see charsets.resolve). buf: BLOCK readable
    bytes behind the last message.

    Separators that follow from six bytes are mostly those of the message before.
    """
    base, before, known = np.int64(buf.ctypes.data), np.uint64(0), False
    for i in range(starts.size):
        end = _line_stop(base, starts[i] + 4, ends[i])
        charset[i] = UNDECLARED
        status[i], at, head = READABLE, starts[i] + _USUAL, load(base + starts[i] + 3) & _SIX_BYTES
        if not known or head != before or at >= end:
            status[i], at = _separators(buf, starts[i], end)
            before, known = head, status[i] == READABLE and at == starts[i] + _USUAL
        if status[i] != READABLE:
            continue
        separator, component, repetition = buf[starts[i] + 3], buf[starts[i] + 4], buf[starts[i] + 4]
        if at - starts[i] > 5:
            repetition = buf[starts[i] + 5]
        begin = at = _behind(base, at, end, np.int64(separator), CHARSET_FIELD - 2)
        while at < end and buf[at] != separator and buf[at] != component and buf[at] != repetition:
            at += 1
        if at > begin:
            charset[i] = resolve(fingerprint(buf, begin, at), aliases, names)


@njit(cache=True, nogil=True)
def declared_count(buf: Bytes, start: int, end: int) -> int:
    """The number in the first field of the envelope line buf[start:end], or -1 if it is none of up to 18 digits."""
    if start + 4 >= end:
        return -1
    separator = buf[start + 3]
    value, digits = np.int64(0), 0
    for at in range(start + 4, end):
        c = buf[at]
        if c == separator:
            break
        if 48 <= c <= 57:
            value, digits = value * 10 + np.int64(c) - 48, digits + 1
        elif c != 32:
            return -1
        if digits > 18:
            return -1
    return value if digits else -1  # type: ignore[return-value]
