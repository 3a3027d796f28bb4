"""Known identified values, looked for in everything of a lake that analysts may read, and in logs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import AccessError, ConfigError
from connectors.lake import Lake
from connectors.lake.files import read_parquet
from connectors.lake.layout import RESTRICTED, key_of
from connectors.storage import StorageOptions, Store

SHORTEST = 4
"""Shorter values stand in any text by chance."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A value that was found. line: its line in the file of values, from 1; the value itself is not said.

    place: key in the lake or path of a log. column: of a Parquet file, and rows: how many of its rows hold the value;
    empty and 0 where it stands in a file's name or bytes.
    """

    line: int
    place: str
    column: str
    rows: int


def read_values(path: Path) -> list[str]:
    """A value a line. Raises AccessError, ConfigError (LEAK_VALUES) for values too short to mean anything."""
    try:
        values = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise AccessError("LEAK_FILE", f"the file of values {path} cannot be read as text") from None
    if not values or any(len(value) < SHORTEST for value in values):
        raise ConfigError(
            "LEAK_VALUES", f"the file of values {path} wants a value of {SHORTEST} characters or more a line"
        )
    return values


def find_leaks(lake: str, options: StorageOptions, values: Sequence[str], logs: Iterable[Path]) -> list[Leak]:
    """Every value that stands in the lake outside `restricted/`, in a file's name, or in a file below `logs`.

    Raises AccessError (LEAK_LOGS) where there are no such logs or they cannot be read: nothing would be found in them.
    """
    files = [path for place in logs for path in _files(place)]
    store = Lake.open(lake, options).store
    found: list[Leak] = []
    for page in store.list():
        for raw in page:
            key = key_of(store, raw)
            if not key.startswith(f"{RESTRICTED}/"):
                found += _in_file(store, key, values)
    for path in files:
        found += _in_bytes(_bytes_of(path) + path.name.encode(), str(path), values)
    return found


def _files(place: Path) -> list[Path]:
    """The files of a folder and those below it; one file is itself."""
    try:
        if place.is_file():
            return [place]
        if not place.is_dir():
            raise AccessError("LEAK_LOGS", f"there are no logs {place}")
        below = [Path(folder, name) for folder, _, names in os.walk(place, onerror=_raised) for name in names]
        return sorted(path for path in below if path.is_file() and not path.is_symlink())
    except OSError as error:
        raise _unreadable(Path(error.filename or place)) from None


def _raised(error: OSError) -> None:
    raise error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise _unreadable(path) from None


def _unreadable(path: Path) -> AccessError:
    return AccessError("LEAK_LOGS", f"the logs {path} cannot be read")


def _in_file(store: Store, key: str, values: Sequence[str]) -> Iterator[Leak]:
    data = store.get(key)
    yield from _in_bytes(key.encode() + b"\n" + data, key, values)
    if key.endswith(".parquet"):
        yield from _in_table(read_parquet(data), key, values)


def _in_bytes(data: bytes, place: str, values: Sequence[str]) -> Iterator[Leak]:
    for line, value in enumerate(values, 1):
        if value.encode() in data:
            yield Leak(line, place, "", 0)


def _in_table(table: pa.Table, place: str, values: Sequence[str]) -> Iterator[Leak]:
    any_value = "|".join(re.escape(value) for value in values)
    for column in table.column_names:
        found = _texts(table[column])
        if found is None or not pc.any(pc.match_substring_regex(found.texts, any_value)).as_py():
            continue
        for line, value in enumerate(values, 1):
            rows = found.rows_that_hold(pc.match_substring(found.texts, value))
            if rows:
                yield Leak(line, place, column, rows)


@dataclass(frozen=True)
class _Texts:
    """The distinct values of a column. texts: text[d]. which: int64 per value, its place in texts. row: int64 per
    value, the row it stands in."""

    texts: pa.Array
    which: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]

    def rows_that_hold(self, hit: pa.Array) -> int:
        """How many rows hold one of the distinct values that are hit (bool[d])."""
        hits = np.asarray(pc.fill_null(hit, False), dtype=np.bool_)
        return len(np.unique(self.row[hits[self.which]])) if hits.any() else 0


def _texts(column: pa.ChunkedArray) -> _Texts | None:
    """The column's values as text, nulls left out; None where it holds no text."""
    values = column.combine_chunks()
    row = pa.array(np.arange(len(values)))
    if pa.types.is_list(values.type):
        row, values = pc.list_parent_indices(values), pc.list_flatten(values)
    if not (pa.types.is_binary(values.type) or pa.types.is_string(values.type)):
        return None
    valid = pc.is_valid(values)
    encoded = values.filter(valid).dictionary_encode()
    texts = encoded.dictionary
    if pa.types.is_binary(texts.type):
        texts = pa.array([value.decode("latin-1") for value in texts.to_pylist()], pa.string())
    numbers = np.asarray(row.filter(valid), dtype=np.int64)
    return _Texts(texts, np.asarray(encoded.indices, dtype=np.int64), numbers)
