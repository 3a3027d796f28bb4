"""Spans of one buffer become Arrow columns: every value is copied once, many columns in one call.

Spans are start int[n] and length int[n]; length -1 is null. The buffer holds at least 16 readable bytes behind the end
of every span, because values are copied in vectors of 16 bytes.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from connectors.errors import RecordError
from connectors.kernels.spans import number_array

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Numbers = npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]

VECTOR = 16
LONGEST_COLUMN = (1 << 31) - 1  # Arrow's string offsets are int32
_ALIGNMENT = 64
_TOGETHER = 1024


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
def _measure(start: Integers, length: Integers, columns: Integers, least: int, totals: Integers) -> Any:
    """totals[c]: bytes of the values of a column. Returns the lowest start of a value and the highest end."""
    low, high = np.int64(0), np.int64(0)
    for c in range(columns.size):
        starts, lengths, total = start[columns[c]], length[columns[c]], np.int64(0)
        for r in range(lengths.size):
            n, at = np.int64(lengths[r]), np.int64(starts[r])
            held = n >= least
            total += n if held else 0
            low = min(low, at if held else np.int64(0))
            high = max(high, at + n if held else np.int64(0))
        totals[c] = total
    return low, high


@njit(cache=True, nogil=True)
def _measure_rows(lengths: Integers, least: int) -> Any:
    """Bytes and number of the values of some rows."""
    total, count = np.int64(0), np.int64(0)
    for r in range(lengths.size):
        held = lengths[r] >= least
        total += np.int64(lengths[r]) if held else np.int64(0)
        count += held
    return total, count


@njit(cache=True, nogil=True, inline="never")
def _copy_rows(
    buf: Bytes, starts: Integers, lengths: Integers, least: int, place: int, at: int, offsets: Integers, out: Bytes
) -> int:
    """Copies the values of some rows of a column whose first value is at out[place], from out[at] on, and notes their
    offsets. Returns the place behind them.

    Sixteen bytes are copied for every row, of absent values too, so that no branch depends on most lengths.
    """
    for r in range(lengths.size):
        offsets[r] = at - place
        n: Any = np.int64(lengths[r])
        n = n if n >= least else np.int64(0)
        first = np.int64(starts[r]) if n else 0
        copy16(out, at, buf, first)
        for k in range(16, n, 16):
            copy16(out, at + k, buf, first + k)
        at += n
    return at


@njit(cache=True, nogil=True)
def _gather(
    buf: Bytes,
    start: Integers,
    length: Integers,
    least: int,
    columns: Integers,
    places: Integers,
    present: Integers,
    offsets: Integers,
    out: Bytes,
) -> bool:
    """Copies the values of the named columns together, column c to out[places[c]:places[c + 1]], notes their offsets,
    and in present[c] how many there are. Returns whether they had room; the rest is left as it is where they had none.

    Some rows of all columns come before the next rows: what they read lies near, and is in the processor's cache.
    """
    n, at = length.shape[1], places.copy()
    for low in range(0, n, _TOGETHER):
        high = min(low + _TOGETHER, n)
        for c in range(columns.size):
            k = columns[c]
            starts, lengths, ends = start[k, low:high], length[k, low:high], offsets[c, low:high]
            total, count = _measure_rows(lengths, least)
            if at[c] + total + VECTOR > places[c + 1]:
                return False
            present[c] += count
            at[c] = _copy_rows(buf, starts, lengths, least, places[c], at[c], ends, out)
    for c in range(columns.size):
        offsets[c, n] = at[c] - places[c]
    return True


@njit(cache=True, nogil=True)
def _mark(length: Integers, least: int, valid: Bytes) -> None:
    """valid: bit r is set where length[r] is that of a value."""
    for r in range(0, length.size, 8):
        bits = 0
        for k in range(min(8, length.size - r)):
            bits |= (length[r + k] >= least) << k
        valid[r >> 3] = bits


def string_columns(
    buf: Bytes,
    start: Integers,
    length: Integers,
    *,
    chosen: Sequence[int] | None = None,
    room: Integers | None = None,
    empty_is_null: bool = True,
    kind: pa.DataType | None = None,
) -> list[pa.Array]:
    """The columns start[j], length[j] of `buf` as Arrow arrays of `kind` (pa.string() by default, or pa.binary()).

    buf: uint8[size + 16 or more], UTF-8 where the kind is string. start, length: int32 or int64 [n_columns, n_rows];
    length -1 is null, and 0 is null too where `empty_is_null`; the two quote characters stay as they are. chosen: the
    columns that are wanted, all by default. room: of spans that are known to lie inside the buffer, int64[n_columns],
    bytes that each column's values take at most, zero where it has none; where one takes more, all are measured.
    Raises RecordError COLUMN_TOO_LONG where a column holds 2^31 bytes or more, ValueError where a span reaches out of
    the buffer.
    """
    wanted = np.arange(len(length)) if chosen is None else np.array(chosen, np.int64)
    least = 1 if empty_is_null else 0
    made = None
    if room is not None and room[wanted].max(initial=0) <= LONGEST_COLUMN:
        made = _columns(buf, start, length, wanted, room[wanted], least, kind or pa.string())
    if made is None:
        totals = _totals(buf, start, length, wanted, least)
        made = _columns(buf, start, length, wanted, totals, least, kind or pa.string())
    return made or []


def _totals(buf: Bytes, start: Integers, length: Integers, wanted: Integers, least: int) -> Integers:
    """Bytes of the values of each column. Raises what string_columns raises."""
    totals = np.empty(len(wanted), np.int64)
    low, high = _measure(start, length, wanted, least, totals)
    if low < 0 or high > max(buf.size - VECTOR, 0):
        raise ValueError("a span reaches out of its buffer, or too little is readable behind it")
    if totals.max(initial=0) > LONGEST_COLUMN:
        raise RecordError("COLUMN_TOO_LONG", "a column of a chunk holds 2 GB or more; read smaller chunks")
    return totals


def _columns(
    buf: Bytes, start: Integers, length: Integers, wanted: Integers, totals: Integers, least: int, kind: pa.DataType
) -> list[pa.Array] | None:
    """See string_columns; None where a column takes more bytes than its total says."""
    n_columns, n_rows = len(wanted), length.shape[1]
    held = np.flatnonzero(totals) if least else np.arange(n_columns)
    room = (totals[held] + VECTOR + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
    places = np.concatenate([np.zeros(1, np.int64), np.cumsum(room)])
    offsets, present = np.empty((held.size, n_rows + 1), np.int32), np.zeros(held.size, np.int64)
    out = np.empty(int(places[-1]), np.uint8)
    if not _gather(buf, start, length, least, wanted[held], places, present, offsets, out):
        return None
    arrays: list[pa.Array] = [pa.nulls(n_rows, kind)] * n_columns
    values, width, ends = pa.py_buffer(out), offsets.itemsize * (n_rows + 1), pa.py_buffer(offsets)
    facts = (held.tolist(), places.tolist()[:-1], offsets[:, n_rows].tolist(), (n_rows - present).tolist())
    for c, (j, place, size, nulls) in enumerate(zip(*facts, strict=True)):
        valid = None
        if nulls == n_rows > 0:
            continue
        if nulls:
            bits = np.empty((n_rows + 7) // 8, np.uint8)
            _mark(length[wanted[j]], least, bits)
            valid = pa.py_buffer(bits)
        buffers = [valid, ends.slice(width * c, width), values.slice(place, size)]
        arrays[j] = pa.Array.from_buffers(kind, n_rows, buffers, nulls)
    return arrays


def strings(buf: Bytes, start: Integers, length: Integers, *, empty_is_null: bool = True) -> pa.StringArray:
    """One column of text: start, length int[n]; see `string_columns`."""
    return string_columns(buf, start[np.newaxis], length[np.newaxis], empty_is_null=empty_is_null)[0]


def binaries(buf: Bytes, start: Integers, length: Integers, *, empty_is_null: bool = False) -> pa.BinaryArray:
    """One column of bytes: start, length int[n]; see `string_columns`."""
    kind = pa.binary()
    return string_columns(buf, start[np.newaxis], length[np.newaxis], empty_is_null=empty_is_null, kind=kind)[0]


@njit(cache=True, nogil=True)
def _is_range(rows: Integers) -> bool:
    """Whether the rows are 0, 1, 2, …"""
    others = 0
    for i in range(rows.size):
        others += rows[i] != i
    return others == 0


def is_all(rows: Integers, count: int) -> bool:
    """Whether the rows are 0, 1, 2, …, count - 1."""
    return len(rows) == count and bool(_is_range(rows))


@njit(cache=True, nogil=True)
def _picked(values: Numbers, rows: Integers) -> Any:
    """values[rows]"""
    out = np.empty(rows.size, values.dtype)
    for i in range(rows.size):
        out[i] = values[rows[i]]
    return out


def picked(values: Numbers, rows: Integers) -> Any:
    """values[rows] of one dimension, as numpy gives it for rows that there are: the array itself, not a copy, where
    they are all of it in order."""
    return values if is_all(rows, len(values)) else _picked(values, rows)


def taken(values: pa.Array, rows: Integers) -> pa.Array:
    """values[rows], null for a negative row: the array itself, not a copy, where the rows are all of it in order."""
    return values if is_all(rows, len(values)) else values.take(number_array(rows, rows >= 0))
