"""Parquet parts that are byte-identical for identical rows, however the rows arrive."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import ConfigError
from connectors.lake.layout import table_path

GROUP_ROWS = 1 << 16
"""Rows of a row group; the last one of a part may have fewer."""

GROUP_BYTES = 64 << 20
"""A row group ends early at the row that brings its text and binary values to so many bytes."""

TARGET_BYTES = 128 << 20

DIGESTS = frozenset({"_record_id"})
"""Columns of digests: no two values share anything that a compressor could find."""

WRITER = {
    "version": "2.6",
    "data_page_version": "1.0",
    "dictionary_pagesize_limit": 1 << 20,
    "data_page_size": 1 << 20,
    "write_batch_size": 1024,
    "write_page_index": False,
    "write_page_checksum": False,
    "store_schema": False,
    "use_byte_stream_split": False,
    "use_deprecated_int96_timestamps": False,
    "coerce_timestamps": None,
    "use_compliant_nested_type": True,
    "sorting_columns": None,
    "store_decimal_as_integer": False,
}
"""The options of the writer that are the same for every column; `writer_options` adds those that follow from types."""

ZSTD = {"compression": "zstd", "compression_level": 1}

_BUNDLE = re.compile(r"[0-9a-z]{1,64}")
_DIGITS = 16
Sizes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """A Parquet file of a table. path: relative to the lake. bytes: its size. sha256: 64 hexadecimal digits.

    bundle: identity of the bundle whose rows it holds.
    """

    table: str
    zone: str
    path: str
    rows: int
    bytes: int
    sha256: str
    bundle: str


class Puts(Protocol):
    """Where parts go: a store, or what hands them to one."""

    def put(self, key: str, data: bytes) -> None: ...


class PartWriter:
    """Writes one table's rows of one bundle as parts of about `target_bytes` under names made from their content.

    Holds one row group of rows and the encoded part in memory. Raises ConfigError for a name that cannot be one, and
    what the store raises.
    """

    def __init__(
        self, store: Puts, zone: str, table: str, bundle: str, schema: pa.Schema, target_bytes: int = TARGET_BYTES
    ) -> None:
        if not _BUNDLE.fullmatch(bundle):
            raise ConfigError("BUNDLE_NAME", "a bundle's identity has other characters than 0-9 and a-z")
        self._store = store
        self._zone, self._table, self._bundle = zone, table, bundle
        self._folder = table_path(zone, table)
        self._schema = plain(schema)
        self._target = target_bytes
        self._pending: list[pa.Table] = []
        self._held = 0
        self._sink: pa.BufferOutputStream | None = None
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0
        self._parts: list[Part] = []

    def write(self, table: pa.Table) -> None:
        """Take rows; columns are chosen by name and cast to the schema. Raises ConfigError (PART_SCHEMA) if they do
        not fit."""
        rows = conform(table, self._schema)
        self._pending.append(rows)
        self._held += rows.nbytes
        # A row group cannot be full before one of these is: its limits count rows, and bytes of values alone.
        if self._held >= GROUP_BYTES or sum(held.num_rows for held in self._pending) >= GROUP_ROWS:
            self._write_groups(last=False)

    def close(self) -> list[Part]:
        """Write what is held; every part of this writer. None where there was no row."""
        self._write_groups(last=True)
        self._end_part()
        return self._parts

    def _write_groups(self, *, last: bool) -> None:
        if not self._pending:
            return
        # Rows that came as one table stay one chunk, which need not be copied to become a row group.
        held = pa.concat_tables(self._pending)
        while (rows := group_rows(held, last=last)) > 0:
            self._write_group(held.slice(0, rows).combine_chunks())
            held = held.slice(rows)
        self._pending, self._held = [held] if held.num_rows else [], held.nbytes

    def _write_group(self, group: pa.Table) -> None:
        if self._writer is None:
            self._sink = pa.BufferOutputStream()
            self._writer = pq.ParquetWriter(
                self._sink, self._schema, **writer_options(self._schema, columns_without_values(group))
            )
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._rows += group.num_rows
        if self._sink is not None and self._sink.tell() >= self._target:
            self._end_part()

    def _end_part(self) -> None:
        if self._writer is None or self._sink is None:
            return
        self._writer.close()
        data = self._sink.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        name = f"part-{self._bundle}-{len(self._parts):05d}-{digest[:_DIGITS]}.zstd.parquet"
        path = f"{self._folder}/{name}"
        self._store.put(path, data.to_pybytes())
        self._parts.append(Part(self._table, self._zone, path, self._rows, data.size, digest, self._bundle))
        self._writer, self._sink, self._rows = None, None, 0


def columns_without_values(group: pa.Table) -> frozenset[str]:
    """Names of the columns that have no value in any row."""
    return frozenset(name for name, column in zip(group.column_names, group.columns, strict=True) if _is_null(column))


def _is_null(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count == len(column))


@lru_cache(maxsize=256)
def writer_options(schema: pa.Schema, unsent: frozenset[str]) -> Mapping[str, Any]:
    """Every option of the Parquet writer that has a say in the bytes of a part. unsent: columns without a value in
    the part's first row group.

    Text and fractions are written through a dictionary (codes, units, tokens of a patient repeat), whole numbers and
    times as packed differences, other types plain. zstd at level 1 goes over what it can make smaller: not over
    differences that are packed already, digests and columns without a value. Statistics are kept for types of fixed
    width and for `_object`; of other text they would exclude nothing.
    """
    leaves = leaves_of(schema)
    packed = [name for name, kind in leaves if _is_whole(kind)]
    as_they_stand = {*packed, *unsent, *DIGESTS}
    through = [name for name, kind in leaves if _repeats(kind) and name not in unsent]
    return {
        **WRITER,
        "compression": {name: "none" if name in as_they_stand else ZSTD["compression"] for name, _ in leaves},
        "compression_level": {name: ZSTD["compression_level"] for name, _ in leaves if name not in as_they_stand},
        "use_dictionary": through,
        "column_encoding": dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
        "write_statistics": [name for name, kind in leaves if name == "_object" or not _is_text(kind)],
    }


def _is_text(kind: pa.DataType) -> bool:
    return any(
        holds(kind)
        for holds in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    )


def _repeats(kind: pa.DataType) -> bool:
    return any(holds(kind) for holds in (pa.types.is_string, pa.types.is_large_string, pa.types.is_floating))


def _is_whole(kind: pa.DataType) -> bool:
    return any(holds(kind) for holds in (pa.types.is_integer, pa.types.is_temporal))


@lru_cache(maxsize=256)
def leaves_of(schema: pa.Schema) -> tuple[tuple[str, pa.DataType], ...]:
    """The columns that Parquet makes of a schema: path and type."""
    return tuple(leaf for field in schema for leaf in _leaves(field.name, field.type))


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """The columns that Parquet makes of an Arrow column: path and type."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for n in range(kind.num_fields):
            yield from _leaves(f"{path}.{kind.field(n).name}", kind.field(n).type)
    else:
        yield path, kind


@lru_cache(maxsize=256)
def plain(schema: pa.Schema) -> pa.Schema:
    """The schema without metadata, dictionary types as the types of their values."""
    fields = []
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        fields.append(pa.field(field.name, kind, field.nullable))
    return pa.schema(fields)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly the schema's columns and types. Raises ConfigError (PART_SCHEMA)."""
    if sorted(table.column_names) != sorted(schema.names):
        raise ConfigError("PART_SCHEMA", "rows have other columns than their table")
    if table.schema.equals(schema, check_metadata=True):
        return table
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        raise ConfigError("PART_SCHEMA", "rows have other types than their table") from None


def group_rows(table: pa.Table, *, last: bool) -> int:
    """How many rows the next row group takes; 0 if it needs rows that have not come yet (or, at last, has none).

    The answer follows from the rows alone, not from how they are chunked.
    """
    head = table.slice(0, GROUP_ROWS)
    enough = last or head.num_rows == GROUP_ROWS
    # What the rows take in memory is never less than their text and binary values.
    if (
        head.nbytes < GROUP_BYTES
        or sum(_total(chunk) for column in head.columns for chunk in column.chunks) < GROUP_BYTES
    ):
        return head.num_rows if enough else 0
    sizes = np.zeros(head.num_rows, np.int64)
    for column in head.columns:
        at = 0
        for chunk in column.chunks:
            sizes[at : at + len(chunk)] += _sizes(chunk)
            at += len(chunk)
    full = int(np.searchsorted(np.cumsum(sizes), GROUP_BYTES)) + 1
    return full if full <= head.num_rows else (head.num_rows if enough else 0)


def _offsets(array: pa.Array) -> Sizes | None:
    """int64[n + 1]: where each value of a text, binary or list array begins; None for types of fixed width."""
    kind = array.type
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) or pa.types.is_large_list(kind)
    if not (large or pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_list(kind)):
        return None
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array) + 1, np.int64)
    return np.frombuffer(buffer, np.int64 if large else np.int32)[array.offset : array.offset + len(array) + 1].astype(
        np.int64
    )


def _total(array: pa.Array) -> int:
    """Bytes of the text and binary values of an array."""
    offsets = _offsets(array)
    if offsets is None:
        return 0
    if hasattr(array, "values"):
        return _total(array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
    return int(offsets[-1] - offsets[0])


def _sizes(array: pa.Array) -> Sizes:
    """int64 per row: bytes of its text and binary values."""
    offsets = _offsets(array)
    if offsets is None:
        return np.zeros(len(array), np.int64)
    if hasattr(array, "values"):
        inner = _sizes(array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
        offsets = np.concatenate(([0], np.cumsum(inner)))[offsets - offsets[0]]
    return np.diff(offsets)
