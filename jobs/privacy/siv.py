"""AES-SIV (RFC 5297) over a whole Arrow column: a few AES-ECB calls over many values in place of one call a value.

AES itself stays in the library; only the mode is laid out in columns. The result is byte for byte that of
`cryptography`'s AESSIV without associated data, so that a token made either way is reversed by either.

A token is base64url (RFC 4648, no padding) of V || C: the synthetic IV of 16 bytes and the ciphertext.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from connectors.kernels.spans import Spans, only_where, spans_of, text_array
from jobs.privacy import siv_kernels as kernels

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

BLOCK = 16
LONGEST = 32
"""Values of more blocks than this go to the library one at a time: it is as fast for them."""
TILE = 1 << 16
"""Bytes of blocks worked on at once, so that they stay in the processor's cache."""

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


class _Permutation:
    """AES over every 16-byte block of a contiguous uint8 array."""

    def __init__(self, key: bytes) -> None:
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - the bare permutation that RFC 5297 builds on
        self._encryptor: CipherContext = cipher.encryptor()

    def __call__(self, blocks: Bytes) -> Bytes:
        out = np.empty(blocks.size + BLOCK - 1, np.uint8)
        self._encryptor.update_into(blocks.reshape(-1).data, out.data)
        return out[: blocks.size].reshape(blocks.shape)


def _doubled(block: Bytes) -> Bytes:
    """Multiplication by x in GF(2^128), RFC 5297 section 2.3."""
    shifted = int.from_bytes(block.tobytes(), "big") << 1
    reduced = (shifted & ((1 << 128) - 1)) ^ (0x87 if shifted >> 128 else 0)
    return np.frombuffer(reduced.to_bytes(BLOCK, "big"), np.uint8)


class ColumnSIV:
    """Deterministic, reversible encryption of text columns under one key.

    key: 32, 48 or 64 bytes, the MAC half first, as AESSIV takes it.
    """

    def __init__(self, key: bytes) -> None:
        half = len(key) // 2
        self._one = AESSIV(key)
        self._mac, self._ctr = _Permutation(key[:half]), _Permutation(key[half:])
        zero = np.zeros(BLOCK, np.uint8)
        whole = _doubled(self._mac(zero))
        of_zero = self._mac(zero ^ whole)
        # rows: CMAC subkey of a whole last block, of a padded one, CMAC of the zero block, its double
        self._constants = np.stack([whole, _doubled(whole), of_zero, _doubled(of_zero)])

    def encrypt(self, values: pa.Array) -> pa.Array:
        """Tokens of the non-null values of a string, large_string or binary array, as the array's text type.

        Nulls stay null. Equal values give equal tokens.
        """
        spans = spans_of(values)
        at = kernels.token_ends(spans.lengths, spans.valid)
        out = np.empty(at[-1], np.uint8)
        blocks = kernels.blocks_of(spans.lengths, spans.valid)
        for k, rows in _by_blocks(blocks):
            for tile in _tiles(rows, k):
                tag, stream = self._seal(spans, tile, k)
                kernels.write_tokens(spans.data, spans.starts, spans.lengths, tile, tag, stream, at, out)
        for row in np.flatnonzero(blocks > LONGEST).tolist():
            sealed = base64.urlsafe_b64encode(self._one.encrypt(spans.value(row), None)).rstrip(b"=")
            out[at[row] : at[row + 1]] = np.frombuffer(sealed, np.uint8)
        return text_array(at, out, spans.valid, _large(values.type))

    def decrypt(self, tokens: pa.Array) -> pa.Array:
        """The values behind tokens, as binary of the array's size (not checked for UTF-8).

        Null where the token is null, is no base64url, or was not made under this key.
        """
        spans = spans_of(tokens)
        decoded, valid = kernels.read_tokens(spans.data, spans.starts, spans.lengths, spans.valid)
        sizes = spans.lengths.astype(np.int64) * 6 // 8
        ends = np.cumsum(sizes)
        sealed = Spans(decoded, ends - sizes, ends, valid)
        size = np.where(valid, sealed.lengths - BLOCK, 0)
        at = np.concatenate((np.zeros(1, np.int64), np.cumsum(size)))
        out = np.zeros(at[-1], np.uint8)
        plain = Spans(out, at[:-1], at[1:], valid)
        blocks = kernels.blocks_of(size, valid)
        for k, rows in _by_blocks(blocks):
            for tile in _tiles(rows, k):
                self._open(sealed, plain, tile, k)
        for row in np.flatnonzero(blocks > LONGEST).tolist():
            self._open_one(sealed, plain, row)
        return _only_valid(plain, at, _large(tokens.type))

    def _seal(self, spans: Spans, rows: Integers, k: int) -> tuple[Bytes, Bytes]:
        """S2V of values of k blocks (the tag, uint8[rows, 16]) and their key stream (uint8[k, rows, 16])."""
        tag = self._s2v(spans, rows, k)
        return tag, self._ctr(kernels.counters(tag, k))

    def _s2v(self, spans: Spans, rows: Integers, k: int) -> Bytes:
        chain = kernels.chained(spans.data, spans.starts, spans.lengths, rows, k, self._constants)
        tag = self._mac(chain[0])
        for i in range(1, k):
            chain[i] ^= tag
            tag = self._mac(chain[i])
        return tag

    def _open(self, sealed: Spans, plain: Spans, rows: Integers, k: int) -> None:
        """Decrypts values of k blocks into plain.data, and unmarks those whose tag does not agree."""
        tag = kernels.tags(sealed.data, sealed.starts, rows)
        stream = self._ctr(kernels.counters(tag, k))
        kernels.unmask(sealed.data, sealed.starts, rows, stream, plain.starts, plain.lengths, plain.data)
        agrees = (self._s2v(plain, rows, k) == tag).all(axis=1)
        plain.valid[rows] = agrees

    def _open_one(self, sealed: Spans, plain: Spans, row: int) -> None:
        try:
            opened = self._one.decrypt(sealed.value(row), None)
        except InvalidTag:
            plain.valid[row] = False
            return
        start = plain.starts[row]
        plain.data[start : start + len(opened)] = np.frombuffer(opened, np.uint8)


def _by_blocks(blocks: Integers) -> list[tuple[int, Integers]]:
    """(k, rows of k blocks) for every k up to LONGEST that occurs."""
    counts = np.bincount(np.minimum(blocks, LONGEST + 1), minlength=LONGEST + 2)
    return [(k, np.flatnonzero(blocks == k)) for k in range(1, LONGEST + 1) if counts[k]]


def _tiles(rows: Integers, k: int) -> list[Integers]:
    step = max(1, TILE // (BLOCK * k))
    return [rows[i : i + step] for i in range(0, rows.size, step)]


def _large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _only_valid(plain: Spans, at: Integers, large: bool) -> pa.Array:
    """A binary array in which a value that did not authenticate is null and leaves no byte behind."""
    everything = text_array(at, plain.data, np.ones(len(at) - 1, np.bool_), large, binary=True)
    return only_where(everything, plain.valid)
