"""Known identified values, looked for in everything of a lake that analysts may read, and in logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.errors import AccessError, ConfigError
from connectors.lake import Lake
from connectors.lake.layout import RESTRICTED, key_of
from connectors.storage import StorageOptions, Store

SHORTEST = 4
"""Shorter values stand in any text by chance."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A value that was found. line: its line in the file of values, from 1; the value itself is not said.

    place: key in the lake or path of a log. column: of a Parquet file, else empty. rows: how many hold it.
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
    """Every value that stands in the lake outside `restricted/`, in a file's name, or in a file below `logs`."""
    store = Lake.open(lake, options).store
    found: list[Leak] = []
    for page in store.list():
        for raw in page:
            key = key_of(store, raw)
            if not key.startswith(f"{RESTRICTED}/"):
                found += _in_file(store, key, values)
    for folder in logs:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
            found += _in_bytes(path.read_bytes() + path.name.encode(), str(path), values)
    return found


def _in_file(store: Store, key: str, values: Sequence[str]) -> Iterator[Leak]:
    data = store.get(key)
    yield from _in_bytes(key.encode() + b"\n" + data, key, values)
    if key.endswith(".parquet"):
        yield from _in_table(pq.read_table(pa.BufferReader(data)), key, values)


def _in_bytes(data: bytes, place: str, values: Sequence[str]) -> Iterator[Leak]:
    for line, value in enumerate(values, 1):
        if value.encode() in data:
            yield Leak(line, place, "", 1)


def _in_table(table: pa.Table, place: str, values: Sequence[str]) -> Iterator[Leak]:
    any_value = "|".join(re.escape(value) for value in values)
    for column in table.column_names:
        texts = _texts(table[column])
        if texts is None or not pc.any(pc.match_substring_regex(texts, any_value)).as_py():
            continue
        for line, value in enumerate(values, 1):
            rows = pc.sum(pc.match_substring(texts, value)).as_py() or 0
            if rows:
                yield Leak(line, place, column, rows)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array | None:
    """The distinct values of a column as text; None where it holds no text."""
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if pa.types.is_binary(column.type):
        valid = [v for v in pc.unique(column).to_pylist() if v is not None]
        return pa.array([v.decode("latin-1") for v in valid], pa.string())
    if not pa.types.is_string(column.type):
        return None
    return pc.unique(column)
