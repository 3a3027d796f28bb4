"""SHA-256 and HMAC-SHA-256 of many short spans at once (FIPS 180-4, RFC 2104).

Many spans are hashed side by side where the processor is good at that: sixteen of them (kernels.sha256), or two by its
instructions for SHA (kernels.sha256_pairs). Otherwise a compiled loop calls the low-level SHA-256 of the libcrypto that
Python itself links: the work of a record is then the hash alone, without one Python object a record. Where these
functions cannot be found, hashlib does the same.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import ctypes
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from connectors.kernels import sha256, sha256_pairs
from connectors.kernels.sha256_spans import digests_of

SIZE = 32
_BLOCK = 64
_CONTEXT = 256  # more than sizeof(SHA256_CTX), which is 112
Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


@intrinsic
def _call(typing: Any, function: Any, first: Any, second: Any, third: Any) -> Any:
    """Call the C function at address `function` with three machine words; words it does not take are ignored."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [word, word, word])
        address = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(address, arguments[1:])

    return types.int32(types.int64, types.int64, types.int64, types.int64), emit


@njit(cache=True, nogil=True)
def _hash_spans(functions: Offsets, buf: Bytes, starts: Offsets, ends: Offsets, context: Bytes, digests: Bytes) -> None:
    """digests[i] = SHA-256 of buf[starts[i]:ends[i]]."""
    init, update, final = functions[0], functions[1], functions[2]
    base, state, out = buf.ctypes.data, context.ctypes.data, digests.ctypes.data
    for i in range(starts.size):
        _call(init, state, 0, 0)
        _call(update, state, base + starts[i], ends[i] - starts[i])
        _call(final, out + SIZE * i, state, 0)


@njit(cache=True, nogil=True)
def _hmac_rows(functions: Offsets, pads: Bytes, rows: Bytes, contexts: Bytes, digests: Bytes) -> None:
    """digests[i] = HMAC-SHA-256 of rows[i]; pads[0] and pads[1] are the key's inner and outer blocks."""
    init, update, final = functions[0], functions[1], functions[2]
    state, out = contexts.ctypes.data, digests.ctypes.data
    inner, outer, at = state, state + _CONTEXT, state + 2 * _CONTEXT
    _call(init, inner, 0, 0)
    _call(update, inner, pads.ctypes.data, _BLOCK)
    _call(init, outer, 0, 0)
    _call(update, outer, pads.ctypes.data + _BLOCK, _BLOCK)
    source, width = rows.ctypes.data, rows.shape[1]
    for i in range(rows.shape[0]):
        contexts[2] = contexts[0]
        _call(update, at, source + width * i, width)
        _call(final, out + SIZE * i, at, 0)
        contexts[2] = contexts[1]
        _call(update, at, out + SIZE * i, SIZE)
        _call(final, out + SIZE * i, at, 0)


@lru_cache(maxsize=1)
def _functions() -> tuple[int, int, int] | None:
    """Addresses of SHA256_Init, SHA256_Update and SHA256_Final, or None where Python's libcrypto does not show them."""
    try:
        import _hashlib

        library = ctypes.CDLL(_hashlib.__file__)
        names = ("SHA256_Init", "SHA256_Update", "SHA256_Final")
        init, update, final = (ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names)
    except (ImportError, AttributeError, OSError):
        return None
    return (init, update, final) if init and update and final else None


def sha256_spans(buf: Bytes, starts: Offsets, ends: Offsets) -> Bytes:
    """uint8[n, 32]: the SHA-256 of each buf[starts[i]:ends[i]].

    buf: uint8, contiguous. starts, ends: int64[n]. Raises ValueError if a span is not inside buf.
    """
    n = len(starts)
    if n != len(ends) or (n and (int(starts.min()) < 0 or int(ends.max()) > buf.size or bool((starts > ends).any()))):
        raise ValueError("a span is not inside the buffer")
    buf, starts, ends = np.ascontiguousarray(buf), starts.astype(np.int64), ends.astype(np.int64)
    if not sha256.pays():
        return _few_at_once(buf, starts, ends)
    digests, alone = digests_of(buf.ctypes.data + starts, ends - starts, sha256.initial(), 0)
    if alone.any():
        digests[alone] = _few_at_once(buf, starts[alone], ends[alone])
    return digests


def sha256_all(several: Sequence[bytes]) -> list[bytes]:
    """The SHA-256 of each, 32 bytes."""
    if len(several) == 1 or not (sha256.pays() or sha256_pairs.pays()):
        return [hashlib.sha256(data).digest() for data in several]
    places = np.fromiter((pa.py_buffer(data).address for data in several), np.int64, len(several))
    lengths = np.fromiter(map(len, several), np.int64, len(several))
    if not sha256.pays():
        return [row.tobytes() for row in sha256_pairs.digests_of(places, lengths, sha256.initial(), 0)]
    digests, alone = digests_of(places, lengths, sha256.initial(), 0)
    found = [row.tobytes() for row in digests]
    for i in np.flatnonzero(alone).tolist():
        found[i] = hashlib.sha256(several[i]).digest()
    return found


def _few_at_once(buf: Bytes, starts: Offsets, ends: Offsets) -> Bytes:
    """The digests of spans that do not go sixteen at once."""
    if len(starts) > 1 and sha256_pairs.pays():
        return sha256_pairs.digests_of(buf.ctypes.data + starts, ends - starts, sha256.initial(), 0)
    return _one_by_one(buf, starts, ends)


def _one_by_one(buf: Bytes, starts: Offsets, ends: Offsets) -> Bytes:
    digests = np.empty((len(starts), SIZE), np.uint8)
    functions = _functions()
    if functions is None:
        view = memoryview(buf.data)
        for i in range(len(starts)):
            digests[i] = np.frombuffer(hashlib.sha256(view[int(starts[i]) : int(ends[i])]).digest(), np.uint8)
        return digests
    _hash_spans(np.array(functions, np.int64), buf, starts, ends, np.zeros(_CONTEXT, np.uint8), digests)
    return digests


def sha256_rows(rows: Bytes) -> Bytes:
    """uint8[n, 32]: the SHA-256 of each row of uint8[n, k]."""
    n, width = rows.shape
    starts = np.arange(n, dtype=np.int64) * width
    return sha256_spans(np.ascontiguousarray(rows).reshape(-1), starts, starts + width)


def hmac_sha256_rows(key: bytes, rows: Bytes) -> Bytes:
    """uint8[n, 32]: HMAC-SHA-256 under `key` of each row of uint8[n, k] (RFC 2104)."""
    rows = np.ascontiguousarray(rows)
    if sha256.pays() and len(rows) >= sha256.LANES:
        return _hmac_side_by_side(_pads(key), rows)
    if sha256_pairs.pays():
        return _hmac_in_pairs(_pads(key), rows)
    digests = np.empty((len(rows), SIZE), np.uint8)
    functions = _functions()
    if functions is None:
        for i, row in enumerate(rows):
            digests[i] = np.frombuffer(hmac.digest(key, row.tobytes(), "sha256"), np.uint8)
        return digests
    contexts = np.zeros((3, _CONTEXT), np.uint8)
    _hmac_rows(np.array(functions, np.int64), _pads(key), rows, contexts, digests)
    return digests


def _hmac_side_by_side(pads: Bytes, rows: Bytes) -> Bytes:
    """The same of LANES rows or more. The last row stands again in lanes that would have none, so that none of the
    rows is left out."""
    inner, outer = sha256.behind(pads[0]), sha256.behind(pads[1])
    count, width = rows.shape
    if width == SIZE:
        return sha256.digests_of_rows(sha256.digests_of_rows(rows, inner), outer)
    row_of = np.minimum(np.arange(count + -count % sha256.LANES, dtype=np.int64), count - 1)
    lengths = np.full(len(row_of), width, np.int64)
    made, _ = digests_of(rows.ctypes.data + width * row_of, lengths, inner, _BLOCK)
    return sha256.digests_of_rows(made[:count], outer)


def _hmac_in_pairs(pads: Bytes, rows: Bytes) -> Bytes:
    inner, outer = sha256_pairs.behind(pads[0]), sha256_pairs.behind(pads[1])
    row_of, (count, width) = np.arange(len(rows), dtype=np.int64), rows.shape
    made = sha256_pairs.digests_of(rows.ctypes.data + width * row_of, np.full(count, width, np.int64), inner, _BLOCK)
    return sha256_pairs.digests_of(made.ctypes.data + SIZE * row_of, np.full(count, SIZE, np.int64), outer, _BLOCK)


def _pads(key: bytes) -> Bytes:
    """uint8[2, 64]: the key's inner and outer blocks."""
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK else key
    padded = np.zeros(_BLOCK, np.uint8)
    padded[: len(block)] = np.frombuffer(block, np.uint8)
    return np.stack([padded ^ 0x36, padded ^ 0x5C])
