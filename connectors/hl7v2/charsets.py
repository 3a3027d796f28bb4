"""Character sets of HL7 v2: MSH-18 to names of HL7 table 0211, and kernels that decode many messages to UTF-8.

Names, codecs and aliases are data (`charsets.csv`). An alias is compared without case and without anything that is
neither letter nor digit, so "ISO-8859-1", "iso 8859/1" and "8859/1" with its prefix are one.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.hl7v2.lanes import LANES, high_mask
from connectors.kernels.words import byte_at, lowest

NAMES: Final = (
    "ASCII",
    *(f"8859/{part}" for part in (*range(1, 12), 13, 14, 15)),
    "UNICODE UTF-8",
    "UNICODE UTF-16",
    "WINDOWS-1252",
)
"""What Frame.charset indexes: names of HL7 table 0211 (2.9, chapter 2C), and windows-1252, which it lacks."""
ASCII: Final = NAMES.index("ASCII")
UTF8: Final = NAMES.index("UNICODE UTF-8")
UTF16: Final = NAMES.index("UNICODE UTF-16")
WINDOWS_1252: Final = NAMES.index("WINDOWS-1252")
UNDECLARED: Final = -1
UNKNOWN: Final = -2
_HOLE: Final = 0xFFFF

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def fingerprint(buf: Bytes, start: int, end: int) -> int:
    """A 64-bit hash (FNV-1a) of the letters and digits of buf[start:end] in upper case; 0 if there is none."""
    value, seen = np.uint64(0xCBF29CE484222325), False
    for i in range(start, end):
        c = buf[i]
        if 97 <= c <= 122:
            c = np.uint8(c - 32)
        if 48 <= c <= 57 or 65 <= c <= 90:
            value = (value ^ np.uint64(c)) * np.uint64(0x100000001B3)
            seen = True
    return np.int64(value) if seen else np.int64(0)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def resolve(value: int, keys: Offsets, names: npt.NDArray[np.int16]) -> int:
    """The index of the character set with this fingerprint, UNDECLARED for 0, UNKNOWN for any other."""
    if value == 0:
        return UNDECLARED
    for k in range(keys.size):
        if keys[k] == value:
            return np.int64(names[k])  # type: ignore[return-value]
    return UNKNOWN


@lru_cache(maxsize=1)
def aliases() -> tuple[Offsets, npt.NDArray[np.int16]]:
    """int64[k] fingerprints of all names and aliases, and int16[k], the index in NAMES of each."""
    found: dict[int, int] = {}
    for row in _rows():
        for alias in (row["name"], row["codec"], *row["aliases"].split("|")):
            raw = np.frombuffer(alias.encode("ascii"), np.uint8)
            found[int(fingerprint(raw, 0, raw.size))] = NAMES.index(row["name"])
    keys, names = np.array(list(found), np.int64), np.array(list(found.values()), np.int16)
    keys.flags.writeable = names.flags.writeable = False
    return keys, names


@lru_cache(maxsize=1)
def code_points() -> npt.NDArray[np.uint16]:
    """uint16[len(NAMES), 256]: the code point of each byte in each single-byte set, 0xFFFF where it has none.

    The five bytes that windows-1252 leaves open stand for the C1 controls of the same number, so nothing is lost.
    """
    table = np.full((len(NAMES), 256), _HOLE, np.uint16)
    for row in _rows():
        if row["codec"].startswith("utf"):
            continue
        for byte in range(256):
            text = bytes([byte]).decode(row["codec"], "ignore")
            if text:
                table[NAMES.index(row["name"]), byte] = ord(text)
    open_bytes = np.flatnonzero(table[WINDOWS_1252] == _HOLE)
    table[WINDOWS_1252, open_bytes] = open_bytes
    table.flags.writeable = False
    return table


def _rows() -> list[dict[str, str]]:
    text = resources.files("connectors.hl7v2").joinpath("charsets.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@njit(cache=True, nogil=True)
def first_high(buf: Bytes, start: int, end: int) -> int:
    """Where the first byte of buf[start:end] stands that is 0x80 or more, else end. LANES bytes behind are readable."""
    found: int = _first_high(np.int64(buf.ctypes.data), start, end)
    return found


@njit(cache=True, nogil=True)
def is_utf8(buf: Bytes, start: int, end: int) -> bool:
    """Whether buf[start:end] is well-formed UTF-8 (Unicode, table 3-7: no surrogates, nothing overlong). LANES bytes
    behind are readable."""
    well_formed: bool = _is_utf8(np.int64(buf.ctypes.data), start, end)
    return well_formed


@njit(cache=True, nogil=True, inline="always")
def _first_high(base: int, start: int, end: int) -> Any:
    """The same of a buffer at an address: an array that is passed on in a loop is counted each time."""
    for block in range(start, end, LANES):
        bits = high_mask(base + block)
        if bits:
            return min(block + lowest(bits), end)
    return end


@njit(cache=True, nogil=True)
def _is_utf8(base: int, start: int, end: int) -> Any:
    """The same of a buffer at an address."""
    i = _first_high(base, start, end)
    while i < end:
        c = byte_at(base + i)
        low, high = 0x80, 0xBF
        if 0xC2 <= c <= 0xDF:
            more = 1
        elif 0xE0 <= c <= 0xEF:
            more = 2
            low = 0xA0 if c == 0xE0 else low
            high = 0x9F if c == 0xED else high
        elif 0xF0 <= c <= 0xF4:
            more = 3
            low = 0x90 if c == 0xF0 else low
            high = 0x8F if c == 0xF4 else high
        else:
            return False
        if i + more >= end or not low <= byte_at(base + i + 1) <= high:
            return False
        for k in range(2, more + 1):
            if not 0x80 <= byte_at(base + i + k) <= 0xBF:
                return False
        i = _first_high(base, i + more + 1, end)
    return True


@njit(cache=True, nogil=True)
def decide(
    buf: Bytes,
    starts: Offsets,
    ends: Offsets,
    charset: npt.NDArray[np.int16],
    points: npt.NDArray[np.uint16],
    assumed: npt.NDArray[np.bool_],
    sizes: Offsets,
) -> None:
    """From what each message declares (charset, UNDECLARED for nothing) to what it is decoded with, in place.

    sizes[i] becomes the length of the message in UTF-8, or -1 where it cannot be decoded. assumed[i]: it holds bytes
    above ASCII and declares no set, or ASCII, so that its set is a guess. LANES bytes behind the messages are readable.
    """
    base = np.int64(buf.ctypes.data)
    for i in range(starts.size):
        declared, size = charset[i], ends[i] - starts[i]
        sizes[i] = -1 if declared == UTF16 else size
        if _first_high(base, starts[i], ends[i]) == ends[i]:
            charset[i] = ASCII if declared == UNDECLARED else declared
            continue
        if declared in (UNDECLARED, ASCII, UTF8):
            well_formed = _is_utf8(base, starts[i], ends[i])
            assumed[i] = declared != UTF8
            charset[i] = UTF8 if well_formed or declared == UTF8 else WINDOWS_1252
            sizes[i] = size if well_formed or declared != UTF8 else -1
        if charset[i] == UTF8 or charset[i] == UTF16:
            continue
        for j in range(starts[i], ends[i]):
            point = points[charset[i], buf[j]]
            if point == _HOLE:
                size = -1
                break
            size += (point > 0x7F) + (point > 0x7FF)
        sizes[i] = size


@njit(cache=True, nogil=True)
def transcode(
    buf: Bytes,
    starts: Offsets,
    ends: Offsets,
    charset: npt.NDArray[np.int16],
    points: npt.NDArray[np.uint16],
    at: Offsets,
    text: Bytes,
) -> None:
    """text[at[i]:at[i + 1]] = message i in UTF-8; the sizes come from `decide`.

    A message that cannot be decoded has no room in it and is passed over.
    """
    for i in range(starts.size):
        o = at[i]
        if at[i + 1] == o:
            continue
        if at[i + 1] - o == ends[i] - starts[i]:
            text[o : at[i + 1]] = buf[starts[i] : ends[i]]
            continue
        for j in range(starts[i], ends[i]):
            point = points[charset[i], buf[j]]
            if point < 0x80:
                text[o] = point
                o += 1
            elif point < 0x800:
                text[o] = 0xC0 | point >> 6
                text[o + 1] = 0x80 | point & 0x3F
                o += 2
            else:
                text[o] = 0xE0 | point >> 12
                text[o + 1] = 0x80 | point >> 6 & 0x3F
                text[o + 2] = 0x80 | point & 0x3F
                o += 3
