"""The compiled loops of `siv`: where each byte of a value goes before and after AES."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)


def _letter_values() -> Bytes:
    values = np.full(256, 255, np.uint8)
    values[_LETTERS] = np.arange(64, dtype=np.uint8)
    return values


_VALUES = _letter_values()


@njit(cache=True, nogil=True)
def blocks_of(lengths: Integers, valid: Booleans) -> Integers:
    """int64[n]: how many 16-byte blocks each value takes (an empty one takes one, a null none)."""
    out = np.zeros(lengths.size, np.int64)
    for i in range(lengths.size):
        if valid[i]:
            out[i] = max(1, (lengths[i] + 15) // 16)
    return out


@njit(cache=True, nogil=True)
def chained(data: Bytes, starts: Integers, lengths: Integers, rows: Integers, k: int, constants: Bytes) -> Bytes:
    """uint8[k, rows, 16]: what CMAC chains over in S2V (RFC 5297 section 2.4), its last block with the subkey in."""
    out = np.zeros((k, rows.size, 16), np.uint8)
    for r in range(rows.size):
        a, n = starts[rows[r]], lengths[rows[r]]
        for j in range(n):
            out[j >> 4, r, j & 15] = data[a + j]
        if n < 16 * k:
            out[k - 1, r, n - 16 * (k - 1)] = 0x80
        last = out[k - 1, r]
        if n < 16:
            for j in range(16):
                last[j] ^= constants[3, j] ^ constants[0, j]
            continue
        for j in range(16):
            p = n - 16 + j
            out[p >> 4, r, p & 15] ^= constants[2, j]
        subkey = 0 if n == 16 * k else 1
        for j in range(16):
            last[j] ^= constants[subkey, j]
    return out


@njit(cache=True, nogil=True)
def counters(tag: Bytes, k: int) -> Bytes:
    """uint8[k, rows, 16]: the counter blocks of each tag, bits 31 and 63 cleared (RFC 5297 section 2.5)."""
    out = np.empty((k, tag.shape[0], 16), np.uint8)
    for i in range(k):
        for r in range(tag.shape[0]):
            for j in range(12):
                out[i, r, j] = tag[r, j]
            out[i, r, 8] &= 0x7F
            low = (np.int64(tag[r, 12] & 0x7F) << 24) | (np.int64(tag[r, 13]) << 16)
            low = (low | (np.int64(tag[r, 14]) << 8) | np.int64(tag[r, 15])) + i
            for j in range(4):
                out[i, r, 12 + j] = (low >> (24 - 8 * j)) & 255
    return out


@njit(cache=True, nogil=True)
def write_tokens(
    data: Bytes,
    starts: Integers,
    lengths: Integers,
    rows: Integers,
    tag: Bytes,
    stream: Bytes,
    at: Integers,
    out: Bytes,
) -> None:
    """out[at[row]:at[row + 1]] = unpadded base64url of the row's tag and of its value under the key stream."""
    sealed = np.zeros(16 * stream.shape[0] + 19, np.uint8)
    for r in range(rows.size):
        row = rows[r]
        a, n = starts[row], lengths[row]
        for j in range(16):
            sealed[j] = tag[r, j]
        for j in range(n):
            sealed[16 + j] = data[a + j] ^ stream[j >> 4, r, j & 15]
        sealed[16 + n] = 0
        sealed[17 + n] = 0
        o, end = at[row], at[row + 1]
        p = 0
        while o + 4 <= end:
            word = (np.int64(sealed[p]) << 16) | (np.int64(sealed[p + 1]) << 8) | np.int64(sealed[p + 2])
            out[o] = _LETTERS[word >> 18]
            out[o + 1] = _LETTERS[(word >> 12) & 63]
            out[o + 2] = _LETTERS[(word >> 6) & 63]
            out[o + 3] = _LETTERS[word & 63]
            o += 4
            p += 3
        word = (np.int64(sealed[p]) << 16) | (np.int64(sealed[p + 1]) << 8) | np.int64(sealed[p + 2])
        for j in range(end - o):
            out[o + j] = _LETTERS[(word >> (18 - 6 * j)) & 63]


@njit(cache=True, nogil=True)
def read_tokens(data: Bytes, starts: Integers, lengths: Integers, valid: Booleans) -> tuple[Bytes, Booleans]:
    """The decoded bytes of all tokens end to end, and which could be a token: canonical base64url of 16+ bytes."""
    total = 0
    for i in range(starts.size):
        total += lengths[i] * 6 // 8
    out = np.zeros(total, np.uint8)
    good = valid.copy()
    o = 0
    for i in range(starts.size):
        n = lengths[i]
        if n * 6 // 8 < 16 or n % 4 == 1:
            good[i] = False
        word, bits, end = np.int64(0), 0, o + n * 6 // 8
        for j in range(n):
            value = _VALUES[data[starts[i] + j]]
            if value == 255:
                good[i] = False
                value = 0
            word = ((word << 6) | np.int64(value)) & 0xFFFFF
            bits += 6
            if bits >= 8:
                bits -= 8
                out[o] = (word >> bits) & 255
                o += 1
        if word & ((1 << bits) - 1):
            good[i] = False
        o = end
    return out, good


@njit(cache=True, nogil=True)
def tags(data: Bytes, starts: Integers, rows: Integers) -> Bytes:
    """uint8[rows, 16]: the first 16 bytes of each row."""
    out = np.empty((rows.size, 16), np.uint8)
    for r in range(rows.size):
        for j in range(16):
            out[r, j] = data[starts[rows[r]] + j]
    return out


@njit(cache=True, nogil=True)
def unmask(
    data: Bytes, starts: Integers, rows: Integers, stream: Bytes, to: Integers, lengths: Integers, out: Bytes
) -> None:
    """out[to[row]:] = the row's bytes behind its tag under the key stream."""
    for r in range(rows.size):
        row = rows[r]
        for j in range(lengths[row]):
            out[to[row] + j] = data[starts[row] + 16 + j] ^ stream[j >> 4, r, j & 15]
