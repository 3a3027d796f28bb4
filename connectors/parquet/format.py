"""The structures of a Parquet file: page headers, columns of a schema, the footer.

Source: parquet.thrift and LogicalTypes.md of the Apache Parquet format; the numbers are theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

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
_EMPTY: Final = thrift.structure([])
_BY_TYPE: Final = thrift.structure([thrift.inner(1, _EMPTY)])


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of an Arrow type stand in a file. logical: (number of the converted type, LogicalType) or None."""

    physical: int
    logical: tuple[int, bytes] | None = None


@dataclass(frozen=True)
class Leaf:
    """A column of a file. path: its names from the root."""

    path: tuple[str, ...]
    kind: Kind

    @cached_property
    def thrift_type(self) -> thrift.Field:
        """Field 1 of its ColumnMetaData."""
        return thrift.integer(1, self.kind.physical)

    @cached_property
    def thrift_path(self) -> thrift.Field:
        """Field 3 of its ColumnMetaData."""
        return thrift.several(3, thrift.BINARY, [thrift.text(name.encode()) for name in self.path])


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of a column in a row group, end to end in `data`, the dictionary's first.

    dictionary: bytes of its dictionary page, 0 where it has none. slots: how many values, nulls among them. unpacked:
    bytes before compression, with headers. encodings: of pages and levels. statistics: a Statistics structure.
    """

    data: bytes
    dictionary: int
    slots: int
    unpacked: int
    codec: int
    encodings: tuple[int, ...]
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
def leaves(schema: pa.Schema) -> tuple[Leaf, ...]:
    """The columns of a file with that schema, one a field. Raises ConfigError (PART_SCHEMA)."""
    return tuple(
        Leaf((f.name, "list", "element"), kind_of(f.type.value_type))
        if pa.types.is_list(f.type)
        else Leaf((f.name,), kind_of(f.type))
        for f in schema
    )


def data_page(slots: int, encoding: int, unpacked: int, packed: int) -> bytes:
    """The header of a page of `slots` values and nulls."""
    header = thrift.structure(
        [thrift.integer(1, slots), thrift.integer(2, encoding), thrift.integer(3, RLE), thrift.integer(4, RLE)]
    )
    return _page(_DATA_PAGE, unpacked, packed, thrift.inner(5, header))


def dictionary_page(values: int, unpacked: int, packed: int) -> bytes:
    """The header of a dictionary's page."""
    header = thrift.structure([thrift.integer(1, values), thrift.integer(2, PLAIN)])
    return _page(_DICTIONARY_PAGE, unpacked, packed, thrift.inner(7, header))


def _page(kind: int, unpacked: int, packed: int, header: thrift.Field) -> bytes:
    return thrift.structure([thrift.integer(1, kind), thrift.integer(2, unpacked), thrift.integer(3, packed), header])


def statistics(nulls: int, bounds: tuple[bytes, bytes] | None) -> bytes:
    """bounds: the least and the greatest value in plain encoding."""
    fields = [thrift.long(3, nulls)]
    if bounds is not None:
        fields += [thrift.binary(5, bounds[1]), thrift.binary(6, bounds[0]), thrift.flag(7, True), thrift.flag(8, True)]
    return thrift.structure(fields)


def row_group(columns: Sequence[tuple[Leaf, Pages]], rows: int, offset: int, ordinal: int) -> bytes:
    """A RowGroup whose columns stand end to end from a byte of the file on."""
    chunks, at = [], offset
    for leaf, pages in columns:
        chunks.append(_chunk(leaf, pages, at))
        at += len(pages.data)
    return thrift.structure(
        [
            thrift.several(1, thrift.STRUCT, chunks),
            thrift.long(2, sum(pages.unpacked for _, pages in columns)),
            thrift.long(3, rows),
            thrift.long(5, offset),
            thrift.long(6, at - offset),
            thrift.short(7, ordinal),
        ]
    )


def _chunk(leaf: Leaf, pages: Pages, at: int) -> bytes:
    fields = [thrift.long(9, at + pages.dictionary)]
    if pages.dictionary:
        fields.append(thrift.long(11, at))
    fields.append(thrift.inner(12, pages.statistics))
    described = _described(leaf, pages.encodings, pages.codec, pages.slots, pages.unpacked, len(pages.data))
    metadata = described + thrift.part(fields, before=7) + thrift.STOP
    return _FILE_OFFSET + thrift.part([thrift.inner(3, metadata)], before=2) + thrift.STOP


@lru_cache(maxsize=1 << 12)
def _described(leaf: Leaf, encodings: tuple[int, ...], codec: int, slots: int, unpacked: int, size: int) -> bytes:
    """What a ColumnMetaData says before it says where: the same for every column without values of a leaf."""
    return thrift.part(
        [
            leaf.thrift_type,
            thrift.several(2, thrift.I32, [thrift.zigzag(encoding) for encoding in encodings]),
            leaf.thrift_path,
            thrift.integer(4, codec),
            thrift.long(5, slots),
            thrift.long(6, unpacked),
            thrift.long(7, size),
        ]
    )


def footer(schema: pa.Schema, groups: Sequence[bytes], rows: int) -> bytes:
    """What ends a file: its metadata, their length and the magic number."""
    metadata = thrift.structure(
        [
            thrift.integer(1, 2),
            _schema(schema),
            thrift.long(3, rows),
            thrift.several(4, thrift.STRUCT, groups),
            thrift.binary(6, CREATED_BY.encode()),
            thrift.several(7, thrift.STRUCT, [_BY_TYPE] * len(schema)),
        ]
    )
    return metadata + len(metadata).to_bytes(4, "little") + MAGIC


@lru_cache(maxsize=256)
def _schema(schema: pa.Schema) -> thrift.Field:
    """Field 2 of FileMetaData."""
    return thrift.several(2, thrift.STRUCT, list(_elements(schema)))


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
