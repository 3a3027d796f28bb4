"""Whether bytes look like HL7 v2."""

from __future__ import annotations

import re
from typing import Final

_START: Final = re.compile(
    rb"(?:\A|[\r\n\x0b\x1c\x00\x1a])(?:\xef\xbb\xbf)?(?:MSH|FHS|BHS)[^A-Za-z0-9\s\x0b\x1c\x00\x1a]"
)


def looks_like_messages(head: bytes) -> bool:
    """Whether a line of the first bytes of an object begins a message or an envelope; UTF-16 is looked through."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[1:2] == b"\0" or head[:1] == b"\0":
        head = head.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").replace(b"\0", b"")
    return _START.search(head) is not None
