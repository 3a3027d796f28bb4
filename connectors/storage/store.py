"""The interface of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from connectors.contract import RawObject

Content = bytes | Sequence[bytes | memoryview]
"""What an object is to hold: its bytes, or several that follow one another."""

BLOCK_BYTES = 8 << 20
PAGE_OBJECTS = 1000


@runtime_checkable
class Store(Protocol):
    """A folder or a prefix of a bucket. Keys are relative to `uri` and use "/". Stores pickle.

    Every method raises AccessError where the store refuses, TransientError where it does not answer after bounded
    retries. A read with an etag raises ObjectChanged if the object is gone or is another version; one without raises
    ObjectChanged if the object is not there.
    """

    @property
    def uri(self) -> str:
        """ "s3://bucket/prefix" or an absolute path, without a slash at the end."""
        ...

    def unfinished(self, prefix: str = "") -> Iterator[list[RawObject]]:
        """What writers that died left below the folder `prefix`: files that never became objects, in pages. They have
        keys and can be deleted; `list` passes over them."""
        ...

    def list(self, prefix: str = "") -> Iterator[list[RawObject]]:
        """Objects below the folder `prefix` ("" for all) in order of their keys' UTF-8 bytes, in pages."""
        ...

    def head(self, key: str) -> RawObject | None:
        """The object, or None if there is none."""
        ...

    def head_many(self, keys: Iterable[str], *, concurrency: int = 16) -> Iterator[RawObject | None]:
        """Of each key in the order given, the object, or None if there is none; asked for concurrently."""
        ...

    def get(self, key: str, *, etag: str | None = None) -> bytes:
        """All bytes of an object."""
        ...

    def get_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> bytes:
        """Bytes [start, end) of an object, fewer where it ends before, none from its end on."""
        ...

    def read_into(self, place: memoryview, key: str, start: int, *, etag: str | None = None) -> int:
        """Fill a place with the bytes of an object from `start` on. Returns how many there were, fewer than it has room
        for where the object ends before."""
        ...

    def stream(
        self, key: str, start: int = 0, *, etag: str | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[bytes]:
        """Bytes from `start` to the end, in blocks of about `block_bytes`, none of them empty."""
        ...

    def get_many(self, objects: Iterable[tuple[str, str | None]], *, concurrency: int = 16) -> Iterator[bytes]:
        """All bytes of each (key, etag) in the order given, fetched concurrently ahead."""
        ...

    def put(self, key: str, data: Content) -> None:
        """Write an object whole: readers see the old or the new one."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write an object unless it exists. Returns whether this call made it."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that do not exist are passed over."""
        ...

    def delta_options(self) -> dict[str, str]:
        """`storage_options` for deltalake. Holds secrets for S3: never to be logged."""
        ...
