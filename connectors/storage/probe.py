"""Whether a store keeps the two promises that the lake's commit stands on."""

from __future__ import annotations

import secrets

from connectors.errors import ConfigError, ObjectChanged
from connectors.storage.store import Store

_STALE = '"00000000000000000000000000000000"'


def probe(store: Store) -> None:
    """Tries a put-if-absent over an object that exists, and reads with an etag that is not its own.

    Raises ConfigError STORE_UNCONDITIONAL for a store that lets either through. The object it makes is removed.
    """
    key = f"_probe-{secrets.token_hex(8)}"
    store.put_if_absent(key, b"first")
    try:
        if store.put_if_absent(key, b"second"):
            raise ConfigError(
                "STORE_UNCONDITIONAL", f"{store.uri} ignores If-None-Match: two runs could overwrite each other"
            )
        if _reads_stale(store, key):
            raise ConfigError("STORE_UNCONDITIONAL", f"{store.uri} ignores If-Match: a changed object could be mixed")
    finally:
        store.delete([key])


def _reads_stale(store: Store, key: str) -> bool:
    try:
        store.get(key, etag=_STALE)
    except ObjectChanged:
        return False
    return True
