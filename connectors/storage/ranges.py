"""The bytes of a range of an object, and of what stands behind it, read to where a reader wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from connectors.contract import ROOM_BEHIND
from connectors.storage.store import BLOCK_BYTES

BEFORE_BYTES = 4
BEYOND_BYTES = 256 << 10
"""What is read at once with the end of a range: its last record mostly ends there, and the last block that is hashed
(block_hash.BLOCK) does."""

_ROOM_BYTES = 3 * BLOCK_BYTES
"""The most that the first room holds: what a reader takes at once of a range that is larger."""

Bytes = npt.NDArray[np.uint8]


class RangeBlocks:
    """See contract.Placed. The blocks of the range [start, end) of an object of `size` bytes, which go on to its end,
    those behind the range small at first. With the first one come up to BEFORE_BYTES bytes in front of the range."""

    def __init__(self, read: Callable[[Bytes, int], None], start: int, end: int, size: int) -> None:
        """read: fills a place with the bytes of the object that stand from an offset on."""
        self._read = read
        front = min(BEFORE_BYTES, start)
        self._at = start - front
        self._ends = _ends(self._at, end, size)
        self._end = next(self._ends, self._at)
        room = min(size, end + BEYOND_BYTES, self._at + _ROOM_BYTES) - self._at
        self._room: Bytes | None = np.empty(room + ROOM_BEHIND, np.uint8)
        self._filled = self.coming()
        self.read_into(self._room[: self._filled])
        self.before = self._room[:front].tobytes()

    def begin(self) -> tuple[Bytes, int]:
        room, self._room = self._room, None
        if room is None:
            raise RuntimeError("blocks are read once")
        return room, self._filled

    def coming(self) -> int:
        return self._end - self._at

    def read_into(self, place: Bytes) -> None:
        self._read(place, self._at)
        self._at, self._end = self._end, next(self._ends, self._end)

    def __iter__(self) -> Iterator[bytes]:
        room, filled = self.begin()
        yield room[len(self.before) : filled].tobytes()
        while size := self.coming():
            place = np.empty(size, np.uint8)
            self.read_into(place)
            yield place.tobytes()


def _ends(at: int, end: int, size: int) -> Iterator[int]:
    """Where the blocks from a place on end: those of a range that ends at `end`, the last one with what is first wanted
    behind it, then the others behind it."""
    while at + BLOCK_BYTES < end:
        at += BLOCK_BYTES
        yield at
    at, beyond = end, BEYOND_BYTES
    while True:
        at = min(at + beyond, size)
        yield at
        if at == size:
            return
        beyond = min(2 * beyond, BLOCK_BYTES)
