"""A chunk: runs of many pieces, joined in one buffer, and the items in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.hl7v2 import boundaries
from connectors.hl7v2.boundaries import MSH
from connectors.hl7v2.frame import PADDING
from connectors.hl7v2.runs import Run, Skipped

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Entry = Run | Skipped

READABLE: Final = boundaries.READABLE
TOO_LONG: Final = 3
UNKNOWN_CHARSET: Final = 4
UNDECODABLE: Final = 5
_REACH: Final = 128  # readable bytes behind the buffer: more than PADDING, which is what a frame promises


@dataclass(frozen=True)
class Items:
    """k items in order: messages, envelope lines and what stands before the first of them (see boundaries).

    starts, limits: int64[k], the item is buf[starts[i]:limits[i]]. ends: int64[k], end of its message or line.
    text_starts, text_ends: int64[k], what follows in it that is neither. entry_of: int32[k].
    """

    starts: Offsets
    limits: Offsets
    ends: Offsets
    text_starts: Offsets
    text_ends: Offsets
    kinds: npt.NDArray[np.int8]
    entry_of: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Chunk:
    """m messages of a chunk.

    raw: uint8[size + PADDING], the bytes of the entries end to end; entry e is raw[bounds[e]:bounds[e + 1]].
    buf: what the kernels read: raw, or one byte for each UTF-16 unit (scale 2). Positions of items are those of buf.
    messages: int64[m], which items are messages; starts, ends: int64[m]; entry_of: int32[m].
    shift: int64[entries], what to add to a position in raw to get the byte offset in the object.
    """

    entries: Sequence[Entry]
    raw: Bytes
    size: int
    bounds: Offsets
    shift: Offsets
    buf: Bytes
    scale: int
    items: Items
    messages: npt.NDArray[np.intp]
    starts: Offsets
    ends: Offsets
    entry_of: npt.NDArray[np.int32]


def lay_out(entries: Sequence[Entry]) -> Chunk:
    """Join the entries and find the items in them."""
    bounds = np.zeros(len(entries) + 1, np.int64)
    np.cumsum([len(entry.data) for entry in entries], out=bounds[1:])
    size = int(bounds[-1])
    room = np.frombuffer(bytearray().join([*(entry.data for entry in entries), bytes(_REACH)]), np.uint8)
    raw = room[: size + PADDING]
    byte_order = entries[0].byte_order if entries else ""
    scale = 2 if byte_order else 1
    buf = _narrow(room, size, byte_order) if byte_order else raw
    items = _find_items(buf, bounds // scale, entries)
    messages = np.flatnonzero(items.kinds == MSH)
    offsets = np.array([entry.offset for entry in entries], np.int64)
    return Chunk(
        entries=entries,
        raw=raw,
        size=size,
        bounds=bounds,
        shift=offsets - bounds[:-1],
        buf=buf,
        scale=scale,
        items=items,
        messages=messages,
        starts=items.starts[messages],
        ends=items.ends[messages],
        entry_of=items.entry_of[messages],
    )


def _narrow(room: Bytes, size: int, byte_order: str) -> Bytes:
    """One byte for each UTF-16 unit: itself if it is ASCII, NUL for a byte-order mark, else a byte above ASCII."""
    units = room[: size - size % 2].view("<u2" if byte_order == "little" else ">u2")
    narrow = np.zeros(len(units) + _REACH, np.uint8)
    narrow[: len(units)] = np.where(units < 0x80, units, np.where(units == 0xFEFF, 0, 0xFF))
    return narrow


def _find_items(buf: Bytes, bounds: Offsets, entries: Sequence[Entry]) -> Items:
    at_object_start = np.array([isinstance(entry, Run) and entry.offset == 0 for entry in entries], np.bool_)
    capacity = int(bounds[-1]) // 64 + 2 * len(entries) + 16
    while True:
        starts = np.empty(capacity, np.int64)
        kinds, entry_of = np.empty(capacity, np.int8), np.empty(capacity, np.int32)
        n = int(boundaries.find_items(buf, bounds, at_object_start, starts, kinds, entry_of))
        if n <= capacity:
            break
        capacity = n
    starts, kinds, entry_of = starts[:n], kinds[:n], entry_of[:n]
    limits, ends, text_starts, text_ends = (np.empty(n, np.int64) for _ in range(4))
    boundaries.measure_items(buf, bounds, entry_of, starts, kinds, limits, ends, text_starts, text_ends)
    return Items(starts, limits, ends, text_starts, text_ends, kinds, entry_of)
