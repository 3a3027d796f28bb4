"""The interface of a store, and the way from a URI to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from connectors.contract import RawObject
from connectors.errors import ConfigError
from connectors.storage.options import StorageOptions

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

    def list(self, prefix: str = "") -> Iterator[list[RawObject]]:
        """Objects below the folder `prefix` ("" for all) in order of their keys' UTF-8 bytes, in pages."""
        ...

    def head(self, key: str) -> RawObject | None:
        """The object, or None if there is none."""
        ...

    def get(self, key: str, *, etag: str | None = None) -> bytes:
        """All bytes of an object."""
        ...

    def get_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> bytes:
        """Bytes [start, end) of an object, fewer where it ends before, none from its end on."""
        ...

    def stream(
        self, key: str, start: int = 0, *, etag: str | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[bytes]:
        """Bytes from `start` to the end, in blocks of about `block_bytes`, none of them empty."""
        ...

    def get_many(self, objects: Iterable[tuple[str, str | None]], *, concurrency: int = 16) -> Iterator[bytes]:
        """All bytes of each (key, etag) in the order given, fetched concurrently ahead."""
        ...

    def put(self, key: str, data: bytes) -> None:
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


def open_store(uri: str, options: StorageOptions | None = None) -> Store:
    """The store of "s3://bucket/prefix" or of a local path. Nothing is read or made yet.

    Raises ConfigError (STORE_URI) for another scheme or a missing bucket.
    """
    if uri.startswith("s3://"):
        from connectors.storage.s3 import S3Store

        return S3Store.open(uri, options or StorageOptions())
    from connectors.storage.local import LocalStore

    return LocalStore(local_path(uri))


class Roots:
    """The buckets (and the root of the file system) that hold given objects, each opened once."""

    def __init__(self, options: StorageOptions | None = None) -> None:
        self._options = options
        self._stores: dict[str, Store] = {}

    def locate(self, uri: str) -> tuple[Store, str]:
        """The root that holds an object, and the object's key in it. Raises ConfigError."""
        if uri.startswith("s3://"):
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            root = f"s3://{bucket}"
        else:
            root, key = "/", (uri if uri.startswith("/") else local_path(uri)).lstrip("/")
        if root not in self._stores:
            self._stores.setdefault(root, open_store(root, self._options))
        return self._stores[root], key


def local_path(uri: str) -> str:
    """The absolute path of a local URI. Raises ConfigError for a scheme that is not read."""
    path = uri.removeprefix("file://")
    if "://" in path:
        raise ConfigError("STORE_URI", f"{uri.split('://')[0]}:// is not read; use s3://bucket/prefix or a local path")
    if not path:
        raise ConfigError("STORE_URI", "the path of a store is empty")
    return str(Path(path).absolute())
