"""Names that stand in the open: they must not confirm a guess about the inputs that they follow from."""

from __future__ import annotations

import hashlib
import hmac

from jobs.privacy.keys import Keyring

NAME_DIGITS = 16


def bundle_name(identity: str, keys: Keyring | None, head: int | None = None) -> str:
    """16 hexadecimal digits for the names of a bundle's parts: HMAC of its identity where the zone stands in the open.

    keys: None for zones of identified data, whose parts lie below `restricted/` with the keys of the objects.
    head: number of the log's last entry, for objects that come again: what becomes of them follows from the lake too,
    so that the same bundle may bring the same rows once more.
    """
    if head is not None:
        identity = hashlib.sha256(f"{identity}\n{head}".encode()).hexdigest()
    if keys is None:
        return identity[:NAME_DIGITS]
    return hmac.digest(keys.subkey("name", "bundle", 32), identity.encode(), "sha256").hex()[:NAME_DIGITS]
