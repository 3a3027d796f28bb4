"""An inventory file in place of a listing: text, CSV, S3 Inventory, Parquet; each may be compressed, Parquet apart."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, BinaryIO
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.contract import RawObject
from connectors.errors import ConfigError
from connectors.storage.addresses import check_bucket
from connectors.storage.compression import HEAD_BYTES, Expansion, decompressed, kind
from connectors.storage.opening import Roots, local_path
from connectors.storage.options import StorageOptions
from connectors.storage.store import PAGE_OBJECTS

NAMES = {
    "uri": "uri",
    "bucket": "bucket",
    "key": "key",
    "size": "size",
    "etag": "etag",
    "e_tag": "etag",
    "modified": "modified",
    "last_modified": "modified",
    "last_modified_date": "modified",
    "lastmodifieddate": "modified",
    "is_latest": "is_latest",
    "islatest": "is_latest",
    "is_delete_marker": "is_delete_marker",
    "isdeletemarker": "is_delete_marker",
}
"""Column names that are understood → what they are."""

_FLAGS = ("true", "false")

Row = Mapping[str, Any]


def read(path: str, options: StorageOptions | None = None) -> Iterator[list[RawObject]]:
    """The objects that the file at `path` (local or s3://) names, in its order, in pages.

    Text: a URI a line. CSV: with a header of NAMES (`uri`, or `bucket` and `key`, is needed; times in ISO 8601 or
    microseconds since 1970), or an S3 Inventory file (no header; bucket, URL-encoded key, then what was chosen). A
    first line of NAMES alone, or with one of them behind the second, is a header: S3 Inventory has no such values.
    Parquet: columns of NAMES. Old versions and delete markers are passed over. What a line leaves out (size, etag),
    and everything about local files, is looked up; an object that is not there is given with size 0, so that it shows
    as deferred. Raises ConfigError INVENTORY_INVALID with the line, TransientError, AccessError.
    """
    roots = Roots(options)
    store, key = roots.locate(path)
    if store.get_range(key, 0, 4) == b"PAR1":
        rows = _parquet_rows(store.stream(key), path)
    else:
        rows = _text_rows(store.stream(key), path)
    objects = (_object(row, n, path) for n, row in enumerate(rows, 1) if _is_current(row))
    with ThreadPoolExecutor(16, "inventory") as threads:
        while page := list(islice(objects, PAGE_OBJECTS)):
            # A task of a thread costs more than reading a row, so those that tell enough are passed by.
            missing = [n for n, raw in enumerate(page) if raw.size < 0]
            for n, found in zip(missing, threads.map(lambda n: _looked_up(page[n], roots), missing), strict=True):
                page[n] = found
            yield page


def _text_rows(blocks: Iterator[bytes], path: str) -> Iterator[Row]:
    first = next(blocks, b"")
    blocks = chain((first,), blocks)
    if found := kind(first[:HEAD_BYTES]):
        blocks = decompressed(found, blocks, Expansion(), path)
    text = io.TextIOWrapper(io.BufferedReader(_Blocks(blocks)), encoding="utf-8-sig", newline="")
    try:
        lines = iter(text)
        head = next(lines, "")
        lines = chain((head,), lines)
        fields = next(csv.reader([head]), [])
        names = [NAMES.get(f.strip().lower()) for f in fields]
        if "uri" in names or ("bucket" in names and "key" in names):
            next(lines)
            yield from _csv_rows(lines, names)
        elif _is_uri(head) or len(fields) < 2:
            yield from ({"uri": stripped} for line in lines if (stripped := line.rstrip("\r\n")))
        elif all(names) or any(names[2:]):
            raise ConfigError("INVENTORY_INVALID", f"the header of {path} names neither uri nor bucket and key")
        else:
            yield from _encoded(_csv_rows(lines, _inventory_names(fields)))
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError("INVENTORY_INVALID", f"{path} is neither UTF-8 text nor CSV nor Parquet") from None


def _csv_rows(lines: Iterable[str], names: list[str | None]) -> Iterator[Row]:
    for values in csv.reader(lines):
        if values:
            yield {name: value for name, value in zip(names, values, strict=False) if name}


def _encoded(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        yield {**row, "key": unquote_plus(row.get("key", ""))}


def _inventory_names(fields: list[str]) -> list[str | None]:
    """The columns of an S3 Inventory file, which has no header, by what stands in its first line."""
    names: list[str | None] = ["bucket", "key"]
    if len(fields) > 4 and fields[3] in _FLAGS and fields[4] in _FLAGS:
        names += [None, "is_latest", "is_delete_marker"]
    shapes = {"size": r"\d+|", "modified": r"\d{4}-\d\d-\d\dT.*", "etag": r"[0-9a-fA-F]{32}(-\d+)?"}
    for value in fields[len(names) :]:
        found = next((n for n, shape in shapes.items() if n not in names and re.fullmatch(shape, value)), None)
        names.append(found)
    return names


def _parquet_rows(blocks: Iterator[bytes], path: str) -> Iterator[Row]:
    with tempfile.TemporaryFile() as copy:
        for block in blocks:
            copy.write(block)
        copy.seek(0)
        yield from _parquet_file_rows(copy, path)


def _parquet_file_rows(file: BinaryIO, path: str) -> Iterator[Row]:
    try:
        parquet = pq.ParquetFile(file)
    except pa.ArrowInvalid:
        raise ConfigError("INVENTORY_INVALID", f"{path} begins like Parquet and is not") from None
    columns = {name: NAMES[name.lower()] for name in parquet.schema_arrow.names if name.lower() in NAMES}
    for batch in parquet.iter_batches(PAGE_OBJECTS, columns=list(columns)):
        renamed = pa.table(batch.columns, [columns[name] for name in batch.schema.names])
        yield from renamed.to_pylist()


def _is_uri(line: str) -> bool:
    return line.startswith(("s3://", "/", "file://", "./", "../"))


def _is_current(row: Row) -> bool:
    return str(row.get("is_latest", True)).lower() != "false" and str(row.get("is_delete_marker")).lower() != "true"


def _object(row: Row, line: int, path: str) -> RawObject:
    """The object of a row. size -1 where the row does not tell enough."""
    uri = row.get("uri") or (f"s3://{row['bucket']}/{row['key']}" if row.get("bucket") and row.get("key") else "")
    try:
        if not uri:
            raise ValueError
        if not uri.startswith("s3://"):
            return RawObject(local_path(uri), -1, 0)
        check_bucket(uri.removeprefix("s3://").partition("/")[0])
        size, etag = row.get("size"), row.get("etag") or ""
        if size in (None, "") or not etag:
            return RawObject(uri, -1, 0)
        return RawObject(uri, int(size), _microseconds(row.get("modified")), f'"{etag.strip(chr(34))}"')
    except (ValueError, TypeError, ConfigError):
        raise ConfigError(
            "INVENTORY_INVALID", f"{path}: row {line} names no object, or its size or time is none"
        ) from None


def _microseconds(value: Any) -> int:
    if value in (None, ""):
        return 0
    if isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
        return int(value)
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def _looked_up(raw: RawObject, roots: Roots) -> RawObject:
    store, key = roots.locate(raw.uri)
    return store.head(key) or raw._replace(size=0)


class _Blocks(io.RawIOBase):
    """An iterator of blocks as a file."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held:
            self._held = memoryview(next(self._blocks, b""))
        taken = min(len(buffer), len(self._held))
        buffer[:taken] = self._held[:taken]
        self._held = self._held[taken:]
        return taken
