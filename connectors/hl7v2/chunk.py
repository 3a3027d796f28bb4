"""The segments of a chunk of messages, and the columns of any layout over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.hl7v2 import locate
from connectors.hl7v2.frame import PADDING, Frame
from connectors.hl7v2.layout import Layout
from connectors.hl7v2.lines import text_fields
from connectors.hl7v2.locate import Positions
from connectors.hl7v2.relate import Relations, relate
from connectors.hl7v2.values import find_values as locate_values
from connectors.kernels.escapes import unescape
from connectors.kernels.gather import string_columns

Bytes = npt.NDArray[np.uint8]
LONGEST_TEXT = (1 << 31) - 1 - PADDING


@dataclass(frozen=True)
class Segments:
    """k segments of m messages, in order.

    text: uint8, UTF-8, with PADDING readable bytes behind; line breaks inside a segment are one LF each. start, end:
    int32[k], the content of each. message: int32[k]. name: int32[k], see locate.name_code. marks: int32[k],
    locate.MENDED and STRAY. separators: uint8[m, 6].
    joined: some segment holds a line break, so `text` is not the frame's.
    """

    text: Bytes
    start: Positions
    end: Positions
    message: Positions
    name: Positions
    marks: Positions
    separators: Bytes
    joined: bool


@dataclass(frozen=True)
class Chunk:
    """A frame whose text is below 2 GiB, with its segments and how they belong together."""

    frame: Frame
    segments: Segments
    relations: Relations


@dataclass(frozen=True)
class Values:
    """Where the values of a table stand: start, length int32[slots, rows], length 0 for none, for absent and
    empty alike, which are null in typed tables; the start of none is any number.

    totals: int64[slots], how many bytes they were when they were found, 0 for a slot without any, whose lengths are any
    numbers too until they are cleared: most slots hold nothing, and are not written at all. escaped: bool[slots],
    whether any holds an escape character. message: int32[rows]. sources: for each source of the layout, the segment
    that each row reads, int32[rows].
    """

    layout: Layout
    start: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    totals: npt.NDArray[np.int64]
    escaped: npt.NDArray[np.bool_]
    message: Positions
    sources: Mapping[str, Positions]

    def clear(self, slots: Iterable[int]) -> None:
        """Makes the lengths zero of those slots that hold no value."""
        for slot in slots:
            if not self.totals[slot]:
                self.length[slot] = 0

    def masked(self, slots: list[int], rows: npt.NDArray[np.bool_]) -> None:
        """Leaves the values of the slots only where rows is true."""
        for slot in slots:
            if self.totals[slot]:
                self.length[slot] *= rows


def chunks(frame: Frame, longest: int = LONGEST_TEXT) -> list[Chunk]:
    """The frame as chunks of whole messages whose text is not longer than `longest` bytes, unless one message is."""
    made, begin = [], 0
    while begin < len(frame):
        end = int(np.searchsorted(frame.ends, frame.starts[begin] + longest, "right"))
        end = max(end, begin + 1)
        made.append(_chunk(frame if end - begin == len(frame) else _part(frame, begin, end)))
        begin = end
    return made


def _part(frame: Frame, begin: int, end: int) -> Frame:
    low, high = int(frame.starts[begin]), int(frame.ends[end - 1])
    rows = slice(begin, end)
    return replace(
        frame,
        text=frame.text[low : high + PADDING],
        size=high - low,
        starts=frame.starts[rows] - low,
        ends=frame.ends[rows] - low,
        raw_starts=frame.raw_starts[rows],
        raw_ends=frame.raw_ends[rows],
        charset=frame.charset[rows],
        charset_assumed=frame.charset_assumed[rows],
        object_of=frame.object_of[rows],
        offset=frame.offset[rows],
        record_id=frame.record_id[rows],
    )


def _chunk(frame: Frame) -> Chunk:
    segments = find_segments(frame)
    return Chunk(frame, segments, relate(segments.message, segments.name))


def find_segments(frame: Frame, *, join: bool = True) -> Segments:
    """The segments of a frame; without `join` the text stays as it is, line breaks inside segments too."""
    separators = np.empty((len(frame), locate.SEPARATORS), np.uint8)
    locate.find_separators(frame.text, frame.starts, frame.ends, separators)
    capacity = frame.size // 48 + 4 * len(frame) + 16
    while True:
        found = np.empty((5, capacity), np.int32)
        count, joined = locate.find_segments(frame.text, frame.starts, frame.ends, *found, text_fields())
        if count <= capacity:
            break
        capacity = count
    start, end, message, name, marks = (np.ascontiguousarray(each[:count]) for each in found)
    text = frame.text
    if joined and join:
        text = np.zeros(frame.size + PADDING, np.uint8)
        locate.join_lines(frame.text, start, end, text)
    return Segments(text, start, end, message, name, marks, separators, joined)


def find_values(segments: Segments, layout: Layout, sources: Mapping[str, Positions], message: Positions) -> Values:
    """The values of a layout: sources gives the segment (or -1) that each row reads, for each source of the layout."""
    slots, rows = len(layout.slots), len(message)
    start, length = np.empty((slots, rows), np.int32), np.empty((slots, rows), np.int32)
    totals, escaped = np.zeros(slots, np.int64), np.zeros(slots, np.bool_)
    for name, source in layout.sources.items():
        if name not in sources:
            continue
        locate_values(
            segments.text,
            segments.start,
            segments.end,
            segments.separators,
            segments.message,
            sources[name],
            source,
            start,
            length,
            totals,
            escaped.view(np.uint8),
        )
    return Values(layout, start, length, totals, escaped, message, sources)


def texts(segments: Segments, values: Values, slots: list[int]) -> dict[str, pa.StringArray]:
    """The slots as columns of text, escapes decoded; a slot without any value is left out."""
    used = [slot for slot in slots if values.totals[slot]]
    plain = [slot for slot in used if not values.escaped[slot]]
    escaped = [slot for slot in used if values.escaped[slot]]
    made: dict[str, pa.StringArray] = {}
    if plain:
        columns = string_columns(segments.text, values.start, values.length, chosen=plain, room=values.totals)
        made.update({values.layout.slots[slot].name: column for slot, column in zip(plain, columns, strict=True)})
    if escaped:
        separators = segments.separators[values.message]
        spans = unescape(segments.text, values.start[escaped], values.length[escaped], separators)
        columns = string_columns(*spans)
        made.update({values.layout.slots[slot].name: column for slot, column in zip(escaped, columns, strict=True)})
    return made
