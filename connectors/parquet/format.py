"""The structures of a Parquet file: page headers, columns of a schema, the footer.

Source: parquet.thrift and LogicalTypes.md of the Apache Parquet format; the numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple

import pyarrow as pa

from connectors.errors import ConfigError
from connectors.parquet import thrift

MAGIC: Final = b"PAR1"
CREATED_BY: Final = "clinray-parquet version 1.0.0"
"""Stands in every file; another number where the same rows would give other bytes."""

PLAIN, RLE, DIFFERENCES, LENGTHS, DICTIONARY = 0, 3, 5, 6, 8
UNCOMPRESSED, ZSTD = 0, 6
BOOLEAN, INT32, INT64, DOUBLE, BYTE_ARRAY = 0, 1, 2, 5, 6
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_UTF8, _LIST, _DATE, _TIMESTAMP_MICROS, _INT_8, _INT_16 = 0, 3, 6, 10, 15, 16
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_FILE_OFFSET: Final = thrift.part([thrift.long(2, 0)])  # of a ColumnChunk: required, and read by nobody
_METADATA: Final = _FILE_OFFSET + thrift.head(1, thrift.STRUCT)
_DATA_HEADER: Final = thrift.head(2, thrift.STRUCT)
_DICTIONARY_HEADER: Final = thrift.head(4, thrift.STRUCT)
_PAGES_AT: Final = thrift.head(2, thrift.I64)
_DICTIONARY_AT: Final = thrift.head(2, thrift.I64)
_STATISTICS, _STATISTICS_BEHIND_DICTIONARY = thrift.head(3, thrift.STRUCT), thrift.head(1, thrift.STRUCT)
_EMPTY: Final = thrift.structure([])
_BY_TYPE: Final = thrift.structure([thrift.inner(1, _EMPTY)])

_HELD: Final = 1 << 10
"""Small structures that are made of the same few numbers for many columns are kept, so many of each kind."""

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of an Arrow type stand in a file. logical: (number of the converted type, LogicalType) or None."""

    physical: int
    logical: tuple[int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column of a file. start: its ColumnChunk up to the type in its ColumnMetaData. path: field 3 of that."""

    name: str
    start: bytes
    path: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """What files of a schema have in common. schema, orders: fields 2 and 7 of FileMetaData."""

    leaves: tuple[Leaf, ...]
    schema: thrift.Field
    orders: thrift.Field


class Pages(NamedTuple):
    """The pages of a column in a row group, end to end in `data`, the dictionary's first.

    size: bytes of all. dictionary: bytes of its dictionary page, 0 where it has none. unpacked: bytes before
    compression, with headers. encodings, sizes: field 2 and fields 4 to 7 of a ColumnMetaData. statistics: a Statistics
    structure.
    """

    data: tuple[Buffer, ...]
    size: int
    dictionary: int
    unpacked: int
    encodings: bytes
    sizes: bytes
    statistics: bytes


def kind_of(type_: pa.DataType) -> Kind:
    """Raises ConfigError (PART_SCHEMA) for a type that no part holds."""
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return Kind(BYTE_ARRAY, (_UTF8, thrift.structure([thrift.inner(1, _EMPTY)])))
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return Kind(BYTE_ARRAY)
    if pa.types.is_timestamp(type_) and type_.unit == "us":
        unit = thrift.structure([thrift.inner(2, _EMPTY)])
        time = thrift.structure([thrift.flag(1, type_.tz is not None), thrift.inner(2, unit)])
        return Kind(INT64, (_TIMESTAMP_MICROS, thrift.structure([thrift.inner(8, time)])))
    if pa.types.is_int8(type_) or pa.types.is_int16(type_):
        width = thrift.structure([thrift.small(1, type_.bit_width), thrift.flag(2, True)])
        converted = _INT_8 if type_.bit_width == 8 else _INT_16
        return Kind(INT32, (converted, thrift.structure([thrift.inner(10, width)])))
    if pa.types.is_date32(type_):
        return Kind(INT32, (_DATE, thrift.structure([thrift.inner(6, _EMPTY)])))
    for holds, physical in (
        (pa.types.is_int32, INT32),
        (pa.types.is_int64, INT64),
        (pa.types.is_float64, DOUBLE),
        (pa.types.is_boolean, BOOLEAN),
    ):
        if holds(type_):
            return Kind(physical)
    raise ConfigError("PART_SCHEMA", f"no part holds columns of the type {type_}")


@lru_cache(maxsize=256)
def layout_of(schema: pa.Schema) -> Layout:
    """Raises ConfigError (PART_SCHEMA) for a type that no part holds."""
    return Layout(
        tuple(map(_leaf, schema)),
        thrift.several(2, thrift.STRUCT, list(_elements(schema))),
        thrift.several(7, thrift.STRUCT, [_BY_TYPE] * len(schema)),
    )


def _leaf(field: pa.Field) -> Leaf:
    lists = pa.types.is_list(field.type)
    kind = kind_of(field.type.value_type if lists else field.type)
    names = [thrift.text(name.encode()) for name in ([field.name, "list", "element"] if lists else [field.name])]
    path = thrift.part([thrift.several(3, thrift.BINARY, names)], before=2)
    return Leaf(field.name, _METADATA + thrift.integers(kind.physical), path)


@lru_cache(maxsize=_HELD)
def data_page(slots: int, encoding: int, unpacked: int, packed: int) -> bytes:
    """The header of a page of `slots` values and nulls."""
    header = thrift.integers(slots, encoding, RLE, RLE) + thrift.STOP
    return thrift.integers(_DATA_PAGE, unpacked, packed) + _DATA_HEADER + header + thrift.STOP


@lru_cache(maxsize=_HELD)
def dictionary_page(values: int, unpacked: int, packed: int) -> bytes:
    """The header of a dictionary's page."""
    header = thrift.integers(values, PLAIN) + thrift.STOP
    return thrift.integers(_DICTIONARY_PAGE, unpacked, packed) + _DICTIONARY_HEADER + header + thrift.STOP


@cache
def encodings(several: tuple[int, ...]) -> bytes:
    """Of pages and levels: field 2 of a ColumnMetaData."""
    return thrift.part([thrift.several(2, thrift.I32, list(map(thrift.zigzag, several)))], before=1)


@lru_cache(maxsize=_HELD)
def sizes(codec: int, slots: int, unpacked: int, packed: int) -> bytes:
    """Fields 4 to 7 of a ColumnMetaData. slots: values and nulls."""
    return thrift.integers(codec) + thrift.longs(slots, unpacked, packed)


def statistics(nulls: int, bounds: tuple[bytes, bytes] | None) -> bytes:
    """bounds: the least and the greatest value in plain encoding."""
    fields = [thrift.long(3, nulls)]
    if bounds is not None:
        fields += [thrift.binary(5, bounds[1]), thrift.binary(6, bounds[0]), thrift.flag(7, True), thrift.flag(8, True)]
    return thrift.structure(fields)


def row_group(leaves: Sequence[Leaf], columns: Sequence[Pages], rows: int, offset: int, ordinal: int) -> bytes:
    """A RowGroup whose columns, one a leaf, stand end to end from a byte of the file on."""
    chunks, at = [], offset
    for leaf, pages in zip(leaves, columns, strict=True):
        chunks.append(_chunk(leaf, pages, at))
        at += pages.size
    return thrift.structure(
        [
            thrift.several(1, thrift.STRUCT, chunks),
            thrift.long(2, sum(pages.unpacked for pages in columns)),
            thrift.long(3, rows),
            thrift.long(5, offset),
            thrift.long(6, at - offset),
            thrift.short(7, ordinal),
        ]
    )


def _chunk(leaf: Leaf, pages: Pages, at: int) -> bytes:
    if pages.dictionary:
        place = _PAGES_AT + thrift.zigzag(at + pages.dictionary) + _DICTIONARY_AT + thrift.zigzag(at)
        place += _STATISTICS_BEHIND_DICTIONARY
    else:
        place = _PAGES_AT + thrift.zigzag(at) + _STATISTICS
    metadata = (leaf.start, pages.encodings, leaf.path, pages.sizes, place, pages.statistics, thrift.STOP, thrift.STOP)
    return b"".join(metadata)


def footer(layout: Layout, groups: Sequence[bytes], rows: int) -> bytes:
    """What ends a file: its metadata, their length and the magic number."""
    metadata = thrift.structure(
        [
            thrift.integer(1, 2),
            layout.schema,
            thrift.long(3, rows),
            thrift.several(4, thrift.STRUCT, groups),
            thrift.binary(6, CREATED_BY.encode()),
            layout.orders,
        ]
    )
    return metadata + len(metadata).to_bytes(4, "little") + MAGIC


def _elements(schema: pa.Schema) -> Iterator[bytes]:
    """The SchemaElements: the root, then each field, that of lists with the two levels below it."""
    yield thrift.structure([thrift.integer(3, _REQUIRED), thrift.binary(4, b"schema"), thrift.integer(5, len(schema))])
    for field in schema:
        name = field.name.encode()
        if pa.types.is_list(field.type):
            lists = thrift.structure([thrift.inner(3, _EMPTY)])
            yield _group(_OPTIONAL, name, [thrift.integer(6, _LIST), thrift.inner(10, lists)])
            yield _group(_REPEATED, b"list", [])
            yield _element(b"element", kind_of(field.type.value_type))
        else:
            yield _element(name, kind_of(field.type))


def _group(repetition: int, name: bytes, more: list[thrift.Field]) -> bytes:
    return thrift.structure([thrift.integer(3, repetition), thrift.binary(4, name), thrift.integer(5, 1), *more])


def _element(name: bytes, kind: Kind) -> bytes:
    fields = [thrift.integer(1, kind.physical), thrift.integer(3, _OPTIONAL), thrift.binary(4, name)]
    if kind.logical is not None:
        fields += [thrift.integer(6, kind.logical[0]), thrift.inner(10, kind.logical[1])]
    return thrift.structure(fields)
