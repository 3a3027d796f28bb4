"""The bytes of one message of an object."""

from __future__ import annotations

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.errors import AccessError, ConfigError, ObjectRefused
from connectors.hl7v2.framing import frames
from connectors.storage import StorageOptions
from connectors.storage.opening import Roots
from connectors.storage.reading import Reading
from jobs.plan import Span


def message_at(uri: str, at: int, length: int | None, options: StorageOptions) -> bytes:
    """The message that begins at byte `at` of the (decompressed) object: `length` bytes, else to the next message.

    Raises ConfigError (OBJECT_MISSING, OFFSET_OUTSIDE), AccessError, TransientError.
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
    for framed in frames([Piece(0, raw, (data,))], ReadOptions()):
        if len(framed.frame) and framed.frame.offset[0] == 0:
            start, end = int(framed.frame.raw_starts[0]), int(framed.frame.raw_ends[0])
            return framed.frame.raw[start:end].tobytes()
    raise ConfigError("NO_MESSAGE_THERE", f"no message begins at byte {at} of {uri}; give --length to see the span")


def _from(raw: RawObject, at: int, options: StorageOptions) -> bytes:
    """All bytes of the object from `at` on."""
    reading = Reading([Span(raw)], options)
    for piece in reading.pieces():
        return b"".join(piece.blocks)[at:]
    for failure in reading.failures.values():
        raise AccessError("STORE_REFUSED", failure.message) if isinstance(failure, ObjectRefused) else failure
    return b""
