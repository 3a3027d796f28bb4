"""hl7v2_segments: every segment with its fields as they stood and its bytes."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from connectors.hl7v2 import charsets
from connectors.hl7v2.chunk import Segments, find_segments
from connectors.hl7v2.findings import segment_names
from connectors.hl7v2.frame import Frame
from connectors.hl7v2.locate import Positions
from connectors.kernels.distinct import Told
from connectors.kernels.gather import binaries, strings

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def segment_columns(frame: Frame, joined: Segments, index: Positions, told: Told) -> dict[str, pa.Array]:
    """sequence (and segment_index, as in every table), name, fields, raw and terminator of every segment of a frame.

    The content of a segment ends before the line's end; its terminator is everything up to the next segment of the
    message, so that raw and terminator of a message's rows, end to end, are the message's bytes. told: gets to know of
    the names.
    """
    segments = find_segments(frame, join=False) if joined.joined else joined
    counts = np.zeros(len(segments.start) + 1, np.int32)
    _count_fields(segments.text, segments.start, segments.end, segments.message, segments.separators, counts[1:])
    np.cumsum(counts, out=counts)
    start, length = np.empty(counts[-1], np.int32), np.empty(counts[-1], np.int32)
    _find_fields(
        segments.text, segments.start, segments.end, segments.message, segments.separators, counts, start, length
    )
    texts = strings(segments.text, start, length, empty_is_null=False)
    begin, end, following = _raw_spans(frame, segments)
    place = pa.array(index)
    return {
        "sequence": place,
        "segment_index": place,
        "name": told.column(segment_names(segments.name)),
        "fields": pa.ListArray.from_arrays(pa.array(counts), texts),
        "raw": binaries(frame.raw, begin, end - begin),
        "terminator": binaries(frame.raw, end, following - end),
    }


@njit(cache=True, nogil=True)
def _count_fields(
    text: Bytes, begin: Positions, end: Positions, message: Positions, separators: Bytes, counts: Positions
) -> None:
    """counts[s]: fields of segment s; MSH counts its separator as the first."""
    for s in range(begin.size):
        separator, found = separators[message[s], 0], 0
        for at in range(begin[s] + 3, end[s]):
            found += text[at] == separator
        first = s == 0 or message[s] != message[s - 1]
        counts[s] = found + first


@njit(cache=True, nogil=True)
def _find_fields(
    text: Bytes,
    begin: Positions,
    end: Positions,
    message: Positions,
    separators: Bytes,
    offsets: Positions,
    start: Positions,
    length: Positions,
) -> None:
    """Where each field stands; field i of segment s is number offsets[s] + i."""
    for s in range(begin.size):
        separator, at, n = separators[message[s], 0], begin[s] + 4, offsets[s]
        if s == 0 or message[s] != message[s - 1]:
            start[n], length[n] = begin[s] + 3, 1
            n += 1
        while n < offsets[s + 1]:
            first = at
            while at < end[s] and text[at] != separator:
                at += 1
            start[n], length[n] = first, at - first
            n, at = n + 1, at + 1


def _raw_spans(frame: Frame, segments: Segments) -> tuple[Offsets, Offsets, Offsets]:
    """Start and end of each segment's content in frame.raw, and where the next one of its message, or it, ends."""
    begin, end = segments.start.astype(np.int64), segments.end.astype(np.int64)
    if frame.raw is not frame.text:
        wide = np.zeros(len(charsets.NAMES), np.int64)
        wide[charsets.UTF16] = 2
        wide[charsets.UTF8] = -1
        _map_to_raw(frame.text, frame.starts, frame.raw_starts, wide[frame.charset], segments.message, begin, end)
    message = segments.message
    following = frame.raw_ends[message]
    inside = message[1:] == message[:-1]
    following[:-1][inside] = begin[1:][inside]
    return begin, end, following


@njit(cache=True, nogil=True)
def _map_to_raw(
    text: Bytes, starts: Offsets, raw_starts: Offsets, unit: Offsets, message: Positions, begin: Offsets, end: Offsets
) -> None:
    """From positions in UTF-8 text to positions in the bytes as read.

    unit[m]: bytes of a UTF-16 unit (2), 0 for a set of one byte a character, -1 where the text was not transcoded.
    """
    at, raw, now = np.int64(0), np.int64(0), -1
    for s in range(begin.size):
        m = message[s]
        if m != now:
            now, at, raw = m, starts[m], raw_starts[m]
        for side in range(2):
            goal = begin[s] if side == 0 else end[s]
            if unit[m] < 0:
                raw, at = raw + goal - at, goal
            while at < goal:
                c = text[at]
                if c & 0xC0 != 0x80:
                    raw += 1 if unit[m] == 0 else (4 if c >= 0xF0 else 2)
                at += 1
            if side == 0:
                begin[s] = raw
            else:
                end[s] = raw
