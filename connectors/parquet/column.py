"""An Arrow array → the pages of its column.

Text and fractions stand in a dictionary where they repeat, other text and bytes end to end behind their lengths, whole
numbers and times as packed differences. zstd at level 1 goes over what it makes smaller; it is not tried on
differences, which are packed already.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.kernels.distinct import Distinct, is_text, written_out
from connectors.kernels.interning import Codes, codes_of, measured
from connectors.kernels.spans import Spans, spans_of, spans_of_width, to_read, validity
from connectors.parquet import format as parquet
from connectors.parquet import packing, thrift
from connectors.parquet.format import Buffer, Pages

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


class _Levels(NamedTuple):
    """Where values stand among nulls. slots: values and nulls together. values: how many.

    valid: bool[slots], which slots hold a value; None where all do. Of lists also repetition and definition:
    int32[slots].
    """

    slots: int
    values: int
    valid: Booleans | None
    repetition: npt.NDArray[np.int32] | None = None
    definition: npt.NDArray[np.int32] | None = None

    def encoded(self, begin: int, end: int) -> bytes:
        """Those of some slots, each kind behind its length in four bytes."""
        if self.repetition is None or self.definition is None:
            valid = None if self.valid is None else self.valid[begin:end]
            return _sized(_presence(end - begin, valid))
        return _sized(_runs(self.repetition[begin:end], 1)) + _sized(_runs(self.definition[begin:end], 2))

    def row_behind(self, slot: int) -> int:
        """The first slot from this one on with which a row begins, or behind the last."""
        if self.repetition is None:
            return slot
        begins = np.flatnonzero(self.repetition[slot:] == 0)
        return slot + int(begins[0]) if len(begins) else self.slots


class _Page(NamedTuple):
    """What a page holds behind its header: levels and values of some slots, or a dictionary of some values.

    number: how many slots or values. pieces: bytes that follow one another.
    """

    number: int
    pieces: tuple[Buffer, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    def packed(self) -> _Page:
        """The same, compressed."""
        whole = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        return _Page(self.number, (_zstd().compress(whole, asbytes=True),))


class _Body(NamedTuple):
    """The pages of a column before compression. bounds: the least and the greatest value."""

    encoding: int
    pages: tuple[_Page, ...]
    dictionary: _Page | None = None
    bounds: Bounds | None = None
    compressible: bool = True


def pages_of(
    array: pa.Array, *, compressible: bool = True, bounded: bool = False, told: Distinct | None = None
) -> Pages:
    """The pages of a column of any type that `format.kind_of` knows, of lists of one, or of a dictionary of Arrow.

    compressible: zstd is tried, unless the type speaks against it. bounded: the least and the greatest value are told
    of text too. told: the distinct values of the column, if somebody knows.
    """
    if isinstance(array, pa.DictionaryArray) and (told is None or not is_text(told.values.type)):
        array, told = written_out(array), None
    if array.null_count == len(array):
        return without_values(len(array), pa.types.is_list(array.type))
    levels, values = _flattened(array)
    body = _body(levels, values, bounded, told)
    return _assembled(levels, body, compressible and body.compressible)


def _flattened(array: pa.Array) -> tuple[_Levels, pa.Array]:
    """The levels of a column, and its values with nulls or, of lists, without."""
    if not pa.types.is_list(array.type):
        valid = validity(array) if array.null_count else None
        return _Levels(len(array), len(array) - array.null_count, valid), array
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    elements = array.values
    repetition, definition, rows = packing.list_levels(offsets.astype(np.int64), validity(array), validity(elements))
    levels = _Levels(len(definition), len(rows), definition == 3, repetition, definition)
    return levels, elements.take(pa.array(rows))


def _body(levels: _Levels, values: pa.Array, bounded: bool, told: Distinct | None) -> _Body:
    if isinstance(values, pa.DictionaryArray):
        return _text(levels, values, repeats=True, bounded=bounded, told=told)
    kind = values.type
    if not levels.values:
        return _Body(parquet.PLAIN, _one_page(levels, b""))
    if pa.types.is_boolean(kind):
        return _booleans(levels, values)
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind):
        return _whole_numbers(levels, values)
    if pa.types.is_floating(kind):
        return _fractions(levels, values)
    return _text(levels, values, repeats=is_text(kind), bounded=bounded, told=told)


def _booleans(levels: _Levels, values: pa.Array) -> _Body:
    bits = np.asarray(values.drop_null().to_numpy(zero_copy_only=False), np.bool_)
    bounds = (bytes([int(bits.min())]), bytes([int(bits.max())]))
    return _Body(parquet.PLAIN, _one_page(levels, np.packbits(bits, bitorder="little").tobytes()), bounds=bounds)


def _whole_numbers(levels: _Levels, values: pa.Array) -> _Body:
    width = values.type.bit_width
    numbers = _present(values, np.dtype(f"<i{width // 8}"))
    physical = np.dtype("<i8" if width == 64 else "<i4")
    least, greatest = numbers.min(), numbers.max()
    packed = _differences(numbers, constant=bool(least == greatest), narrow=width < 64)
    bounds = (least.astype(physical).tobytes(), greatest.astype(physical).tobytes())
    return _Body(parquet.DIFFERENCES, _one_page(levels, packed), bounds=bounds, compressible=False)


def _text(levels: _Levels, values: pa.Array, *, repeats: bool, bounded: bool, told: Distinct | None) -> _Body:
    """Text or bytes, through a dictionary where they repeat, if `repeats`."""
    several = None if not repeats else _told_apart(values, spans_of(values)) if told is None else _as_told(told)
    found = None if several is None else _dictionary(levels, several, prefix=_PREFIX)
    if found is None:
        values = written_out(values)
        bounds = _extremes(values) if bounded else None
        return _Body(parquet.LENGTHS, tuple(_length_pages(levels, spans_of(values))), bounds=bounds)
    bounds = _extremes(found.several.source.take(pa.array(found.several.rows))) if bounded else None
    return _by_dictionary(levels, found, bounds)


def _extremes(values: pa.Array) -> Bounds:
    """The least and the greatest of text or bytes, by their bytes."""
    least, greatest = pc.min_max(values).values()
    return least.as_buffer().to_pybytes(), greatest.as_buffer().to_pybytes()


def _fractions(levels: _Levels, values: pa.DoubleArray) -> _Body:
    """Fractions, through a dictionary where they repeat."""
    numbers = _present(values, np.dtype("<f8"))
    bounds = _bounds(numbers)
    several = _told_apart(values, spans_of_width(values, 8))
    found = None if several is None else _dictionary(levels, several, prefix=0)
    if found is not None:
        return _by_dictionary(levels, found, bounds)
    return _Body(parquet.PLAIN, _one_page(levels, numbers.tobytes()), bounds=bounds)


class _Several(NamedTuple):
    """The distinct values of a column in order of appearance: those of some rows of an array. spans: of the array.

    codes: int32 per slot of the column, which of them it holds, -1 for null.
    """

    source: pa.Array
    spans: Spans
    rows: Integers
    codes: Codes


def _told_apart(values: pa.Array, spans: Spans) -> _Several | None:
    """The distinct values of a column; None where it hardly repeats any."""
    found = codes_of(spans)
    return None if found is None else _Several(values, spans, found[1], found[0])


def _as_told(told: Distinct) -> _Several | None:
    if told.codes is None:
        return None
    return _Several(told.values, spans_of(told.values), np.arange(len(told.values)), told.codes)


class _Dictionary(NamedTuple):
    """The dictionary of a column. plain: its values' bytes, as its page tells them. indices: which of them each value
    is, as a page tells it."""

    several: _Several
    plain: Buffer
    indices: bytes


def _by_dictionary(levels: _Levels, found: _Dictionary, bounds: Bounds | None) -> _Body:
    dictionary = _Page(len(found.several.rows), (found.plain,))
    return _Body(parquet.DICTIONARY, _one_page(levels, found.indices), dictionary, bounds)


def _dictionary(levels: _Levels, several: _Several, *, prefix: int) -> _Dictionary | None:
    """The dictionary of a column, None where it would save too little. prefix: bytes before each value."""
    rows, codes, count = several.rows, several.codes, levels.values
    plain = _plain(several.spans, rows, prefix=prefix > 0)
    if len(rows) == 1 and count == len(codes):
        return _Dictionary(several, plain, b"\1" + thrift.varint(count << 1) + b"\0")
    width = max(int(len(rows) - 1).bit_length(), 1)
    size, sizes = len(plain) + width * count // 8, several.spans.lengths[rows]
    saves_at_least = size <= _REPEATING * (int(sizes.min()) + prefix) * count
    if not saves_at_least and size > _REPEATING * (int(measured(sizes, codes)[0]) + prefix * count):
        return None
    indices = bytes([width]) + _runs(codes if count == len(codes) else codes[codes >= 0], width)
    return _Dictionary(several, plain, indices)


def _length_pages(levels: _Levels, spans: Spans) -> Iterator[_Page]:
    """Pages of the lengths of values and, behind them, the values."""
    if levels.values == len(spans):
        rows, lengths = np.arange(len(spans)), spans.lengths
        ends = np.subtract(spans.ends, spans.starts[0], dtype=np.int64)
    else:
        rows = np.flatnonzero(spans.valid)
        lengths = spans.lengths[rows]
        ends = np.cumsum(lengths)
    places = rows if levels.valid is None or levels.repetition is None else np.flatnonzero(levels.valid)
    begin = first = taken = 0
    while begin < levels.slots:
        last = int(np.searchsorted(ends, taken + PAGE_BYTES))
        end = levels.slots if last + 1 >= len(rows) else levels.row_behind(int(places[last]) + 1)
        behind = int(np.searchsorted(places, end))
        some, size = lengths[first:behind], int(ends[behind - 1]) - taken
        packed = _differences(some, constant=bool(some.min() == some.max()), narrow=True)
        values = _end_to_end(spans, rows[first:behind], size)
        yield _Page(end - begin, (levels.encoded(begin, end), packed, values))
        begin, first, taken = end, behind, taken + size


def _end_to_end(spans: Spans, rows: Integers, size: int) -> Buffer:
    """The values of some rows, of so many bytes together."""
    first, last = int(rows[0]), int(rows[-1])
    begin, end = int(spans.starts[first]), int(spans.ends[last])
    if end - begin == size:
        return spans.data[begin:end].data
    return _plain(spans, rows, prefix=False)


def _plain(spans: Spans, rows: Integers, *, prefix: bool) -> Buffer:
    values: npt.NDArray[np.uint8] = packing.plain(spans.data, spans.starts, spans.ends, rows, prefix)
    return values.data


def _assembled(levels: _Levels, body: _Body, compressible: bool) -> Pages:
    raw = body.pages if body.dictionary is None else (body.dictionary, *body.pages)
    packed, codec = raw, parquet.UNCOMPRESSED
    before = after = [page.size for page in raw]
    if compressible and sum(before) >= LEAST_COMPRESSED:
        smaller = tuple(page.packed() for page in raw)
        sizes = [page.size for page in smaller]
        if sum(sizes) < sum(before):
            packed, codec, after = smaller, parquet.ZSTD, sizes
    headers = [
        parquet.dictionary_page(page.number, size, stored)
        if page is body.dictionary
        else parquet.data_page(page.number, body.encoding, size, stored)
        for page, size, stored in zip(raw, before, after, strict=True)
    ]
    around = sum(map(len, headers))
    unpacked, whole = sum(before) + around, sum(after) + around
    encodings = (parquet.RLE, body.encoding)
    return Pages(
        data=tuple(piece for header, page in zip(headers, packed, strict=True) for piece in (header, *page.pieces)),
        size=whole,
        dictionary=0 if body.dictionary is None else len(headers[0]) + after[0],
        unpacked=unpacked,
        encodings=parquet.encodings(encodings if body.dictionary is None else (parquet.PLAIN, *encodings)),
        sizes=parquet.sizes(codec, levels.slots, unpacked, whole),
        statistics=parquet.statistics(levels.slots - levels.values, body.bounds),
    )


@cache
def without_values(slots: int, lists: bool) -> Pages:
    """The pages of a column that has no value in so many rows, or no list."""
    levels = _sized(thrift.varint(slots << 1) + b"\0") * (2 if lists else 1)
    data = parquet.data_page(slots, parquet.PLAIN, len(levels), len(levels)) + levels
    size = len(data)
    return Pages(
        data=(data,),
        size=size,
        dictionary=0,
        unpacked=size,
        encodings=parquet.encodings((parquet.RLE, parquet.PLAIN)),
        sizes=parquet.sizes(parquet.UNCOMPRESSED, slots, size, size),
        statistics=parquet.statistics(slots, None),
    )


@cache
def _zstd() -> Any:
    return pa.Codec("zstd", compression_level=1)


def _one_page(levels: _Levels, values: Buffer) -> tuple[_Page]:
    return (_Page(levels.slots, (levels.encoded(0, levels.slots), values)),)


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


def _differences(numbers: Integers, *, constant: bool, narrow: bool) -> bytes:
    if constant:
        return packing.no_differences(int(numbers[0]), len(numbers))
    room = np.empty(packing.room_of_differences(len(numbers)), np.uint8)
    return room[: packing.differences(to_read(numbers.astype(np.int64, copy=False)), narrow, room)].tobytes()


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _presence(slots: int, valid: Booleans | None) -> bytes:
    """Definition levels of one bit: one run where all have a value, else the bits as they are."""
    if valid is None or valid.all():
        return thrift.varint(slots << 1) + b"\1"
    return thrift.varint((slots + 7) // 8 << 1 | 1) + np.packbits(valid, bitorder="little").tobytes()


def _runs(numbers: npt.NDArray[np.int32], width: int) -> bytes:
    room = np.empty(packing.room_of_runs(len(numbers), width), np.uint8)
    return room[: packing.runs(numbers, width, room)].tobytes()
