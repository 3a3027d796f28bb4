"""Pieces of objects → runs of whole records, with memory bounded by the chunk size and the longest record.

A run begins at the start of its object or at a record start, and ends where the next item starts or where the object
ends. The bytes of a range piece before its first record start belong to the piece before; behind its `end` the last
record is read to its own end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.contract import ROOM_BEHIND, Piece, Stretch
from connectors.hl7v2 import boundaries
from connectors.hl7v2.boundaries import LOOK_AHEAD, LOOK_BEHIND, MSH, TEXT
from connectors.hl7v2.window import Window

HEAD: Final = 4096  # bytes of an object that say what it is
_HEADING: Final = 64  # bytes that tell the byte order
_FOREVER: Final = 1 << 62
_WIDE: Final = re.compile(
    rb"(?:[\r\n\v]\0)*(?:M\0S|[FB]\0H)\0[SH]\0|(?:\0[\r\n\v])*\0(?:M\0S|[FB]\0H)\0[SH]", re.DOTALL
)
_SPACE_BYTES: Final = b" \t\r\n\v\x1c\0\x1a"

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Run:
    """Whole records of one piece: `data` stands at byte `offset` of the object.

    final: it ends where the object ends. last: nothing of the piece follows. byte_order: "little" or "big" for UTF-16,
    else empty. A piece in whose range nothing begins gives one run without bytes.
    room: the data with ROOM_BEHIND zeros behind them, where they lie so.
    """

    piece: Piece
    offset: int
    data: bytes | memoryview
    final: bool
    last: bool
    byte_order: str = ""
    room: Bytes | None = None

    @classmethod
    def of(
        cls, piece: Piece, offset: int, room: Bytes, *, final: bool = False, last: bool = False, byte_order: str = ""
    ) -> Run:
        """room: the data and ROOM_BEHIND bytes."""
        return cls(piece, offset, room[:-ROOM_BEHIND].data, final, last, byte_order, room)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An item too long to be held: read through and hashed, not kept.

    [offset, offset + size) is the whole item, [offset + skip, offset + skip + length) its content, whose SHA-256 is
    `digest`. kind: MSH, or TEXT for what is no record. last: nothing of the piece follows. head: the first bytes of an
    object that is one such item, else empty; its content is then all of it. blank: it has no other than blank bytes.
    records: message starts in it. wide: an object in UTF-16.
    """

    piece: Piece
    offset: int
    size: int
    skip: int
    length: int
    digest: bytes
    kind: int
    last: bool
    records: int = 0
    blank: bool = False
    head: bytes = b""
    wide: bool = False
    data: bytes = b""
    byte_order: str = ""


def runs(piece: Piece, chunk_bytes: int, max_record_bytes: int) -> Iterator[Run | Skipped]:
    """The runs of a piece in order, each of about chunk_bytes (a longer record makes a longer run).

    Raises what reading the piece's blocks raises.
    """
    if (whole := _whole(piece, chunk_bytes)) is not None:
        yield Run(piece, 0, whole, final=True, last=True)
        return
    window = Window(piece)
    end = _FOREVER if piece.end is None else piece.end
    if piece.start == 0:
        window.fill_towards(end, chunk_bytes)
        byte_order = _byte_order(window.data[:_HEADING].tobytes())
        if byte_order:
            yield _wide_object(window, piece, byte_order, max_record_bytes)
            return
    elif not _seek_first_start(window, piece.start, end, chunk_bytes):
        yield Run(piece, piece.start, b"", final=False, last=True)
        return
    yield from _runs_from_start(window, piece, end, chunk_bytes, max_record_bytes)


def _whole(piece: Piece, chunk_bytes: int) -> bytes | None:
    """The bytes of an object that lies in memory as one block of a chunk at most, unless it is in UTF-16."""
    blocks = piece.blocks
    if piece.start or piece.end is not None or not isinstance(blocks, tuple) or len(blocks) != 1:
        return None
    data: bytes = blocks[0]
    return None if len(data) > chunk_bytes or _byte_order(data[:_HEADING]) else data


def holds_wide(stretch: Stretch) -> bool:
    """Whether an object of a stretch is in UTF-16: its first byte is none of ASCII then, or its second one is NUL."""
    bounds, room = stretch.bounds, stretch.room
    first, second = room[bounds[:-1]], room[bounds[:-1] + 1]
    suspect = np.flatnonzero((first == 0) | (first >= 0xFE) | (second == 0)).tolist()
    return any(_byte_order(room[bounds[k] : bounds[k + 1]][:_HEADING].tobytes()) for k in suspect)


def _seek_first_start(window: Window, start: int, end: int, chunk_bytes: int) -> bool:
    """Drop what is before the first start at or behind `start`; False if that is not before `end`."""
    scanned = start
    while scanned < end:
        window.fill_towards(end, chunk_bytes)
        at = window.first_start(scanned - window.offset, end - window.offset)
        if at >= 0:
            window.drop(at)
            return True
        if window.ended:
            return False
        scanned = max(window.offset + len(window) - LOOK_AHEAD + 1, scanned)
        window.drop(max(scanned - window.offset - LOOK_BEHIND, 0))
    return False


def _runs_from_start(
    window: Window, piece: Piece, end: int, chunk_bytes: int, max_record_bytes: int
) -> Iterator[Run | Skipped]:
    """The runs of a window whose first byte is the start of the object or of an item."""
    scanned, more = 1, 0
    while True:
        if more > 0:
            window.fill_towards(end, more)
        offset = window.offset
        if offset + len(window) > end:
            stop = window.first_start(max(end - offset, scanned), _FOREVER)
            if stop >= 0:
                yield Run.of(piece, offset, window.take(stop), last=True)
                return
        if window.ended:
            yield Run.of(piece, offset, window.take(len(window)), final=True, last=True)
            return
        cut = window.last_start(scanned)
        if cut >= 0:
            yield Run.of(piece, offset, window.take(cut))
            scanned, more = 1, chunk_bytes - len(window)
            continue
        scanned = max(len(window) - LOOK_AHEAD + 1, scanned)
        more = chunk_bytes
        held = boundaries.kind_at(window.data, 0, 0, len(window), 0)
        if len(window) <= (max_record_bytes if held == MSH else chunk_bytes):
            continue
        if held not in (MSH, boundaries.NONE):
            line = int(boundaries.line_end(window.data, 0, len(window)))
            if line == len(window) and line <= max_record_bytes:
                continue
            yield Run.of(piece, offset, window.take(line))
        skipped = _skip(window, piece, MSH if held == MSH else TEXT, end, chunk_bytes)
        yield skipped
        if skipped.last:
            return
        scanned, more = 1, chunk_bytes - len(window)


class _Content:
    """The digest of a stream without what is blank at its ends; the stream comes in any pieces."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.digest = hashlib.sha256()
        self.with_blanks = self.digest
        self.size = self.skip = self.length = 0

    def add(self, data: Bytes) -> None:
        begin = 0
        if not self.length and self.kind == TEXT:
            begin = int(boundaries.text_start(data, 0, len(data)))
            self.skip += begin
        trimmed = boundaries.content_end if self.kind == MSH else boundaries.text_end
        stop = int(trimmed(data, begin, len(data)))
        if stop > begin:
            self.with_blanks.update(data[begin:stop].data)
            self.digest = self.with_blanks.copy()
            self.length = self.size + stop - self.skip
            begin = stop
        if self.length:
            self.with_blanks.update(data[begin:].data)
        self.size += len(data)


def _skip(window: Window, piece: Piece, kind: int, end: int, chunk_bytes: int) -> Skipped:
    """Read through the item at the front of the window, and leave the window at the next start."""
    offset, scanned = window.offset, 1
    head = window.data[:HEAD].tobytes() if offset == 0 and kind == TEXT else b""
    content, everything = _Content(kind), hashlib.sha256()
    while True:
        at = window.first_start(scanned, _FOREVER)
        done = at >= 0 or window.ended
        cut = at if at >= 0 else len(window)
        if not done:
            cut = max(_uncut_mark(window.data, cut - LOOK_BEHIND - LOOK_AHEAD), 0)
        taken = window.take(cut)[:-ROOM_BEHIND]
        content.add(taken)
        everything.update(taken.data)
        if done:
            break
        scanned = max(len(window) - LOOK_AHEAD + 1, 1)
        window.fill(len(window) + chunk_bytes)
    at_end = window.ended and not len(window)
    whole = at_end and bool(head)
    return Skipped(
        piece,
        offset,
        content.size,
        skip=0 if whole else content.skip,
        length=content.size if whole else content.length,
        digest=(everything if whole else content.digest).digest(),
        kind=kind,
        last=at_end or window.offset >= end,
        records=1 if kind == MSH else 0,
        blank=not content.length,
        head=head if whole else b"",
    )


def _uncut_mark(data: Bytes, cut: int) -> int:
    """The cut, moved to the front of a byte-order mark that it would divide."""
    for back in (1, 2):
        if cut >= back and data[cut - back : cut - back + 3].tobytes() == b"\xef\xbb\xbf":
            return cut - back
    return cut


def _byte_order(head: bytes) -> str:
    """ "little" or "big" if an object that begins so is in UTF-16 (by its mark, or by the NULs of its first name)."""
    if head[:2] == b"\xff\xfe":
        return "little"
    if head[:2] == b"\xfe\xff":
        return "big"
    found = _WIDE.match(head[:_HEADING])
    if not found:
        return ""
    return "big" if head[0] == 0 else "little"


def _wide_object(window: Window, piece: Piece, byte_order: str, max_record_bytes: int) -> Run | Skipped:
    """An object in UTF-16 is read whole, whatever the range; over max_record_bytes it is read through instead."""
    window.fill(max_record_bytes + 1)
    if len(window) <= max_record_bytes:
        room = window.take(len(window))
        return Run.of(piece, 0, room, final=True, last=True, byte_order=byte_order)
    name = "MSH".encode("utf-16-le" if byte_order == "little" else "utf-16-be")
    digest, records, size, tail = hashlib.sha256(), 0, 0, b""
    while len(window):
        data = window.take(len(window))[:-ROOM_BEHIND].tobytes()
        digest.update(data)
        records += (tail + data).count(name)
        size, tail = size + len(data), data[-len(name) + 1 :]
        window.fill(1 << 20)
    return Skipped(piece, 0, size, 0, size, digest.digest(), TEXT, last=True, records=max(records, 1), wide=True)
