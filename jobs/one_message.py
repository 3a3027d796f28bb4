"""The bytes of one message of an object."""

from __future__ import annotations

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.errors import AccessError, ConfigError, ObjectRefused
from connectors.hl7v2.accounts import OF_MESSAGES
from connectors.hl7v2.framing import frames
from connectors.storage import StorageOptions
from connectors.storage.opening import Roots
from connectors.storage.reading import Reading
from jobs.plan import Span


def message_at(uri: str, at: int, length: int | None, options: StorageOptions) -> bytes:
    """The message that begins at byte `at` of the (decompressed) object, a quarantined one, too: `length` bytes, else
    to where it ends.

    Raises ConfigError (OBJECT_MISSING, OFFSET_OUTSIDE, NO_MESSAGE_THERE), AccessError, TransientError.
    """
    store, key = Roots(options).locate(uri)
    raw = store.head(key)
    if raw is None:
        raise ConfigError("OBJECT_MISSING", f"there is no object {uri}")
    data = _from(raw, at, options)
    if not data:
        raise ConfigError("OFFSET_OUTSIDE", f"{uri} ends before byte {at}")
    if length is not None:
        return data[:length]
    length = _first_length(raw, data)
    if length is None:
        raise ConfigError("NO_MESSAGE_THERE", f"no message begins at byte {at} of {uri}; give --length to see the span")
    return data[:length]


def _first_length(raw: RawObject, data: bytes) -> int | None:
    """Bytes of the message that the data begin with, readable or quarantined; None where they begin with none."""
    for framed in frames([Piece(0, raw, (data,))], ReadOptions()):
        frame, rejects = framed.frame, framed.rejects
        if len(frame) and frame.offset[0] == 0:
            return int(frame.raw_ends[0] - frame.raw_starts[0])
        if rejects.num_rows and rejects["_offset"][0].as_py() == 0 and rejects["code"][0].as_py() in OF_MESSAGES:
            return int(rejects["_length"][0].as_py())
        return None  # what begins the data is of the first chunk
    return None


def _from(raw: RawObject, at: int, options: StorageOptions) -> bytes:
    """All bytes of the object from `at` on."""
    reading = Reading([Span(raw)], options)
    for piece in reading.pieces():
        return b"".join(piece.blocks)[at:]
    for failure in reading.failures.values():
        raise AccessError("STORE_REFUSED", failure.message) if isinstance(failure, ObjectRefused) else failure
    return b""
