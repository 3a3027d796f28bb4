"""The way from a URI to its store."""

from __future__ import annotations

from pathlib import Path

from connectors.errors import ConfigError
from connectors.storage.options import StorageOptions
from connectors.storage.store import Store


def open_store(uri: str, options: StorageOptions | None = None) -> Store:
    """The store of "s3://bucket/prefix" or of a local path. Nothing is read or made yet.

    Raises ConfigError: STORE_URI for another scheme or what cannot be a bucket, STORE_ENDPOINT for
    an endpoint that is no web address.
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
        raise ConfigError("STORE_URI", "the address of a store is empty; give a folder or s3://bucket/prefix")
    return str(Path(path).absolute())
