"""JSON in its one canonical form (RFC 8785), for values without fractions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = "Mapping[str, Json] | list[Json] | tuple[Json, ...] | str | int | bool | None"

LARGEST = 2**53 - 1
"""Integers beyond this are not the same in every JSON reader (RFC 8785, 3.2.2.3; RFC 7493, 2.2)."""


def canonical(value: Json) -> bytes:
    """UTF-8 of the value: no white space, members by the UTF-16 code units of their names (RFC 8785, 3.2.3).

    Raises TypeError for a fraction or another type, ValueError for an integer beyond 2^53 - 1 or a lone surrogate.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode()


def _ordered(value: object) -> object:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise ValueError("an integer is too large for canonical JSON")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a member of a JSON object has a name that is no string")
        return {name: _ordered(value[name]) for name in sorted(value, key=lambda name: name.encode("utf-16-be"))}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical JSON here")
