"""A log head as people write it down: NUMBER:SHA256."""

from __future__ import annotations

import re
from pathlib import Path

from connectors.errors import AccessError, ConfigError

_HEAD = re.compile(r"(\d{1,20}):([0-9a-f]{64})")


def parse_head(text: str) -> tuple[int, str]:
    """Number and hash. Raises ConfigError (HEAD_FORM)."""
    found = _HEAD.fullmatch(text.strip().lower())
    if found is None:
        raise ConfigError("HEAD_FORM", "a head is written NUMBER:SHA256, as a run and `clinray runs` print it")
    return int(found.group(1)), found.group(2)


def public_key(path: Path) -> bytes:
    """The file of a trusted public key. Raises AccessError (TRUST_UNREADABLE)."""
    try:
        return path.read_bytes()
    except OSError:
        raise AccessError("TRUST_UNREADABLE", f"the public key {path} cannot be read") from None
