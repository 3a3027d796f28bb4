"""Spans of one buffer become Arrow columns: every value is copied once, many columns in one call.

Spans are start int[n] and length int[n]; length -1 is null. The buffer holds at least 16 readable bytes behind the end
of every span, because values are copied in vectors of 16 bytes.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from connectors.errors import RecordError

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64] | npt.NDArray[np.int32]

VECTOR = 16
LONGEST_COLUMN = (1 << 31) - 1  # Arrow's string offsets are int32
_ALIGNMENT = 64


@intrinsic
def copy16(typing: Any, to: Any, at: Any, source: Any, index: Any) -> Any:
    """to[at:at+16] = source[index:index+16], unaligned, one load and one store."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), VECTOR).as_pointer()
        data = [cgutils.create_struct_proxy(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2)]
        pairs = zip(data, (arguments[1], arguments[3]), strict=True)
        target, origin = (builder.bitcast(builder.gep(d, [i]), vector) for d, i in pairs)
        builder.store(builder.load(origin, align=1), target, align=1)
        return context.get_dummy_value()

    return types.void(to, types.intp, source, types.intp), emit


@njit(cache=True, nogil=True)
def _measure(start: Integers, length: Integers, least: int, totals: Integers, present: Integers) -> Any:
    """totals[j] and present[j]: bytes and number of values of column j; returns lowest start, highest end."""
    low, high = np.int64(0), np.int64(0)
    for j in range(length.shape[0]):
        total, count = np.int64(0), np.int64(0)
        for r in range(length.shape[1]):
            n = np.int64(length[j, r])
            if n >= least:
                at = np.int64(start[j, r])
                total += n
                count += 1
                low = min(low, at)
                high = max(high, at + n)
        totals[j], present[j] = total, count
    return low, high


@njit(cache=True, nogil=True)
def _gather(
    buf: Bytes,
    start: Integers,
    length: Integers,
    least: int,
    columns: Integers,
    places: Integers,
    offsets: Integers,
    out: Bytes,
    valid: Bytes,
) -> None:
    """Copies the values of the named columns together, each from its place in `out`, with offsets and validity bits."""
    for c in range(columns.size):
        j, base, total = columns[c], places[c], np.int64(0)
        for r in range(length.shape[1]):
            offsets[c, r] = total
            n = np.int64(length[j, r])
            if n < least:
                continue
            valid[c, r >> 3] |= np.uint8(1 << (r & 7))
            at = np.int64(start[j, r])
            for k in range(0, n, 16):
                copy16(out, base + total + k, buf, at + k)
            total += n
        offsets[c, length.shape[1]] = total


def string_columns(
    buf: Bytes, start: Integers, length: Integers, *, empty_is_null: bool = True, kind: pa.DataType | None = None
) -> list[pa.Array]:
    """The columns start[j], length[j] of `buf` as Arrow arrays of `kind` (pa.string() by default, or pa.binary()).

    buf: uint8[size + 16 or more], UTF-8 where the kind is string. start, length: int32 or int64 [n_columns, n_rows];
    length -1 is null, and 0 is null too where `empty_is_null`; the two quote characters stay as they are.
    Raises RecordError COLUMN_TOO_LONG where a column holds 2^31 bytes or more, ValueError where a span reaches out of
    the buffer.
    """
    kind = kind or pa.string()
    n_columns, n_rows = length.shape
    least = 1 if empty_is_null else 0
    totals, present = np.zeros(n_columns, np.int64), np.zeros(n_columns, np.int64)
    low, high = _measure(start, length, least, totals, present)
    if low < 0 or high > max(buf.size - VECTOR, 0):
        raise ValueError("a span reaches out of its buffer, or too little is readable behind it")
    if n_columns and totals.max() > LONGEST_COLUMN:
        raise RecordError("COLUMN_TOO_LONG", "a column of a chunk holds 2 GB or more; read smaller chunks")
    columns = np.flatnonzero(present)
    room = (totals[columns] + VECTOR + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
    places = np.concatenate([np.zeros(1, np.int64), np.cumsum(room)])
    offsets = np.empty((columns.size, n_rows + 1), np.int32)
    valid = np.zeros((columns.size, (n_rows + 7) // 8), np.uint8)
    out = np.empty(int(places[-1]), np.uint8)
    _gather(buf, start, length, least, columns, places, offsets, out, valid)
    absent = pa.nulls(n_rows, kind) if columns.size < n_columns else None
    arrays: list[pa.Array] = [absent] * n_columns
    for c, j in enumerate(columns):
        nulls = n_rows - int(present[j])
        values = out[places[c] : places[c] + totals[j]]
        buffers = [pa.py_buffer(valid[c]) if nulls else None, pa.py_buffer(offsets[c]), pa.py_buffer(values)]
        arrays[j] = pa.Array.from_buffers(kind, n_rows, buffers, nulls)
    return arrays


def strings(buf: Bytes, start: Integers, length: Integers, *, empty_is_null: bool = True) -> pa.StringArray:
    """One column of text: start, length int[n]; see `string_columns`."""
    return string_columns(buf, start[np.newaxis], length[np.newaxis], empty_is_null=empty_is_null)[0]


def binaries(buf: Bytes, start: Integers, length: Integers, *, empty_is_null: bool = False) -> pa.BinaryArray:
    """One column of bytes: start, length int[n]; see `string_columns`."""
    kind = pa.binary()
    return string_columns(buf, start[np.newaxis], length[np.newaxis], empty_is_null=empty_is_null, kind=kind)[0]
