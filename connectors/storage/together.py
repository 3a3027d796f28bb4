"""Many small files of this machine → one buffer in which they lie end to end.

A file takes a few calls of the kernel and little else here, for a bundle may have ten thousand of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from connectors.contract import ROOM_BEHIND, RawObject, Stretch
from connectors.storage.compression import FIRST_BYTES, HEAD_BYTES, kind
from connectors.storage.local import version


def read_together(objects: Iterable[RawObject], size: int, first: int) -> Stretch:
    """The files up to one that cannot be read, is not what was listed or is compressed; what it is shows when it is
    read alone. size: bytes of all files. first: ordinal of the first one."""
    room = np.empty(size + ROOM_BEHIND, np.uint8)
    view = memoryview(room.data)
    end, ends, read = 0, [0], []
    for raw in objects:
        if not _filled(view[end : end + raw.size], raw):
            break
        end += raw.size
        ends.append(end)
        read.append(raw)
    # What stays long should not hold the room of files that were not read.
    room = room if end == size else room[: end + ROOM_BEHIND].copy()
    room[end:] = 0
    return Stretch(range(first, first + len(read)), read, np.array(ends, np.int64), room)


def _filled(place: memoryview, raw: RawObject) -> bool:
    """Whether a place of its size was filled with a file that is as it was listed, before and after, and is not
    compressed."""
    if "//" in raw.uri or "/./" in raw.uri or "/../" in raw.uri:  # no key of a store
        return False
    try:
        file = os.open(raw.uri, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        before = os.fstat(file)
        if before.st_size != raw.size or version(before) != raw.etag or os.readv(file, (place,)) != raw.size:
            return False
        after = os.fstat(file)
    except OSError:
        return False
    finally:
        os.close(file)
    if after.st_mtime_ns != before.st_mtime_ns or after.st_size != raw.size:
        return False
    return not (raw.size and place[0] in FIRST_BYTES and kind(bytes(place[:HEAD_BYTES])))
