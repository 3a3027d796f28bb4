"""Large new files of this machine go from memory to the disk, past the system's cache of files.

Each of them is synced before it has its name and seldom read soon, so the cache has nothing to give for the pages that
it takes: to find and fill them costs more of a processor than all else of writing a file.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence

import numpy as np

LARGE = 256 << 10
"""Bytes of a file from which on this is sooner done."""

BLOCK = 2 << 20
"""Bytes that one call writes."""

ALIGNED = 4096
"""Places in the file and in memory, and lengths, are multiples of this: what disks of today want, or more."""


def write_directly(file: int, several: Sequence[bytes | memoryview]) -> Sequence[bytes | memoryview]:
    """Write what follows one another to a new file, as far as it goes by whole blocks of the disk; what is left to be
    written behind it, in the usual way. That is everything where the file is small or its file system has no such way.
    """
    size = sum(map(len, several)) // ALIGNED * ALIGNED
    if size < LARGE or not _past_cache(file, True):
        return several
    try:
        return _behind(several, _written(file, several, size))
    finally:
        _past_cache(file, False)


def _past_cache(file: int, direct: bool) -> bool:
    """Set how the file is written; whether its file system says that it can."""
    # Not at the opening: a file system that refuses has made the file by then.
    flag = getattr(os, "O_DIRECT", 0)
    flags = fcntl.fcntl(file, fcntl.F_GETFL) & ~flag
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | flag if direct else flags)
    except OSError:
        return False
    return bool(flag)


def _written(file: int, several: Sequence[bytes | memoryview], size: int) -> int:
    """Write the first `size` bytes, a multiple of ALIGNED; how many were written where the file system refuses one of
    these blocks after all, or takes a part of it."""
    done = 0
    for block in _blocks(several, size):
        try:
            written = os.write(file, block)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            break
        done += written
        if written < len(block):
            break
    return done


def _blocks(several: Sequence[bytes | memoryview], size: int) -> Iterator[memoryview]:
    """The first `size` bytes of what follows one another, BLOCK at a time, in one place that is filled anew."""
    room = np.empty(BLOCK + ALIGNED, np.uint8)
    block, held = memoryview(room.data)[-room.ctypes.data % ALIGNED :][:BLOCK], 0
    for data in several:
        view = memoryview(data).cast("B")[:size]
        size -= len(view)
        while len(view):
            count = min(len(view), BLOCK - held)
            block[held : held + count] = view[:count]
            view, held = view[count:], held + count
            if held == BLOCK or not (size or len(view)):
                yield block[:held]
                held = 0


def _behind(several: Sequence[bytes | memoryview], done: int) -> list[memoryview]:
    """What follows on the first `done` bytes."""
    left = []
    for data in several:
        if done < len(data):
            left.append(memoryview(data)[done:])
        done = max(0, done - len(data))
    return left
