"""Structures in Thrift's compact protocol, as much of it as the headers and footers of Parquet hold.

Source: thrift-compact-protocol.md of Apache Thrift. A field is its number, its wire type and its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

Field = tuple[int, int, bytes]

_TRUE, _FALSE, _BYTE, _I16, I32, _I64, BINARY, _LIST, STRUCT = 1, 2, 3, 4, 5, 6, 8, 9, 12
STOP: Final = b"\0"
_SHORT_LIST: Final = 15
_LONGEST_STEP: Final = 15
_SINGLE: Final = tuple(bytes([number]) for number in range(0x80))


def varint(number: int) -> bytes:
    """A whole number that is not negative, seven bits a byte, the lowest first."""
    if number < len(_SINGLE):
        return _SINGLE[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    """A whole number of at most 64 bits, its sign in the lowest bit."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def text(value: bytes) -> bytes:
    """Bytes behind their length, as an element of a list."""
    return varint(len(value)) + value


def small(number: int, value: int) -> Field:
    """A field of 8 bits."""
    return number, _BYTE, value.to_bytes(1, "little", signed=True)


def short(number: int, value: int) -> Field:
    """A field of 16 bits."""
    return number, _I16, zigzag(value)


def integer(number: int, value: int) -> Field:
    """A field of 32 bits, or of an enumeration."""
    return number, I32, zigzag(value)


def long(number: int, value: int) -> Field:
    """A field of 64 bits."""
    return number, _I64, zigzag(value)


def flag(number: int, value: bool) -> Field:
    """A field of one bit, which stands in its type."""
    return number, _TRUE if value else _FALSE, b""


def binary(number: int, value: bytes) -> Field:
    """A field of text or bytes."""
    return number, BINARY, text(value)


def inner(number: int, value: bytes) -> Field:
    """A field that is a structure."""
    return number, STRUCT, value


def several(number: int, kind: int, items: Sequence[bytes]) -> Field:
    """A field that is a list of I32 (as zigzag), BINARY (as text) or STRUCT."""
    size = len(items)
    head = bytes([size << 4 | kind]) if size < _SHORT_LIST else bytes([0xF0 | kind]) + varint(size)
    return number, _LIST, head + b"".join(items)


def structure(fields: Iterable[Field]) -> bytes:
    """A structure of fields whose numbers rise."""
    return part(fields) + STOP


def part(fields: Iterable[Field], before: int = 0) -> bytes:
    """Fields of a structure that stand behind the one of that number; STOP ends the structure."""
    out = bytearray()
    for number, kind, value in fields:
        step = number - before
        if step <= _LONGEST_STEP:
            out.append(step << 4 | kind)
        else:
            out += bytes([kind]) + zigzag(number)
        out += value
        before = number
    return bytes(out)
