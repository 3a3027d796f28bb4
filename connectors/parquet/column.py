"""An Arrow array → the pages of its column.

Text and fractions stand in a dictionary where they repeat, other text and bytes end to end behind their lengths, whole
numbers and times as packed differences. zstd at level 1 goes over what it makes smaller; it is not tried on
differences, which are packed already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.kernels.interning import Distinct, codes_of
from connectors.kernels.spans import Spans, spans_of, spans_of_width, validity
from connectors.parquet import format as parquet
from connectors.parquet import packing, thrift
from connectors.parquet.format import Pages

PAGE_BYTES: Final = 1 << 20
"""A page of text or bytes without a dictionary ends at the value that brings it to so many bytes."""

LEAST_COMPRESSED: Final = 256
"""Pages of fewer bytes together are not compressed."""

_PREFIX: Final = 4
_REPEATING: Final = 0.9
"""A dictionary is made where it takes less than so much of what plain values take."""

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Bounds = tuple[bytes, bytes]


@dataclass(frozen=True)
class _Levels:
    """Where values stand among nulls. valid: bool[slots]. Of lists also repetition and definition: int32[slots]."""

    valid: Booleans
    repetition: npt.NDArray[np.int32] | None = None
    definition: npt.NDArray[np.int32] | None = None

    def encoded(self, begin: int, end: int) -> bytes:
        """Those of some slots, each kind behind its length in four bytes."""
        if self.repetition is None or self.definition is None:
            return _sized(_presence(self.valid[begin:end]))
        return _sized(_runs(self.repetition[begin:end], 1)) + _sized(_runs(self.definition[begin:end], 2))

    def row_behind(self, slot: int) -> int:
        """The first slot from this one on with which a row begins, or behind the last."""
        if self.repetition is None:
            return slot
        begins = np.flatnonzero(self.repetition[slot:] == 0)
        return slot + int(begins[0]) if len(begins) else len(self.valid)


@dataclass(frozen=True)
class _Body:
    """The values of a column without its nulls. pages: the first slot, the one behind the last, and the values of each.

    dictionary: how many values, and their bytes. bounds: the least and the greatest value.
    """

    encoding: int
    pages: tuple[tuple[int, int, bytes], ...]
    dictionary: tuple[int, bytes] | None = None
    bounds: Bounds | None = None
    compressible: bool = True


def pages_of(
    array: pa.Array, *, compressible: bool = True, bounded: bool = False, told: Distinct | None = None
) -> Pages:
    """The pages of a column of any type that `format.kind_of` knows, or of lists of one.

    compressible: zstd is tried, unless the type speaks against it. bounded: the least and the greatest value are told
    of text too. told: the distinct values of the column, if somebody knows.
    """
    if array.null_count == len(array):
        return without_values(len(array), pa.types.is_list(array.type))
    levels, values = _flattened(array)
    body = _body(levels, values, bounded, told)
    return _assembled(levels, body, compressible and body.compressible)


def _flattened(array: pa.Array) -> tuple[_Levels, pa.Array]:
    """The levels of a column, and its values with nulls or, of lists, without."""
    valid = validity(array)
    if not pa.types.is_list(array.type):
        return _Levels(valid), array
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    elements = array.values
    repetition, definition, rows = packing.list_levels(offsets.astype(np.int64), valid, validity(elements))
    has_value = definition == 3
    return _Levels(has_value, repetition, definition), elements.take(pa.array(rows))


def _body(levels: _Levels, values: pa.Array, bounded: bool, told: Distinct | None) -> _Body:
    kind = values.type
    if not levels.valid.any():
        return _Body(parquet.PLAIN, _one_page(levels, b""))
    if pa.types.is_boolean(kind):
        return _booleans(levels, values)
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind):
        return _whole_numbers(levels, values)
    if pa.types.is_floating(kind):
        return _fractions(levels, values)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return _text(levels, spans_of(values), repeats=text, bounded=bounded, told=told)


def _booleans(levels: _Levels, values: pa.Array) -> _Body:
    bits = np.asarray(values.drop_null().to_numpy(zero_copy_only=False), np.bool_)
    bounds = (bytes([int(bits.min())]), bytes([int(bits.max())]))
    return _Body(parquet.PLAIN, _one_page(levels, np.packbits(bits, bitorder="little").tobytes()), bounds=bounds)


def _whole_numbers(levels: _Levels, values: pa.Array) -> _Body:
    width = values.type.bit_width
    numbers = _present(values, np.dtype(f"<i{width // 8}"))
    physical = np.dtype("<i8" if width == 64 else "<i4")
    bounds = (numbers.min().astype(physical).tobytes(), numbers.max().astype(physical).tobytes())
    if bounds[0] == bounds[1]:
        packed = packing.no_differences(int(numbers[0]), len(numbers))
    else:
        packed = _differences(numbers.astype(np.int64, copy=False), narrow=width < 64)
    return _Body(parquet.DIFFERENCES, _one_page(levels, packed), bounds=bounds, compressible=False)


def _text(levels: _Levels, spans: Spans, *, repeats: bool, bounded: bool, told: Distinct | None) -> _Body:
    """Text or bytes, through a dictionary where they repeat, if `repeats`."""
    found = _dictionary(spans, prefix=True, told=told) if repeats else None
    rows = np.flatnonzero(spans.valid) if found is None else found.firsts
    bounds = None
    if bounded:
        values = [(spans if found is None else found.spans).value(row) for row in rows.tolist()]
        bounds = (min(values), max(values))
    if found is not None:
        return _by_dictionary(levels, found, bounds, prefix=True)
    return _Body(parquet.LENGTHS, tuple(_length_pages(levels, spans, rows)), bounds=bounds)


def _fractions(levels: _Levels, values: pa.DoubleArray) -> _Body:
    """Fractions, through a dictionary where they repeat."""
    spans = spans_of_width(values, 8)
    numbers = _present(values, np.dtype("<f8"))
    bounds = _bounds(numbers)
    found = _dictionary(spans, prefix=False)
    if found is not None:
        return _by_dictionary(levels, found, bounds, prefix=False)
    return _Body(parquet.PLAIN, _one_page(levels, numbers.tobytes()), bounds=bounds)


@dataclass(frozen=True)
class _Dictionary:
    """spans, firsts: the distinct values in order of appearance are those of these rows. indices: which of them each
    value is, as a page tells it."""

    spans: Spans
    firsts: Integers
    indices: bytes


def _by_dictionary(levels: _Levels, found: _Dictionary, bounds: Bounds | None, *, prefix: bool) -> _Body:
    dictionary = (len(found.firsts), _plain(found.spans, found.firsts, prefix))
    return _Body(parquet.DICTIONARY, _one_page(levels, found.indices), dictionary, bounds)


def _dictionary(spans: Spans, prefix: bool, told: Distinct | None = None) -> _Dictionary | None:
    """The dictionary of a column, None where it would save too little."""
    count = int(np.count_nonzero(spans.valid))
    if told is not None and told.codes is not None:
        codes, several, firsts = told.codes, spans_of(told.values), np.arange(len(told.values))
    else:
        found = codes_of(spans)
        if found is None:
            return None
        several, (codes, firsts) = spans, found
    if len(firsts) == 1 and count == len(codes):
        return _Dictionary(several, firsts, b"\1" + thrift.varint(count << 1) + b"\0")
    width = max(int(len(firsts) - 1).bit_length(), 1)
    each = _PREFIX if prefix else 0
    whole = int(spans.lengths.sum()) + each * count
    if int(several.lengths[firsts].sum()) + each * len(firsts) + width * count // 8 > _REPEATING * whole:
        return None
    indices = bytes([width]) + _runs(codes if count == len(codes) else codes[spans.valid], width)
    return _Dictionary(several, firsts, indices)


def _length_pages(levels: _Levels, spans: Spans, rows: Integers) -> Iterator[tuple[int, int, bytes]]:
    """Pages of the lengths of values and, behind them, the values."""
    lengths = spans.lengths if len(rows) == len(spans) else spans.lengths[rows]
    ends = np.cumsum(lengths)
    slots = rows if len(rows) == len(levels.valid) else np.flatnonzero(levels.valid)
    begin = first = taken = 0
    while begin < len(levels.valid):
        last = int(np.searchsorted(ends, taken + PAGE_BYTES))
        end = len(levels.valid) if last + 1 >= len(rows) else levels.row_behind(int(slots[last]) + 1)
        behind = int(np.searchsorted(slots, end))
        size = int(ends[behind - 1]) - taken
        values = _end_to_end(spans, rows[first:behind], size)
        yield begin, end, _differences(lengths[first:behind], narrow=True) + values
        begin, first, taken = end, behind, taken + size


def _end_to_end(spans: Spans, rows: Integers, size: int) -> bytes:
    """The values of some rows, of so many bytes together."""
    first, last = int(rows[0]), int(rows[-1])
    begin, end = int(spans.starts[first]), int(spans.starts[last]) + int(spans.lengths[last])
    if end - begin == size:
        return spans.data[begin:end].tobytes()
    return _plain(spans, rows, prefix=False)


def _plain(spans: Spans, rows: Integers, prefix: bool) -> bytes:
    room = np.empty(packing.room_of_plain(len(rows), int(spans.lengths[rows].sum())), np.uint8)
    size = packing.plain(spans.data, spans.starts, spans.lengths, rows, prefix, room)
    return room[:size].tobytes()


def _assembled(levels: _Levels, body: _Body, compressible: bool) -> Pages:
    dictionary = [] if body.dictionary is None else [body.dictionary[1]]
    raw = [*dictionary, *(levels.encoded(begin, end) + values for begin, end, values in body.pages)]
    size = sum(map(len, raw))
    packed, codec = raw, parquet.UNCOMPRESSED
    if compressible and size >= LEAST_COMPRESSED:
        smaller = [_zstd().compress(page, asbytes=True) for page in raw]
        if sum(map(len, smaller)) < size:
            packed, codec = smaller, parquet.ZSTD
    headers = (
        [] if body.dictionary is None else [parquet.dictionary_page(body.dictionary[0], len(raw[0]), len(packed[0]))]
    )
    headers += [
        parquet.data_page(end - begin, body.encoding, len(whole), len(page))
        for (begin, end, _), whole, page in zip(
            body.pages, raw[len(dictionary) :], packed[len(dictionary) :], strict=True
        )
    ]
    slots = len(levels.valid)
    return Pages(
        data=b"".join(piece for pair in zip(headers, packed, strict=True) for piece in pair),
        dictionary=len(headers[0]) + len(packed[0]) if dictionary else 0,
        slots=slots,
        unpacked=size + sum(map(len, headers)),
        codec=codec,
        encodings=(*([parquet.PLAIN] if dictionary else []), parquet.RLE, body.encoding),
        statistics=parquet.statistics(slots - int(np.count_nonzero(levels.valid)), body.bounds),
    )


@cache
def without_values(slots: int, lists: bool) -> Pages:
    """The pages of a column that has no value in so many rows, or no list."""
    levels = _sized(thrift.varint(slots << 1) + b"\0") * (2 if lists else 1)
    header = parquet.data_page(slots, parquet.PLAIN, len(levels), len(levels))
    data = header + levels
    encodings = (parquet.RLE, parquet.PLAIN)
    return Pages(data, 0, slots, len(data), parquet.UNCOMPRESSED, encodings, parquet.statistics(slots, None))


@cache
def _zstd() -> Any:
    return pa.Codec("zstd", compression_level=1)


def _one_page(levels: _Levels, values: bytes) -> tuple[tuple[int, int, bytes], ...]:
    return ((0, len(levels.valid), values),)


def _present(values: pa.Array, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """The numbers of a column without its nulls."""
    numbers = np.frombuffer(values.buffers()[1], kind)[values.offset : values.offset + len(values)]
    return numbers[validity(values)] if values.null_count else numbers


def _bounds(numbers: npt.NDArray[np.float64]) -> Bounds | None:
    """None where one is no number. A zero is told with the sign that leaves out neither zero."""
    least, greatest = numbers.min(), numbers.max()
    if np.isnan(least):
        return None
    return np.float64(least if least else -0.0).tobytes(), np.float64(greatest if greatest else 0.0).tobytes()


def _differences(numbers: Integers, *, narrow: bool) -> bytes:
    room = np.empty(packing.room_of_differences(len(numbers)), np.uint8)
    return room[: packing.differences(numbers, narrow, room)].tobytes()


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _presence(valid: Booleans) -> bytes:
    """Definition levels of one bit: one run where all have a value, else the bits as they are."""
    if valid.all():
        return thrift.varint(len(valid) << 1) + b"\1"
    return thrift.varint((len(valid) + 7) // 8 << 1 | 1) + np.packbits(valid, bitorder="little").tobytes()


def _runs(numbers: npt.NDArray[np.int32], width: int) -> bytes:
    room = np.empty(packing.room_of_runs(len(numbers), width), np.uint8)
    return room[: packing.runs(numbers, width, room)].tobytes()
