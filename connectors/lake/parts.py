"""Parquet parts that are byte-identical for identical rows, however the rows arrive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.errors import ConfigError
from connectors.lake.layout import table_path
from connectors.parquet.file import FileWriter, Shelf
from connectors.storage import Content

GROUP_ROWS = 1 << 16
"""Rows of a row group; the last one of a part may have fewer."""

GROUP_BYTES = 64 << 20
"""A row group ends early at the row that brings its text and binary values to so many bytes."""

TARGET_BYTES = 128 << 20

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

    def put(self, key: str, data: Content) -> None: ...


class PartWriter:
    """Writes one table's rows of one bundle as parts of about `target_bytes` under names made from their content.

    Holds one row group of rows and the encoded part in memory. shelf: of the writers whose tables share columns. Raises
    ConfigError for a name that cannot be one, and what the store raises.
    """

    def __init__(
        self,
        store: Puts,
        zone: str,
        table: str,
        bundle: str,
        schema: pa.Schema,
        target_bytes: int = TARGET_BYTES,
        shelf: Shelf | None = None,
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
        self._shelf = shelf or Shelf()
        self._file: FileWriter | None = None
        self._parts: list[Part] = []

    def write(self, table: pa.Table) -> None:
        """Take rows; columns are chosen by name and cast to the schema. Raises ConfigError (PART_SCHEMA) if they do
        not fit."""
        rows, dictionaries = _fitting(table, self._schema)
        self._pending.append(rows)
        self._held += _at_most(rows, dictionaries)
        # A row group cannot be full before one of these is: its limits count rows, and bytes of values alone.
        if self._held >= GROUP_BYTES or sum(held.num_rows for held in self._pending) >= GROUP_ROWS:
            self._write_groups(last=False)

    def hold(self) -> None:
        """Keep what is known of the columns that are held, for it is forgotten now."""
        self._pending = [self._shelf.encoded(rows) for rows in self._pending]

    def close(self) -> list[Part]:
        """Write what is held; every part of this writer. None where there was no row."""
        self._write_groups(last=True)
        self._end_part()
        return self._parts

    def _write_groups(self, *, last: bool) -> None:
        if not self._pending:
            return
        held = self._together()
        while 0 < (rows := group_rows(held, self._held, last=last)) < held.num_rows:
            self._write_group(held.slice(0, rows))
            held = held.slice(rows)
        if rows:
            self._write_group(held)
        self._pending, self._held = ([], 0) if rows else ([held], _at_most(held, _dictionaries(held.schema)))

    def _together(self) -> pa.Table:
        """What is held, one behind the other. Columns that are dictionaries of Arrow in all of it stay such."""
        if len(self._pending) == 1:
            return self._pending[0]
        several = [self._shelf.encoded(rows) for rows in self._pending]
        kinds = [set(of_column) for of_column in zip(*(rows.schema.types for rows in several), strict=True)]
        fields = [f.with_type(kind.pop()) if len(kind) == 1 else f for f, kind in zip(self._schema, kinds, strict=True)]
        return pa.concat_tables(conform(rows, pa.schema(fields)) for rows in several)

    def _write_group(self, group: pa.Table) -> None:
        if self._file is None:
            self._file = FileWriter(self._schema, self._shelf)
        self._file.write(group)
        if self._file.size >= self._target:
            self._end_part()

    def _end_part(self) -> None:
        if self._file is None:
            return
        pieces, digest = self._file.finish()
        rows, size = self._file.rows, self._file.size
        name = f"part-{self._bundle}-{len(self._parts):05d}-{digest[:_DIGITS]}.zstd.parquet"
        path = f"{self._folder}/{name}"
        self._store.put(path, pieces)
        self._parts.append(Part(self._table, self._zone, path, rows, size, digest, self._bundle))
        self._file = None


@lru_cache(maxsize=256)
def plain(schema: pa.Schema) -> pa.Schema:
    """The schema without metadata, dictionary types as the types of their values."""
    return pa.schema(
        [pa.field(field.name, field.type, field.nullable) for field in _written_out(schema, _dictionaries(schema))]
    )


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly the schema's columns and types; its metadata may be others. Raises ConfigError
    (PART_SCHEMA)."""
    if table.schema.equals(schema):
        return table
    if sorted(table.column_names) != sorted(schema.names):
        raise ConfigError("PART_SCHEMA", "rows have other columns than their table")
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        raise ConfigError("PART_SCHEMA", "rows have other types than their table") from None


def _fitting(table: pa.Table, schema: pa.Schema) -> tuple[pa.Table, list[int]]:
    """The table as the schema wants it, but that columns which are dictionaries of Arrow with values of its types stay
    such; and the places of these. Raises as `conform`, which no dictionary outlasts."""
    dictionaries = _dictionaries(table.schema)
    if _written_out(table.schema, dictionaries).equals(schema):
        return table, dictionaries
    return conform(table, schema), []


def _dictionaries(schema: pa.Schema) -> list[int]:
    """The places of the columns that are dictionaries of Arrow."""
    return [place for place, kind in enumerate(schema.types) if pa.types.is_dictionary(kind)]


def _written_out(schema: pa.Schema, dictionaries: Iterable[int]) -> pa.Schema:
    """The schema with the types of their values in place of some dictionaries."""
    for place in dictionaries:
        field = schema.field(place)
        schema = schema.set(place, field.with_type(field.type.value_type))
    return schema


def group_rows(table: pa.Table, at_most: int, *, last: bool) -> int:
    """How many rows the next row group takes; 0 if it needs rows that have not come yet (or, at last, has none).

    The answer follows from the rows alone, not from how they are chunked. at_most: bytes that no rows of the table
    exceed with their text and binary values.
    """
    head = table.slice(0, GROUP_ROWS) if table.num_rows > GROUP_ROWS else table
    enough = last or head.num_rows == GROUP_ROWS
    if at_most < GROUP_BYTES or sum(_total(chunk) for column in head.columns for chunk in column.chunks) < GROUP_BYTES:
        return head.num_rows if enough else 0
    sizes = np.zeros(head.num_rows, np.int64)
    for column in head.columns:
        at = 0
        for chunk in column.chunks:
            sizes[at : at + len(chunk)] += _sizes(chunk)
            at += len(chunk)
    full = int(np.searchsorted(np.cumsum(sizes), GROUP_BYTES)) + 1
    return full if full <= head.num_rows else (head.num_rows if enough else 0)


def _at_most(table: pa.Table, dictionaries: Iterable[int]) -> int:
    """Bytes that no rows exceed with their text and binary values: those that they take in memory, and of dictionaries
    as if each value was the longest. Where whole buffers take less than a row group, those of the buffers, which are
    summed in no time."""
    whole, longest = int(table.get_total_buffer_size()), 0
    for place in dictionaries:
        for chunk in table.column(place).chunks:
            longest += len(chunk) * int(_sizes(chunk.dictionary).max(initial=0))
    return longest + (whole if whole < GROUP_BYTES else int(table.nbytes))


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
    if isinstance(array, pa.DictionaryArray):
        return int(_sizes(array).sum())
    offsets = _offsets(array)
    if offsets is None:
        return 0
    if hasattr(array, "values"):
        return _total(array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
    return int(offsets[-1] - offsets[0])


def _sizes(array: pa.Array) -> Sizes:
    """int64 per row: bytes of its text and binary values."""
    if isinstance(array, pa.DictionaryArray):
        of_values: Sizes = np.append(_sizes(array.dictionary), 0)
        return of_values.take(np.asarray(array.indices.cast(pa.int64()).fill_null(-1)))
    offsets = _offsets(array)
    if offsets is None:
        return np.zeros(len(array), np.int64)
    if hasattr(array, "values"):
        inner = _sizes(array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
        offsets = np.concatenate(([0], np.cumsum(inner)))[offsets - offsets[0]]
    return np.diff(offsets)
