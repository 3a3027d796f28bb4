"""The spans of a bundle → pieces for a connector. Small objects are fetched ahead together, or read together where they
lie on this machine; large ones are streamed."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np
import numpy.typing as npt

from connectors import digests
from connectors.block_hash import RangeHash
from connectors.contract import Piece, Pieces, RawObject, Stretch
from connectors.errors import AccessError, ClinrayError, ObjectChanged, ObjectRefused, RecordError, TransientError
from connectors.storage.compression import EXTENSIONS, HEAD_BYTES, Expansion, decompressed, kind, kind_by_name
from connectors.storage.opening import Roots
from connectors.storage.options import StorageOptions
from connectors.storage.ranges import RangeBlocks
from connectors.storage.together import read_together

_HELD_BYTES = 32 << 20
_HASHED_TOGETHER = 32
_HASHED_BYTES = 8 << 20
"""So many objects, or the first of so many bytes, are hashed side by side."""

_COMPRESSED = tuple(EXTENSIONS)

_OF_ONE_OBJECT = ("STORE_REFUSED", "STORE_PATH")
"""Refusals that may concern one object among others that can be read; any other concerns all of a store."""


Bytes = npt.NDArray[np.uint8]


class Wanted(Protocol):
    """An object, or the range [start, end) of one."""

    @property
    def object(self) -> RawObject: ...

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Ahead:
    """How much is fetched ahead. An object of at most `small_bytes` is fetched whole; of those at most `objects` and
    about `bytes` bytes are held at once. Those on this machine are not fetched ahead: they are read together, up to
    `together` bytes of them, which is what a connector parses at once."""

    small_bytes: int = 4 << 20
    objects: int = 64
    bytes: int = 64 << 20
    together: int = 16 << 20


class Reading:
    """One reading of a bundle.

    failures: ordinal → why a span could not be read: ObjectChanged, ObjectRefused, TransientError, or RecordError where
        it cannot be decompressed. What fails before its piece is handed out is left out of the pieces; what fails later
        raises that error out of the piece's blocks too.
    """

    def __init__(
        self,
        spans: Sequence[Wanted],
        options: StorageOptions,
        *,
        ahead: Ahead | None = None,
        expansion: Expansion | None = None,
    ) -> None:
        self._digests: dict[int, bytes] = {}
        self._waiting: dict[int, bytes] = {}
        self._waiting_bytes = 0
        self.failures: dict[int, ClinrayError] = {}
        self._spans = spans
        self._ahead = ahead or Ahead()
        self._expansion = expansion or Expansion()
        self._roots = Roots(options)

    def hashed(self) -> Mapping[int, bytes]:
        """Ordinal → SHA-256 (32 bytes) of the stored bytes of an object, there once they all were read; of a range,
        what it gives to the object's hash (see block_hash). What waits to be hashed with others is hashed now."""
        self._hash_waiting()
        return self._digests

    def _hash_later(self, ordinal: int, data: bytes) -> None:
        """Many objects are hashed together, which takes less time than one after the other."""
        self._waiting[ordinal] = data
        self._waiting_bytes += len(data)
        if len(self._waiting) == _HASHED_TOGETHER or self._waiting_bytes >= _HASHED_BYTES:
            self._hash_waiting()

    def _hash_waiting(self) -> None:
        if self._waiting:
            self._digests.update(zip(self._waiting, digests.sha256_all([*self._waiting.values()]), strict=True))
            self._waiting.clear()
            self._waiting_bytes = 0

    def pieces(self) -> Pieces:
        """The pieces in the order of the spans; `ordinal` is the place of the span. Raises AccessError."""
        return Pieces(self._stretches())

    def _stretches(self) -> Iterator[Piece | Stretch]:
        queue: deque[tuple[range, Future[bytes] | None]] = deque()
        held = 0
        with ThreadPoolExecutor(16, "fetch") as threads:
            try:
                for ordinals in self._grouped():
                    queue.append((ordinals, self._begun(self._spans[ordinals[0]], threads)))
                    held += self._size(queue[-1])
                    while queue and (len(queue) > self._ahead.objects or held > self._ahead.bytes):
                        held -= self._size(queue[0])
                        yield from self._taken(*queue.popleft())
                while queue:
                    yield from self._taken(*queue.popleft())
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _grouped(self) -> Iterator[range]:
        """The ordinals, each alone but for small files, as many of which follow one another as are read together."""
        start, size = 0, 0
        for ordinal, span in enumerate(self._spans):
            small = self._is_small_file(span)
            if ordinal > start and (not small or size + span.object.size > self._ahead.together):
                yield range(start, ordinal)
                start, size = ordinal, 0
            if small:
                size += span.object.size
            else:
                yield range(ordinal, ordinal + 1)
                start = ordinal + 1
        if start < len(self._spans):
            yield range(start, len(self._spans))

    def _is_small_file(self, span: Wanted) -> bool:
        """Whether a span is an object on this machine that is small, and not said to be compressed by its name."""
        uri, size = span.object.uri, span.object.size
        small = size <= self._ahead.small_bytes and _whole(span)
        return small and uri.startswith("/") and not uri.endswith(_COMPRESSED)

    def _size(self, waiting: tuple[range, Future[bytes] | None]) -> int:
        return self._spans[waiting[0][0]].object.size if waiting[1] else 0

    def _begun(self, span: Wanted, threads: ThreadPoolExecutor) -> Future[bytes] | None:
        """The fetch of a small whole object, or None for what is streamed or lies on this machine."""
        if not _whole(span) or span.object.size > self._ahead.small_bytes or span.object.uri.startswith("/"):
            return None
        store, key = self._roots.locate(span.object.uri)
        return threads.submit(store.get, key, etag=span.object.etag or None)

    def _taken(self, ordinals: range, fetch: Future[bytes] | None) -> Iterator[Piece | Stretch]:
        """What becomes of spans that follow one another; where there are several, they are small files."""
        if len(ordinals) == 1:
            yield from self._piece(ordinals[0], fetch)
            return
        at, size = ordinals.start, sum(self._spans[n].object.size for n in ordinals)
        while at < ordinals.stop:
            stretch = read_together((self._spans[n].object for n in range(at, ordinals.stop)), size, at)
            if stretch.objects:
                self._hash(stretch)
                yield stretch
            at, size = at + len(stretch.objects), size - int(stretch.bounds[-1])
            if at < ordinals.stop:
                size -= self._spans[at].object.size
                yield from self._piece(at, None)
                at += 1

    def _hash(self, stretch: Stretch) -> None:
        found = digests.sha256_spans(stretch.room, stretch.bounds[:-1], stretch.bounds[1:])
        self._digests.update(zip(stretch.ordinals, (row.tobytes() for row in found), strict=True))

    def _piece(self, ordinal: int, fetch: Future[bytes] | None) -> Iterator[Piece]:
        span = self._spans[ordinal]
        try:
            yield self._range(ordinal, span) if not _whole(span) else self._object(ordinal, span.object, fetch)
        except (TransientError, RecordError, AccessError) as error:
            self.failures[ordinal] = _of_span(error)

    def _object(self, ordinal: int, raw: RawObject, fetch: Future[bytes] | None) -> Piece:
        """The piece of a whole object. Its first bytes are read here, a small object entirely."""
        store, key = self._roots.locate(raw.uri)
        etag = raw.etag or None
        if fetch is not None or raw.size <= self._ahead.small_bytes:
            data = store.get(key, etag=etag) if fetch is None else fetch.result()
            if len(data) == raw.size and not kind(data[:HEAD_BYTES]):
                self._hash_later(ordinal, data)
                return Piece(ordinal, raw, (data,) if data else ())
            stored: Iterable[bytes] = (data,)
        else:
            stored = store.stream(key, etag=etag)
        blocks = _content(self._hashed(ordinal, raw, stored), self._expansion, raw.uri)
        return Piece(ordinal, raw, self._watched(ordinal, _begin(blocks)))

    def _range(self, ordinal: int, span: Wanted) -> Piece:
        """The piece of a range. Its first block is read here."""
        raw, start = span.object, span.start
        store, key = self._roots.locate(raw.uri)
        end = raw.size if span.end is None else min(span.end, raw.size)
        taken = RangeHash(start, end, raw.size)

        def read(place: Bytes, at: int) -> None:
            try:
                if store.read_into(place.data, key, at, etag=raw.etag or None) < len(place):
                    raise ObjectChanged("OBJECT_CHANGED", f"{raw.uri} has not the size it was listed with")
            except ClinrayError as error:
                failure = self.failures[ordinal] = _of_span(error)
                raise failure from None
            if ordinal not in self._digests:
                taken.add(place, at)
                if (found := taken.found()) is not None:
                    self._digests[ordinal] = found

        blocks = RangeBlocks(read, start, end, raw.size)
        return Piece(ordinal, raw, blocks, start, span.end, blocks.before)

    def _hashed(self, ordinal: int, raw: RawObject, blocks: Iterable[bytes]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        size = 0
        for block in blocks:
            digest.update(block)
            size += len(block)
            if block:
                yield block
        if size != raw.size:
            raise ObjectChanged("OBJECT_CHANGED", f"{raw.uri} has not the size it was listed with")
        self._digests[ordinal] = digest.digest()

    def _watched(self, ordinal: int, blocks: Iterable[bytes]) -> Iterable[bytes]:
        if isinstance(blocks, tuple):
            return blocks
        return self._noted(ordinal, blocks)

    def _noted(self, ordinal: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from blocks
        except ClinrayError as error:
            failure = self.failures[ordinal] = _of_span(error)
            raise failure from None


def splittable(raw: RawObject, options: StorageOptions) -> bool:
    """Whether an object may be read in ranges as far as compression goes: neither name nor first bytes speak of it.

    An object that may not be read is left to its reading, which says so. Raises ObjectChanged, TransientError,
    AccessError.
    """
    if kind_by_name(raw.uri):
        return False
    head = _head(raw, Roots(options))
    return head is not None and kind(head) is None


def all_refused(objects: Iterable[RawObject], options: StorageOptions) -> bool:
    """Whether none of the objects may be read; they are asked for one after the other, up to the first that may.

    One that is gone or does not answer now is none that is refused. Raises AccessError where no object can be read.
    """
    roots = Roots(options)
    try:
        return all(_head(raw, roots) is None for raw in objects)
    except (ObjectChanged, TransientError):
        return False


def _head(raw: RawObject, roots: Roots) -> bytes | None:
    """The first bytes of an object; None where this object may not be read."""
    store, key = roots.locate(raw.uri)
    try:
        return store.get_range(key, 0, HEAD_BYTES, etag=raw.etag or None)
    except AccessError as error:
        if error.code not in _OF_ONE_OBJECT:
            raise
        return None


def readable(raw: RawObject, options: StorageOptions) -> Iterator[bytes]:
    """What can be read of an object that failed: its content up to where it is damaged, expands too far or ends.

    Raises AccessError.
    """
    store, key = Roots(options).locate(raw.uri)
    with contextlib.suppress(RecordError, TransientError):
        yield from _content(store.stream(key, etag=raw.etag or None), Expansion(), raw.uri)


def _content(stored: Iterator[bytes], expansion: Expansion, uri: str) -> Iterator[bytes]:
    """Stored bytes, decompressed where their first ones say that they are compressed."""
    head = next(stored, b"")
    blocks = chain((head,), stored) if head else stored
    found = kind(head[:HEAD_BYTES])
    return _decoded(found, blocks, expansion, uri) if found else blocks


def _decoded(found: str, stored: Iterator[bytes], expansion: Expansion, uri: str) -> Iterator[bytes]:
    try:
        yield from decompressed(found, stored, expansion, uri)
    except RecordError:
        # The rest is read for the hash alone: the quarantine names what was received.
        deque(stored, maxlen=0)
        raise


def _of_span(error: ClinrayError) -> ClinrayError:
    """Why a span could not be read. Raises the error where it says that none can be."""
    if not isinstance(error, AccessError):
        return error
    if error.code not in _OF_ONE_OBJECT:
        raise error
    return ObjectRefused("OBJECT_REFUSED", error.message)


def _whole(span: Wanted) -> bool:
    return span.start == 0 and span.end is None


def _begin(blocks: Iterator[bytes]) -> Iterable[bytes]:
    """The blocks, read to their end where that is near, so that what is damaged fails before it is handed out."""
    read: list[bytes] = []
    held = 0
    for block in blocks:
        read.append(block)
        held += len(block)
        if held > _HELD_BYTES:
            return chain(read, blocks)
    return tuple(read)
