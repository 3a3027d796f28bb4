"""The bytes of a piece that a reader holds, in the room in which they are parsed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.contract import ROOM_BEHIND, Piece, Placed
from connectors.hl7v2 import boundaries
from connectors.hl7v2.boundaries import LOOK_AHEAD

_AT_ONCE: Final = 32 << 20  # bytes for which there is room before they come, at most
_STEP: Final = 64 << 10  # bytes read at first behind the end of a range, to finish its last record

Bytes = npt.NDArray[np.uint8]


class Window:
    """The bytes of a piece that are held, the first of which stands at byte `offset` of the object. There are always
    ROOM_BEHIND bytes of a room behind them."""

    def __init__(self, piece: Piece) -> None:
        before = piece.before if piece.start else b""
        self._blocks = piece.blocks if isinstance(piece.blocks, Placed) else _Copied(before, piece.blocks)
        self._room, self._filled = self._blocks.begin()
        self._begin, self._end = 0, len(before)
        self.offset = piece.start - len(before)
        self.ended = False

    def __len__(self) -> int:
        return self._end - self._begin

    @property
    def data(self) -> Bytes:
        return self._room[self._begin : self._end]

    def fill(self, size: int) -> None:
        """Read until `size` bytes are held or the object ends."""
        self._end = max(self._end, self._filled)
        while len(self) < size and not self.ended:
            coming = self._blocks.coming()
            if coming:
                if self._end + coming + ROOM_BEHIND > self._room.size:
                    more = coming + min(size - len(self), _AT_ONCE)
                    self._move(max(len(self) + more, len(self) * 3 // 2))
                self._blocks.read_into(self._room[self._end : self._end + coming])
                self._end += coming
            else:
                self.ended = True

    def _move(self, size: int) -> None:
        """What is held moves to a room for `size` bytes."""
        room = np.empty(size + ROOM_BEHIND, np.uint8)
        room[: len(self)] = self.data
        self._room, self._begin, self._end, self._filled = room, 0, len(self), 0

    def fill_towards(self, end: int, more: int) -> None:
        """Read about `more` bytes; behind `end` in small steps that double, because only one record is wanted there."""
        held = len(self)
        over = self.offset + held - end
        self.fill(held + (min(more, _STEP - over) if over < 0 else min(more, max(over, _STEP))))

    def take(self, size: int) -> Bytes:
        """Remove the first `size` bytes; they are returned with ROOM_BEHIND zeros behind them, and without a copy where
        they are most of a room."""
        room, begin, end = self._room, self._begin, self._begin + size
        self.drop(size)
        if size >= len(self) and 2 * size >= room.size:
            self._move(len(self))
            taken = room[begin : end + ROOM_BEHIND]
        else:
            taken = np.empty(size + ROOM_BEHIND, np.uint8)
            taken[:size] = room[begin:end]
        taken[size:] = 0
        return taken

    def drop(self, size: int) -> None:
        self._begin += size
        self.offset += size

    def first_start(self, begin: int, end: int) -> int:
        """The first start in data[begin:end], or -1. Without the object's end, the last bytes are not looked at."""
        end = min(end, len(self) - (0 if self.ended else LOOK_AHEAD - 1))
        return int(boundaries.first_start(self.data, begin, end, len(self), -1)) if begin < end else -1

    def last_start(self, begin: int) -> int:
        """The last start in data[begin:] that the bytes held decide, or -1."""
        end = len(self) - LOOK_AHEAD + 1
        return int(boundaries.last_start(self.data, begin, end, len(self))) if begin < end else -1


class _Copied:
    """See contract.Placed: of blocks that lie elsewhere."""

    def __init__(self, before: bytes, blocks: Iterable[bytes]) -> None:
        self._before = before
        self._blocks = filter(None, blocks)
        self._next = b""

    def begin(self) -> tuple[Bytes, int]:
        return np.frombuffer(bytearray(self._before).ljust(len(self._before) + ROOM_BEHIND), np.uint8), 0

    def coming(self) -> int:
        self._next = self._next or next(self._blocks, b"")
        return len(self._next)

    def read_into(self, place: Bytes) -> None:
        place.data[:], self._next = self._next, b""
