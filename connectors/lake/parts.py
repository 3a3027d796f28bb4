"""Parquet parts that are byte-identical for identical rows, however the rows arrive."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import ConfigError
from connectors.lake.layout import table_path
from connectors.storage import Store

GROUP_ROWS = 1 << 16
"""Rows of a row group; the last one of a part may have fewer."""

GROUP_BYTES = 32 << 20
"""A row group ends early at the row that brings its text and binary values to so many bytes."""

TARGET_BYTES = 128 << 20

WRITER = {
    "version": "2.6",
    "data_page_version": "1.0",
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": True,
    "dictionary_pagesize_limit": 1 << 20,
    "data_page_size": 1 << 20,
    "write_batch_size": 1024,
    "write_statistics": True,
    "write_page_index": False,
    "write_page_checksum": False,
    "store_schema": False,
    "column_encoding": None,
    "use_byte_stream_split": False,
    "use_deprecated_int96_timestamps": False,
    "coerce_timestamps": None,
    "use_compliant_nested_type": True,
    "sorting_columns": None,
    "store_decimal_as_integer": False,
}
"""Every option of the writer that has a say in the bytes."""

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


class PartWriter:
    """Writes one table's rows of one bundle as parts of about `target_bytes` under names made from their content.

    Holds one row group of rows and the encoded part in memory. Raises ConfigError for a name that cannot be one, and
    what the store raises.
    """

    def __init__(
        self, store: Store, zone: str, table: str, bundle: str, schema: pa.Schema, target_bytes: int = TARGET_BYTES
    ) -> None:
        if not _BUNDLE.fullmatch(bundle):
            raise ConfigError("BUNDLE_NAME", "a bundle's identity has other characters than 0-9 and a-z")
        self._store = store
        self._zone, self._table, self._bundle = zone, table, bundle
        self._folder = table_path(zone, table)
        self._schema = plain(schema)
        self._target = target_bytes
        self._pending = self._schema.empty_table()
        self._sink: pa.BufferOutputStream | None = None
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0
        self._parts: list[Part] = []

    def write(self, table: pa.Table) -> None:
        """Take rows; columns are chosen by name and cast to the schema. Raises ConfigError (PART_SCHEMA) if they do
        not fit."""
        self._pending = pa.concat_tables([self._pending, conform(table, self._schema)])
        while (rows := group_rows(self._pending, last=False)) > 0:
            self._write_group(rows)

    def close(self) -> list[Part]:
        """Write what is held; every part of this writer. None where there was no row."""
        while (rows := group_rows(self._pending, last=True)) > 0:
            self._write_group(rows)
        self._end_part()
        return self._parts

    def _write_group(self, rows: int) -> None:
        group = self._pending.slice(0, rows).combine_chunks()
        self._pending = self._pending.slice(rows)
        if self._writer is None:
            self._sink = pa.BufferOutputStream()
            self._writer = pq.ParquetWriter(self._sink, self._schema, **WRITER)
        self._writer.write_table(group, row_group_size=rows)
        self._rows += rows
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


def plain(schema: pa.Schema) -> pa.Schema:
    """The schema without metadata, dictionary types as the types of their values."""
    fields = []
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        fields.append(pa.field(field.name, kind, field.nullable))
    return pa.schema(fields)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly the schema's columns and types. Raises ConfigError (PART_SCHEMA)."""
    missing = [name for name in schema.names if name not in table.column_names]
    if missing or len(table.column_names) != len(schema):
        raise ConfigError("PART_SCHEMA", "rows have other columns than their table")
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
    if sum(_total(chunk) for column in head.columns for chunk in column.chunks) < GROUP_BYTES:
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
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_list(kind):
        width = np.int32
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) or pa.types.is_large_list(kind):
        width = np.int64
    else:
        return None
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array) + 1, np.int64)
    return np.frombuffer(buffer, width)[array.offset : array.offset + len(array) + 1].astype(np.int64)


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
