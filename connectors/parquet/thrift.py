"""Structures in Thrift's compact protocol, as much of it as the headers and footers of Parquet hold.

Source: thrift-compact-protocol.md of Apache Thrift. A field is its number, its wire type and its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

Field = tuple[int, int, bytes]

_TRUE, _FALSE, _BYTE, _I16, I32, I64, BINARY, _LIST, STRUCT = 1, 2, 3, 4, 5, 6, 8, 9, 12
STOP: Final = b"\0"
_SHORT_LIST: Final = 15
_LONGEST_STEP: Final = 15
_BYTES: Final = tuple(bytes([number]) for number in range(0x100))
_NEXT_I32, _NEXT_I64 = _BYTES[1 << 4 | I32], _BYTES[1 << 4 | I64]


def varint(number: int) -> bytes:
    """A whole number that is not negative, seven bits a byte, the lowest first."""
    if number < 0x80:
        return _BYTES[number]
    return _BYTES[number & 0x7F | 0x80] + varint(number >> 7)


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
    return number, I64, zigzag(value)


def flag(number: int, value: bool) -> Field:
    """A field of one bit, which stands in its type."""
    return number, _TRUE if value else _FALSE, b""


def binary(number: int, value: bytes) -> Field:
    """A field of text or bytes."""
    return number, BINARY, text(value)


def inner(number: int, value: bytes) -> Field:
    """A field that is a structure."""
    return number, STRUCT, value


def integers(*values: int) -> bytes:
    """Fields of 32 bits, each with the number that follows on that of the one before."""
    return b"".join([_NEXT_I32 + zigzag(value) for value in values])


def longs(*values: int) -> bytes:
    """The same of 64 bits."""
    return b"".join([_NEXT_I64 + zigzag(value) for value in values])


def several(number: int, kind: int, items: Sequence[bytes]) -> Field:
    """A field that is a list of I32 (as zigzag), BINARY (as text) or STRUCT."""
    size = len(items)
    before = bytes([size << 4 | kind]) if size < _SHORT_LIST else bytes([0xF0 | kind]) + varint(size)
    return number, _LIST, before + b"".join(items)


def structure(fields: Iterable[Field]) -> bytes:
    """A structure of fields whose numbers rise."""
    return part(fields) + STOP


def part(fields: Iterable[Field], before: int = 0) -> bytes:
    """Fields of a structure that stand behind the one of that number; STOP ends the structure."""
    out = bytearray()
    for number, kind, value in fields:
        step = number - before
        out += head(step, kind) if step <= _LONGEST_STEP else bytes([kind]) + zigzag(number)
        out += value
        before = number
    return bytes(out)


def head(step: int, kind: int) -> bytes:
    """What stands before the value of a field whose number is so much higher (up to 15) than that of the one before."""
    return _BYTES[step << 4 | kind]
