"""Bytes of objects → whole, decoded HL7 v2 messages, lying end to end; and what became of every byte.

Every byte of an object belongs to a message, to a rejected span, or to the envelope between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors import digests
from connectors.contract import Piece, Pieces, ReadOptions, Stretch
from connectors.hl7v2 import boundaries, charsets
from connectors.hl7v2.accounts import Books
from connectors.hl7v2.buffer import READABLE, TOO_LONG, UNDECODABLE, UNKNOWN_CHARSET, Chunk, Entry, chosen, lay_out
from connectors.hl7v2.frame import PADDING, Frame
from connectors.hl7v2.runs import Run, holds_wide, runs

SMALLEST_CHUNK: Final = 64

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Framed:
    """The messages of a chunk, the spans that could not be read (contract.REJECTS), what became of the bytes
    (contract.ACCOUNTS) and the envelope lines (contract.ENVELOPES)."""

    frame: Frame
    rejects: pa.Table
    accounts: pa.Table
    envelopes: pa.Table


@dataclass(frozen=True)
class _Decoded:
    """Messages in UTF-8, message i is text[starts[i]:ends[i]]; sizes[i] is -1 where it could not be decoded.

    text: uint8[size + PADDING]; charset, assumed: as in Frame.
    """

    text: Bytes
    size: int
    starts: Offsets
    ends: Offsets
    sizes: Offsets
    charset: npt.NDArray[np.int16]
    assumed: npt.NDArray[np.bool_]


def frames(pieces: Iterable[Piece], options: ReadOptions) -> Iterator[Framed]:
    """The messages of the pieces in order, a chunk of about options.chunk_bytes at a time.

    Many small pieces make one chunk, a large one makes many. Bad input becomes rejects. Raises what reading the blocks
    of a piece raises (TransientError, ObjectChanged).
    """
    chunk_bytes = max(options.chunk_bytes, SMALLEST_CHUNK)
    books = Books()
    held: list[Entry] = []
    size = 0
    for each in pieces.stretches if isinstance(pieces, Pieces) else pieces:
        for entry in _entries(each, size, chunk_bytes, options.max_record_bytes):
            wide = isinstance(entry, Run) and bool(entry.byte_order)
            if held and (wide or size + len(entry.data) > chunk_bytes):
                yield _framed(held, books, options)
                held, size = [], 0
            held.append(entry)
            size += len(entry.data)
            if wide or size >= chunk_bytes:
                yield _framed(held, books, options)
                held, size = [], 0
    if held:
        yield _framed(held, books, options)


def _entries(each: Piece | Stretch, held: int, chunk_bytes: int, max_record_bytes: int) -> Iterator[Entry]:
    """What a piece gives a chunk that holds so many bytes already, and the chunks behind it. A stretch stays whole
    where its objects would all come into one chunk, each as one run."""
    if isinstance(each, Piece):
        return runs(each, chunk_bytes, max_record_bytes)
    first, size = int(each.bounds[1]), len(each.data)
    if size + (held if held + first <= chunk_bytes else 0) < chunk_bytes and not holds_wide(each):
        return iter((each,))
    return chain.from_iterable(runs(piece, chunk_bytes, max_record_bytes) for piece in each.pieces())


def _framed(held: list[Entry], books: Books, options: ReadOptions) -> Framed:
    """One chunk: either runs of ASCII-compatible objects, or one object in UTF-16."""
    chunk = lay_out(held, options.max_record_bytes)
    status, charset = _read_headers(chunk)
    lengths = (chunk.items.limits[chunk.messages] - chunk.starts) * chunk.scale
    status[lengths > options.max_record_bytes] = TOO_LONG
    readable = chosen(status == READABLE)
    starts, ends = chunk.starts[readable], chunk.ends[readable]
    decoded = _decode_wide(chunk, starts, ends) if chunk.scale == 2 else _decode(chunk, starts, ends, charset[readable])
    status[readable] = np.where(decoded.sizes < 0, np.int8(UNDECODABLE), np.int8(READABLE))
    kept, good = chosen(decoded.sizes >= 0), chosen(status == READABLE)
    raw_starts, raw_ends = chunk.starts[good] * chunk.scale, chunk.ends[good] * chunk.scale
    entry_of = chunk.entry_of[good]
    frame = Frame(
        text=decoded.text,
        size=decoded.size,
        starts=decoded.starts[kept],
        ends=decoded.ends[kept],
        raw=chunk.raw,
        raw_starts=raw_starts,
        raw_ends=raw_ends,
        charset=decoded.charset[kept],
        charset_assumed=decoded.assumed[kept],
        object_of=entry_of,
        objects=chunk.entries.objects,
        offset=raw_starts + chunk.shift[entry_of],
        record_id=digests.sha256_spans(chunk.raw, raw_starts, raw_ends),
    )
    return Framed(frame, *books.settle(chunk, status))


def _read_headers(chunk: Chunk) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int16]]:
    """(status int8[m], declared character set int16[m]) of the chunk's messages."""
    n = len(chunk.starts)
    status, charset = np.empty(n, np.int8), np.empty(n, np.int16)
    boundaries.read_headers(chunk.buf, chunk.starts, chunk.ends, status, charset, *charsets.aliases())
    unknown = (status == READABLE) & (charset == charsets.UNKNOWN)
    status[unknown] = UNKNOWN_CHARSET
    return status, charset


def _decode(chunk: Chunk, starts: Offsets, ends: Offsets, charset: npt.NDArray[np.int16]) -> _Decoded:
    """The readable messages of a chunk of ASCII-compatible bytes; the chunk's own buffer if it is UTF-8 already."""
    assumed, sizes = np.zeros(len(starts), np.bool_), np.empty(len(starts), np.int64)
    points = charsets.code_points()
    charsets.decide(chunk.buf, starts, ends, charset, points, assumed, sizes)
    if not bool((sizes > ends - starts).any()):
        return _Decoded(chunk.raw, chunk.size, starts, ends, sizes, charset, assumed)
    kept = sizes >= 0
    at = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(np.where(kept, sizes, 0), out=at[1:])
    size = int(at[-1])
    text = np.empty(size + PADDING, np.uint8)
    text[size:] = 0
    charsets.transcode(chunk.buf, starts, ends, charset, points, at, text)
    return _Decoded(text, size, at[:-1], at[1:], sizes, charset, assumed)


def _decode_wide(chunk: Chunk, starts: Offsets, ends: Offsets) -> _Decoded:
    """The readable messages of an object in UTF-16, one by one."""
    codec = "utf-16-le" if chunk.byte_order == "little" else "utf-16-be"
    texts, sizes = [], np.empty(len(starts), np.int64)
    for i, (start, end) in enumerate(zip(starts * 2, ends * 2, strict=True)):
        try:
            message = chunk.raw[start:end].tobytes().decode(codec).encode("utf-8")
        except UnicodeDecodeError:
            message, sizes[i] = b"", -1
        else:
            sizes[i] = len(message)
        texts.append(message)
    at = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(np.maximum(sizes, 0), out=at[1:])
    text = np.zeros(int(at[-1]) + PADDING, np.uint8)
    text[: int(at[-1])] = np.frombuffer(b"".join(texts), np.uint8)
    charset = np.full(len(starts), charsets.UTF16, np.int16)
    return _Decoded(text, int(at[-1]), at[:-1], at[1:], sizes, charset, np.zeros(len(starts), np.bool_))
