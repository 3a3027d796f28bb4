"""Files of the lake as pyarrow reads them: by ranges, whatever the store."""

from __future__ import annotations

import io
from collections.abc import Container, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.contract import RawObject
from connectors.errors import ObjectChanged
from connectors.lake.layout import RESTRICTED, RUNS, ZONES, key_of
from connectors.storage import Store

DELTA_LOG = "/_delta_log/"
FOLDERS = (RESTRICTED, *(folder for folder in ZONES.values() if not folder.startswith(f"{RESTRICTED}/")))
"""Where parts and files of inputs stand."""


class RangedFile(io.RawIOBase):
    """A file of a store, of which only what is read is fetched."""

    def __init__(self, store: Store, path: str, size: int) -> None:
        super().__init__()
        self._store, self._path, self._size, self._at = store, path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._at + size)
        data = self._store.get_range(self._path, self._at, end) if end > self._at else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_part(store: Store, path: str, size: int) -> pq.ParquetFile:
    """A part as a Parquet file. Raises ObjectChanged if it is gone, ArrowInvalid if it is no Parquet."""
    return pq.ParquetFile(pa.PythonFile(RangedFile(store, path, size), mode="r"))


def read_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a Parquet file in memory, read by the calling thread alone.

    pyarrow's read_table hands the bytes to threads of its own. One that lets go of them while the interpreter ends
    aborts the process (exit 134) after its work is done.
    """
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(columns=list(columns) if columns is not None else None, use_threads=False)


def read_footer(store: Store, path: str, size: int) -> pq.FileMetaData | None:
    """What the part's footer says, or None if the part is gone."""
    try:
        return open_part(store, path, size).metadata
    except ObjectChanged:
        return None


def excludes(group: pq.RowGroupMetaData, column: str, wanted: pa.Array) -> bool:
    """Whether the statistics of a row group say that no row of the (text) column is one of the wanted values."""
    columns = (group.column(n) for n in range(group.num_columns))
    statistics = next((c.statistics for c in columns if c.path_in_schema == column), None)
    if statistics is None or not statistics.has_min_max:
        return False
    bounds = pc.min_max(wanted)
    return bool(statistics.max < bounds["min"].as_py() or statistics.min > bounds["max"].as_py())


def unnamed_files(store: Store, named: Container[str]) -> Iterator[tuple[str, RawObject]]:
    """Key and listing of every file that a lake's log could name and does not, of the files of Delta's logs, and
    of files that writers left unfinished."""
    for folder in (*FOLDERS, RUNS):
        for page in store.list(folder):
            for raw in page:
                key = key_of(store, raw)
                if key not in named and (folder != RUNS or key.startswith(f"{RUNS}/leaves-")):
                    yield key, raw
        for page in store.unfinished(folder):
            for raw in page:
                yield key_of(store, raw), raw
