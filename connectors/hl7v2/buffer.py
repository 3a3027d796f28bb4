"""A chunk: runs of many pieces, joined in one buffer, and the items in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.contract import ROOM_BEHIND, Stretch
from connectors.hl7v2 import boundaries
from connectors.hl7v2.boundaries import MSH
from connectors.hl7v2.frame import PADDING
from connectors.hl7v2.runs import Run, Skipped

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Entry = Run | Skipped | Stretch
Chosen = slice | npt.NDArray[np.intp]

READABLE: Final = boundaries.READABLE
TOO_LONG: Final = 3
UNKNOWN_CHARSET: Final = 4
UNDECODABLE: Final = 5


@dataclass(frozen=True)
class Entries:
    """The n runs and skipped items that lie in a chunk; each object of a stretch is a run.

    bounds: int64[n + 1], entry e is raw[bounds[e]:bounds[e + 1]] of the chunk. ordinals: int32[n], of their pieces;
    objects: n, their URIs. offset: int64[n], of the entry in its object. whole: bool[n], the piece is a whole object.
    last: bool[n], nothing of the piece follows. begins: bool[n], it is a run from the start of an object; complete:
    bool[n], it is all of one. skipped: those that are no runs, with their places.
    """

    bounds: Offsets
    ordinals: npt.NDArray[np.int32]
    objects: pa.StringArray
    offset: Offsets
    whole: npt.NDArray[np.bool_]
    last: npt.NDArray[np.bool_]
    begins: npt.NDArray[np.bool_]
    complete: npt.NDArray[np.bool_]
    skipped: Sequence[tuple[int, Skipped]]

    def __len__(self) -> int:
        return len(self.ordinals)


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

    raw: uint8[size + PADDING], the bytes of the entries end to end. byte_order: as in Run, of one in UTF-16, which has
    no others beside it. buf: what the kernels read: raw, or one byte for each UTF-16 unit (scale 2). Positions of items
    are those of buf.
    messages: which items are messages (see chosen); starts, ends: int64[m]; entry_of: int32[m].
    shift: int64[entries], what to add to a position in raw to get the byte offset in the object.
    """

    entries: Entries
    raw: Bytes
    size: int
    byte_order: str
    shift: Offsets
    buf: Bytes
    scale: int
    items: Items
    messages: Chosen
    starts: Offsets
    ends: Offsets
    entry_of: npt.NDArray[np.int32]


def lay_out(held: Sequence[Entry], max_record_bytes: int) -> Chunk:
    """Join what is held, and find the items in it. What is alone need not be, if it lies in a room. Items of messages
    over max_record_bytes are one span with what follows their end block."""
    entries = _entries(held)
    size, first = int(entries.bounds[-1]), held[0]
    room = _joined(held) if len(held) > 1 or isinstance(first, Skipped) or first.room is None else first.room
    raw = room[: size + PADDING]
    byte_order = first.byte_order if isinstance(first, Run) else ""
    scale = 2 if byte_order else 1
    buf = _narrow(room, size, byte_order) if byte_order else raw
    items = _find_items(buf, entries.bounds // scale, entries.begins, max_record_bytes // scale)
    messages = chosen(items.kinds == MSH)
    return Chunk(
        entries=entries,
        raw=raw,
        size=size,
        byte_order=byte_order,
        shift=entries.offset - entries.bounds[:-1],
        buf=buf,
        scale=scale,
        items=items,
        messages=messages,
        starts=items.starts[messages],
        ends=items.ends[messages],
        entry_of=items.entry_of[messages],
    )


def chosen(wanted: npt.NDArray[np.bool_]) -> Chosen:
    """The rows that are wanted, as what takes them from an array: a slice, which copies nothing, where all are."""
    return slice(None) if wanted.all() else np.flatnonzero(wanted)


def _entries(held: Sequence[Entry]) -> Entries:
    rows: list[tuple[Any, ...]] = []
    skipped = []
    for each in held:
        if isinstance(each, Stretch):
            rows.extend(_rows(each))
            continue
        if isinstance(each, Skipped):
            skipped.append((len(rows), each))
        rows.append(_row(each))
    lengths, ordinals, objects, offset, *flags = zip(*rows, strict=True)
    bounds = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    whole, last, begins, complete = (np.array(flag, np.bool_) for flag in flags)
    return Entries(
        bounds=bounds,
        ordinals=np.array(ordinals, np.int32),
        objects=pa.array(objects, pa.string()),
        offset=np.array(offset, np.int64),
        whole=whole,
        last=last,
        begins=begins,
        complete=complete,
        skipped=skipped,
    )


def _row(entry: Run | Skipped) -> tuple[Any, ...]:
    """How long an entry is, and what stands of it in the columns of Entries."""
    piece, offset = entry.piece, entry.offset
    begins = isinstance(entry, Run) and offset == 0
    complete = isinstance(entry, Run) and begins and entry.final
    return len(entry.data), piece.ordinal, piece.object.uri, offset, piece.whole, entry.last, begins, complete


def _rows(stretch: Stretch) -> Iterable[tuple[Any, ...]]:
    """The same of each object of a stretch, which is a run from start to end."""
    lengths, uris = np.diff(stretch.bounds).tolist(), (raw.uri for raw in stretch.objects)
    return zip(lengths, stretch.ordinals, uris, repeat(0), *repeat(repeat(True), 4))


def _joined(held: Sequence[Entry]) -> Bytes:
    return np.frombuffer(bytearray().join([*(each.data for each in held), bytes(ROOM_BEHIND)]), np.uint8)


def _narrow(room: Bytes, size: int, byte_order: str) -> Bytes:
    """One byte for each UTF-16 unit: itself if it is ASCII, NUL for a byte-order mark, else a byte above ASCII."""
    units = room[: size - size % 2].view("<u2" if byte_order == "little" else ">u2")
    narrow = np.zeros(len(units) + ROOM_BEHIND, np.uint8)
    narrow[: len(units)] = np.where(units < 0x80, units, np.where(units == 0xFEFF, 0, 0xFF))
    return narrow


def _find_items(buf: Bytes, bounds: Offsets, at_object_start: npt.NDArray[np.bool_], longest: int) -> Items:
    capacity = int(bounds[-1]) // 64 + 2 * len(at_object_start) + 16
    while True:
        starts, blocks = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
        kinds, entry_of = np.empty(capacity, np.int8), np.empty(capacity, np.int32)
        n, found = boundaries.find_items(buf, bounds, at_object_start, starts, kinds, entry_of, blocks)
        if max(n, found) <= capacity:
            break
        capacity = max(n, found)
    blocks = blocks[:found]
    starts, kinds, entry_of = starts[:n], kinds[:n], entry_of[:n]
    limits, ends, text_starts, text_ends = (np.empty(n, np.int64) for _ in range(4))
    boundaries.measure_items(
        buf, bounds, entry_of, starts, kinds, blocks, longest, limits, ends, text_starts, text_ends
    )
    return Items(starts, limits, ends, text_starts, text_ends, kinds, entry_of)
