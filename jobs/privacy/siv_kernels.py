"""The compiled loops of `siv`: where each byte of a value goes before and after AES."""
# mypy: disallow-untyped-decorators=False, warn-return-any=False

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from connectors.kernels.words import load, store, swap

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)


_CLEARED = np.uint64(0xFFFFFF7FFFFFFF7F)
"""Of the last eight bytes of a tag, as they are loaded: without bits 63 and 31."""


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
def _lines(data: Bytes, starts: Integers, lengths: Integers, rows: Integers, k: int) -> Bytes:
    """uint8[rows, 16 k]: the values side by side, with the padding of CMAC (0x80 and zeros) behind short ones."""
    out = np.empty((rows.size, 16 * k), np.uint8)
    source, target = data.ctypes.data, out.ctypes.data
    for r in range(rows.size):
        a, n = starts[rows[r]], lengths[rows[r]]
        whole = 2 * k if a + 16 * k <= data.size else n // 8
        for i in range(whole):
            store(target + 16 * k * r + 8 * i, load(source + a + 8 * i))
        for j in range(8 * whole, n):
            out[r, j] = data[a + j]
    for r in range(rows.size):
        n = lengths[rows[r]]
        for j in range(n, 16 * k):
            out[r, j] = 0
        if n < 16 * k:
            out[r, n] = 0x80
    return out


@njit(cache=True, nogil=True)
def _words(row: Bytes) -> tuple[np.uint64, np.uint64]:
    """A block as two words."""
    return load(row.ctypes.data), load(row.ctypes.data + 8)


@njit(cache=True, nogil=True)
def chained(data: Bytes, starts: Integers, lengths: Integers, rows: Integers, k: int, constants: Bytes) -> Bytes:
    """uint8[k, rows, 16]: what CMAC chains over in S2V (RFC 5297 section 2.4), its last block with the subkey in."""
    lines = _lines(data, starts, lengths, rows, k)
    out = np.empty((k, rows.size, 16), np.uint8)
    _chain(lines, lengths, rows, constants, out)
    return out


@njit(cache=True, nogil=True)
def _chain(lines: Bytes, lengths: Integers, rows: Integers, constants: Bytes, out: Bytes) -> None:
    """The lines with CMAC of the zero block and the subkeys in, block by block into out.

    An array whose address is taken is an argument, so that the caller keeps it alive. Each step goes over all rows,
    because a read of bytes that were just written in other portions waits for them.
    """
    k = out.shape[0]
    source, target, stride = lines.ctypes.data, out.ctypes.data, 16 * rows.size
    first, second = _words(constants[2])
    for r in range(rows.size):
        n = lengths[rows[r]]
        if n >= 16:
            end = source + 16 * k * r + n
            store(end - 16, load(end - 16) ^ first)
            store(end - 8, load(end - 8) ^ second)
    doubled = _words(constants[3])
    exact, padded = _words(constants[0]), _words(constants[1])
    short = (doubled[0] ^ exact[0], doubled[1] ^ exact[1])
    for r in range(rows.size):
        n, line, to = lengths[rows[r]], source + 16 * k * r, target + 16 * r
        for i in range(k - 1):
            store(to + stride * i, load(line + 16 * i))
            store(to + stride * i + 8, load(line + 16 * i + 8))
        subkey = short if n < 16 else exact if n == 16 * k else padded
        last = line + 16 * (k - 1)
        store(to + stride * (k - 1), load(last) ^ subkey[0])
        store(to + stride * (k - 1) + 8, load(last + 8) ^ subkey[1])


@njit(cache=True, nogil=True)
def counters(tag: Bytes, k: int) -> Bytes:
    """uint8[k, rows, 16]: the counter blocks of each tag, bits 31 and 63 cleared (RFC 5297 section 2.5)."""
    out = np.empty((k, tag.shape[0], 16), np.uint8)
    _count(tag, out)
    return out


@njit(cache=True, nogil=True)
def _count(tag: Bytes, out: Bytes) -> None:
    """Block i of a row is its tag with the two bits cleared, plus i: nothing is carried beyond the lowest 32 bits."""
    source, target, rows = tag.ctypes.data, out.ctypes.data, tag.shape[0]
    for i in range(out.shape[0]):
        for r in range(rows):
            at, to = source + 16 * r, target + 16 * (rows * i + r)
            store(to, load(at))
            store(to + 8, swap(swap(load(at + 8) & _CLEARED) + np.uint64(i)))


@njit(cache=True, nogil=True)
def _letters(six: np.uint64) -> np.uint64:
    """Eight base64url letters, the first in the lowest byte, of the first six bytes at an address (as loaded)."""
    x = swap(six) >> np.uint64(16)
    x = ((x & np.uint64(0xFFFFFF000000)) << np.uint64(8)) | (x & np.uint64(0xFFFFFF))
    x = ((x & np.uint64(0x00FFF00000FFF000)) << np.uint64(4)) | (x & np.uint64(0x00000FFF00000FFF))
    x = ((x & np.uint64(0x0FC00FC00FC00FC0)) << np.uint64(2)) | (x & np.uint64(0x003F003F003F003F))
    ones, top = np.uint64(0x0101010101010101), np.uint64(7)
    lower = ((x + ones * np.uint64(128 - 26)) >> top) & ones
    digit = ((x + ones * np.uint64(128 - 52)) >> top) & ones
    minus = ((x + ones * np.uint64(128 - 62)) >> top) & ones
    under = ((x + ones * np.uint64(128 - 63)) >> top) & ones
    x += ones * np.uint64(65) + lower * np.uint64(6) - digit * np.uint64(75)
    return swap(x - minus * np.uint64(13) + under * np.uint64(49))


@intrinsic
def _put_letters(typing: Any, to: Any, source: Any) -> Any:
    """Writes the 32 base64url letters of the 24 bytes at an address at another."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        three, four, words = (ir.VectorType(ir.IntType(bits), n) for bits, n in ((8, 24), (8, 32), (32, 8)))
        read = builder.load(builder.inttoptr(arguments[1], three.as_pointer()), align=1)
        places = [3 * (k // 4) + max(2 - k % 4, 0) for k in range(32)]  # three bytes as a number, the first the highest
        spread = builder.shuffle_vector(read, read, ir.Constant(ir.VectorType(ir.IntType(32), 32), places))
        x = builder.bitcast(spread, words)
        moved = [builder.lshr(x, _each(words, 18)), builder.lshr(x, _each(words, 4))]
        moved += [builder.shl(x, _each(words, 10)), builder.shl(x, _each(words, 24))]
        sixes = [builder.and_(part, _each(words, 63 << 8 * k)) for k, part in enumerate(moved)]
        six = builder.bitcast(builder.or_(builder.or_(sixes[0], sixes[1]), builder.or_(sixes[2], sixes[3])), four)
        more = _each(four, _LETTERS[0])
        for first in (26, 52, 62, 63):
            from_here = builder.icmp_unsigned(">=", six, _each(four, first))
            more = builder.select(from_here, _each(four, (int(_LETTERS[first]) - first) % 256), more)
        builder.store(builder.add(six, more), builder.inttoptr(arguments[0], four.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


def _each(kind: Any, number: int) -> Any:
    """A vector of one number in all places."""
    return ir.Constant(kind, [int(number)] * kind.count)


@njit(cache=True, nogil=True)
def _sealed(data: Bytes, starts: Integers, lengths: Integers, rows: Integers, tag: Bytes, stream: Bytes) -> Bytes:
    """uint8[rows, 16 k + 24]: tag and ciphertext of each row, then three zero bytes and bytes that nobody reads."""
    k = stream.shape[0]
    out = np.empty((rows.size, 16 * k + 24), np.uint8)
    source, tags_at, masks, stride = data.ctypes.data, tag.ctypes.data, stream.ctypes.data, 16 * rows.size
    target, width = out.ctypes.data, out.shape[1]
    for r in range(rows.size):
        a, n = starts[rows[r]], lengths[rows[r]]
        to = target + r * width
        store(to, load(tags_at + 16 * r))
        store(to + 8, load(tags_at + 16 * r + 8))
        whole = k if a + 16 * k <= data.size else n // 16
        for i in range(whole):
            mask = masks + stride * i + 16 * r
            store(to + 16 + 16 * i, load(source + a + 16 * i) ^ load(mask))
            store(to + 24 + 16 * i, load(source + a + 16 * i + 8) ^ load(mask + 8))
        for j in range(16 * whole, n):
            out[r, 16 + j] = data[a + j] ^ stream[j >> 4, r, j & 15]
        for j in range(16 + n, 19 + n):
            out[r, j] = 0
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
    _encode(_sealed(data, starts, lengths, rows, tag, stream), rows, at, out)


@njit(cache=True, nogil=True)
def _encode(sealed: Bytes, rows: Integers, at: Integers, out: Bytes) -> None:
    """out[at[row]:at[row + 1]] = unpadded base64url of the first bytes of the row's line."""
    source, target, width = sealed.ctypes.data, out.ctypes.data, sealed.shape[1]
    for r in range(rows.size):
        o, end = at[rows[r]], at[rows[r] + 1]
        p = source + r * width
        while o + 32 <= end:
            _put_letters(target + o, p)
            o += 32
            p += 24
        while o + 8 <= end:
            store(target + o, _letters(load(p)))
            o += 8
            p += 6
        if o == end:
            continue
        word = _letters(load(p))
        if r + 1 < rows.size and at[rows[r + 1]] == end:
            store(target + o, word)  # what runs over the end is overwritten by the next row's token
            continue
        for j in range(end - o):
            out[o + j] = (word >> np.uint64(8 * j)) & np.uint64(255)


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


@njit(cache=True, nogil=True)
def token_ends(lengths: Integers, valid: Booleans) -> Integers:
    """int64[n + 1]: where the token of each value begins; a null has none."""
    at = np.empty(lengths.size + 1, np.int64)
    at[0] = 0
    for i in range(lengths.size):
        at[i + 1] = at[i] + (((16 + lengths[i]) * 8 + 5) // 6 if valid[i] else 0)
    return at
