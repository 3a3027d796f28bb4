"""Row groups → a Parquet file, with the pages of columns that tables share."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Final

import pyarrow as pa

from connectors.kernels.distinct import Distinct, Told, can_be_joined, joined, written_out
from connectors.kernels.spans import place_of
from connectors.parquet import format as parquet
from connectors.parquet.column import pages_of, without_values
from connectors.parquet.format import Buffer, Pages

DIGESTS: Final = frozenset({"_record_id"})
"""Columns of digests: no two values share anything that a compressor could find."""

BOUNDED: Final = frozenset({"_object"})
"""Columns of text whose least and greatest value are told: of other text they would exclude nothing."""

_HELD_BYTES: Final = 64 << 20
_SMALL: Final = 1 << 13


class Shelf:
    """Pages of columns that were encoded lately.

    A column is known by where its values lie in memory, and is kept with its pages, so that nothing else comes to lie
    there. What was not taken for longest goes first, beyond about `held_bytes`.
    """

    def __init__(self, told: Told | None = None, held_bytes: int = _HELD_BYTES) -> None:
        """told: what is known of columns before they are encoded."""
        self._told = told or Told()
        self._room = held_bytes
        self._held: OrderedDict[Hashable, tuple[pa.ChunkedArray, Pages]] = OrderedDict()

    def pages(self, name: str, column: pa.ChunkedArray) -> Pages:
        """The pages of a column of a row group; how they are encoded follows from its name, type and values."""
        if column.null_count == len(column):
            return without_values(len(column), pa.types.is_list(column.type))
        as_it_stands, bounded = name in DIGESTS, name in BOUNDED
        key = (*_kind(column.type), as_it_stands, bounded, *map(place_of, column.chunks))
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key][1]
        array, told = self._whole(column)
        pages = pages_of(array, compressible=not as_it_stands, bounded=bounded, told=told)
        self._keep(key, column, pages)
        return pages

    def _whole(self, column: pa.ChunkedArray) -> tuple[pa.Array, Distinct | None]:
        """A column as one array, and its distinct values where they are known or follow from those of its chunks."""
        if column.num_chunks == 1 and (told := self._told.of(column.chunk(0))) is not None:
            return column.chunk(0), told
        if all(map(can_be_joined, column.chunks)):
            told = joined(column.chunks)
            return told.encoded(), told
        several = [written_out(chunk) for chunk in column.chunks]
        return several[0] if len(several) == 1 else pa.concat_arrays(several), None

    def encoded(self, rows: pa.Table) -> pa.Table:
        """The rows with dictionaries of Arrow for the columns whose distinct values are known."""
        return pa.table(list(map(self._encoded, rows.columns)), names=rows.column_names)

    def _encoded(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        chunks = [self._told.encoded(chunk) for chunk in column.chunks]
        kinds = {chunk.type for chunk in chunks}
        return pa.chunked_array(chunks) if len(kinds) == 1 else column

    def _keep(self, key: Hashable, column: pa.ChunkedArray, pages: Pages) -> None:
        self._held[key] = column, pages
        self._room -= _size(column, pages)
        while self._room < 0:
            _, dropped = self._held.popitem(last=False)
            self._room += _size(*dropped)


def _kind(type_: pa.DataType) -> tuple[int, ...]:
    """What says of columns at the same place in memory whether they have the same pages."""
    inner = getattr(type_, "value_type", None)  # of a list or dictionary
    return (type_.id,) if inner is None else (type_.id, inner.id)


def _size(column: pa.ChunkedArray, pages: Pages) -> int:
    return int(column.get_total_buffer_size()) + pages.size


class FileWriter:
    """One file of a schema, in memory. Raises ConfigError (PART_SCHEMA) for a type that no part holds."""

    def __init__(self, schema: pa.Schema, shelf: Shelf) -> None:
        self._layout, self._shelf = parquet.layout_of(schema), shelf
        self._pieces: list[Buffer] = []
        self._small: list[Buffer] = [parquet.MAGIC]
        self._hashed = hashlib.sha256()
        self._groups: list[bytes] = []
        self.size = len(parquet.MAGIC)
        self.rows = 0

    def write(self, group: pa.Table) -> None:
        """Adds a row group of that schema, with one row at least."""
        leaves, offset, columns = self._layout.leaves, self.size, []
        for leaf, column in zip(leaves, group.columns, strict=True):
            pages = self._shelf.pages(leaf.name, column)
            columns.append(pages)
            self._add(pages.data)
            self.size += pages.size
        self._groups.append(parquet.row_group(leaves, columns, group.num_rows, offset, len(self._groups)))
        self.rows += group.num_rows

    def finish(self) -> tuple[list[Buffer], str]:
        """The whole file, in pieces that follow one another: what is large is not copied; and its SHA-256, 64
        hexadecimal digits."""
        footer = parquet.footer(self._layout, self._groups, self.rows)
        self.size += len(footer)
        self._add([footer])
        self._end_small()
        return self._pieces, self._hashed.hexdigest()

    def _add(self, pieces: Iterable[Buffer]) -> None:
        for piece in pieces:
            if len(piece) < _SMALL:
                self._small.append(piece)
            else:
                self._end_small()
                self._end(piece)

    def _end_small(self) -> None:
        """Small pieces that follow one another become one."""
        if self._small:
            self._end(b"".join(self._small))
            self._small = []

    def _end(self, piece: Buffer) -> None:
        """A piece is hashed where it was made, not when the file ends: the processor's caches hold it still."""
        self._pieces.append(piece)
        self._hashed.update(piece)
