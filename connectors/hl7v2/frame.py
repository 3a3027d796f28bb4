"""What framing hands to the tables: whole messages, decoded, lying end to end in one buffer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PADDING = 64
"""Readable bytes behind the text of a frame, so that a kernel may load whole vectors."""


@dataclass(frozen=True)
class Frame:
    """n messages of a chunk.

    text: uint8[size + PADDING], UTF-8, zero behind `size`. starts, ends: int64[n], message i is
    text[starts[i]:ends[i]], from its "MSH" to the end of its last segment's content (no trailing terminator). Where the
    message was transcoded this differs from the raw bytes.
    raw: uint8[raw_size + PADDING], the bytes as read; raw_starts, raw_ends: int64[n] in it; `raw is text` for a chunk
    that needed no transcoding.
    charset: int16[n], index into charsets.NAMES of what each message was decoded with.
    charset_assumed: bool[n], the message holds bytes above ASCII and declares no set, or ASCII: its set is a guess.
    object_of: int32[n], index into objects. offset: int64[n], byte offset of the message in its object.
    record_id: uint8[n, 32], SHA-256 of each message's raw bytes.
    """

    text: npt.NDArray[np.uint8]
    size: int
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    raw: npt.NDArray[np.uint8]
    raw_starts: npt.NDArray[np.int64]
    raw_ends: npt.NDArray[np.int64]
    charset: npt.NDArray[np.int16]
    charset_assumed: npt.NDArray[np.bool_]
    object_of: npt.NDArray[np.int32]
    objects: pa.StringArray
    offset: npt.NDArray[np.int64]
    record_id: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.starts)
