"""gz, zst and bz2 streams → their content, with a limit on expansion.

What a stream is shows in its first bytes, not in its name: gzip (RFC 1952, any number of members), Zstandard (RFC 8878,
any number of frames), bzip2 (any number of streams).
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import zstandard

from connectors.errors import RecordError

HEAD_BYTES = 10
"""How many first bytes `kind` wants."""

FIRST_BYTES = frozenset((0x1F, 0x28, *range(0x50, 0x60), ord("B")))
"""With one of these begins what `kind` knows."""

EXTENSIONS = {".gz": "gz", ".gzip": "gz", ".zst": "zst", ".zstd": "zst", ".bz2": "bz2"}

OUTPUT_BYTES = 4 << 20
_ZSTD_INPUT_BYTES = 1 << 10  # a Zstandard block of 4 bytes may hold 128 KiB: this bounds one step to 32 MiB


@dataclass(frozen=True, slots=True)
class Expansion:
    """How far a compressed object may expand before it is refused.

    max_ratio: of bytes out to bytes in, beyond the first `free_bytes`. max_bytes: out, in all.
    """

    max_ratio: float = 250.0
    max_bytes: int = 64 << 30
    free_bytes: int = 64 << 20


class _Step(Protocol):
    """One stream's decompressor: bytes in, at most about OUTPUT_BYTES out."""

    def run(self, data: bytes) -> bytes: ...

    @property
    def wants_input(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    @property
    def rest(self) -> bytes: ...


def kind(head: bytes) -> str | None:
    """ "gz", "zst", "bz2", or None for content that is not compressed. head: the first HEAD_BYTES of an object."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gz"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return "zst"
    if head[:3] == b"BZh" and head[3:4].isdigit() and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bz2"
    return None


def kind_by_name(uri: str) -> str | None:
    """What the name promises."""
    return next((kind for ending, kind in EXTENSIONS.items() if uri.lower().endswith(ending)), None)


def content_name(uri: str) -> str:
    """The name without the ending of a compression: "a.hl7.gz" → "a.hl7"."""
    ending = next((e for e in EXTENSIONS if uri.lower().endswith(e)), "")
    return uri[: len(uri) - len(ending)]


def decompressed(kind: str, blocks: Iterable[bytes], limit: Expansion, uri: str) -> Iterator[bytes]:
    """The content of a compressed object, block by block, none of them empty.

    Raises RecordError COMPRESSION_DAMAGED (not decodable, cut short, or followed by something else) or EXPANSION_LIMIT;
    the object is then to be quarantined whole.
    """
    taken = given = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for block in blocks:
            taken += len(block)
            yield block

    try:
        for out in _streams(_STEPS[kind], counted()):
            given += len(out)
            if given > limit.max_bytes or given > limit.free_bytes + limit.max_ratio * taken:
                raise RecordError("EXPANSION_LIMIT", f"{uri} expands beyond the limit")
            yield out
    except (zlib.error, zstandard.ZstdError, OSError, EOFError, ValueError):
        raise RecordError("COMPRESSION_DAMAGED", f"{uri} is no whole {kind} stream") from None


def _streams(make: Callable[[], _Step], blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of one compressed stream after another. Raises EOFError where the last is cut short."""
    data = b""
    step: _Step | None = None
    while True:
        if not data and (step is None or step.wants_input):
            following = next(blocks, None)
            if following is None:
                break
            data = following
            continue
        if step is None:
            # Tapes and block devices pad a stream with zeros.
            data = data.lstrip(b"\0")
            if not data:
                continue
            step = make()
        out = step.run(data)
        data = b""
        if out:
            yield out
        if step.finished:
            data, step = step.rest, None
    if step is not None:
        raise EOFError


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    def run(self, data: bytes) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, OUTPUT_BYTES)

    @property
    def wants_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def finished(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


class _Bzip2:
    def __init__(self) -> None:
        self._stream = bz2.BZ2Decompressor()

    def run(self, data: bytes) -> bytes:
        return self._stream.decompress(data, OUTPUT_BYTES)

    @property
    def wants_input(self) -> bool:
        return self._stream.needs_input

    @property
    def finished(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


class _Zstandard:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._held = memoryview(b"")

    def run(self, data: bytes) -> bytes:
        if data:
            self._held = memoryview(data)
        out = self._stream.decompress(self._held[:_ZSTD_INPUT_BYTES])
        self._held = self._held[_ZSTD_INPUT_BYTES:]
        return out

    @property
    def wants_input(self) -> bool:
        return not self._held

    @property
    def finished(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data + bytes(self._held)


_STEPS: dict[str, Callable[[], _Step]] = {"gz": _Gzip, "zst": _Zstandard, "bz2": _Bzip2}
