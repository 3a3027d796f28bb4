"""What lies under a source."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from connectors.contract import RawObject
from connectors.errors import ConfigError
from connectors.storage.opening import Roots, open_store
from connectors.storage.options import StorageOptions
from connectors.storage.store import Store


def list_objects(
    source_uri: str,
    options: StorageOptions | None = None,
    *,
    pattern: str | None = None,
    settle_seconds: float = 0,
    now_us: int | None = None,
) -> Iterator[list[RawObject]]:
    """The objects of a folder or prefix, or the one object of that name, in pages in order of their keys.

    pattern: a glob; with a "/" in it, it is matched against the key below the source, else against the key's last part.
    settle_seconds: objects modified less long ago are left out. now_us: microseconds since 1970; None: the clock.
    Raises ConfigError SOURCE_MISSING for a local path that does not exist, AccessError where the store refuses.
    """
    store = open_store(source_uri, options)
    wanted = chosen(store.uri, pattern, settle_seconds, now_us)
    for page in _pages(store, source_uri, options):
        if kept := [raw for raw in page if wanted(raw)]:
            yield kept


def chosen(
    source_uri: str, pattern: str | None, settle_seconds: float, now_us: int | None
) -> Callable[[RawObject], bool]:
    """Whether an object is wanted, by the rules of `list_objects`."""
    now = time.time_ns() // 1000 if now_us is None else now_us
    youngest = now - round(settle_seconds * 1_000_000) if settle_seconds > 0 else None
    match = re.compile(fnmatch.translate(pattern)).match if pattern else None
    below = len(source_uri.rstrip("/")) + 1
    whole = pattern is not None and "/" in pattern

    def wanted(raw: RawObject) -> bool:
        if youngest is not None and raw.modified_us > youngest:
            return False
        if match is None:
            return True
        return match(raw.uri[below:] if whole else raw.uri.rpartition("/")[2]) is not None

    return wanted


def _pages(store: Store, source_uri: str, options: StorageOptions | None) -> Iterator[list[RawObject]]:
    if source_uri.startswith("s3://"):
        if not source_uri.endswith("/") and store.uri.count("/") > 2:
            root, key = Roots(options).locate(store.uri)
            if one := root.head(key):
                yield [one]
        yield from store.list()
        return
    path = Path(store.uri)
    if not path.exists():
        raise ConfigError("SOURCE_MISSING", f"{store.uri} does not exist")
    if path.is_dir():
        yield from store.list()
        return
    root, key = Roots().locate(store.uri)
    one = root.head(key)
    if one is None:
        raise ConfigError("SOURCE_MISSING", f"{store.uri} is neither a file nor a folder")
    yield [one]
