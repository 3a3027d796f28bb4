"""What stands in a lake's quarantine."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.lake import QUARANTINE, ZONES, Lake
from connectors.storage import StorageOptions


def quarantine_table(uri: str, endpoint: str | None) -> pa.Table:
    """Every row of the quarantine that the log names."""
    lake = Lake.open(uri, StorageOptions(endpoint=endpoint))
    parts = [part for zone in ZONES for part in lake.parts(zone) if part.table == QUARANTINE.name]
    files = (lake.store.get(part.path) for part in parts)
    read = [pq.read_table(pa.BufferReader(data), use_threads=False).cast(QUARANTINE.schema) for data in files]
    return pa.concat_tables([QUARANTINE.schema.empty_table(), *read])


def by_code(uri: str, endpoint: str | None) -> list[dict[str, Any]]:
    """code, spans, records, objects; the most frequent first."""
    held = quarantine_table(uri, endpoint)
    grouped = held.group_by("code", use_threads=False).aggregate(
        [([], "count_all"), ("records", "sum"), ("_object", "count_distinct")]
    )
    named = grouped.select(["code", "count_all", "records_sum", "_object_count_distinct"])
    named = named.rename_columns(["code", "spans", "records", "objects"])
    rows: list[dict[str, Any]] = named.sort_by([("spans", "descending"), ("code", "ascending")]).to_pylist()
    return rows


def spans(uri: str, endpoint: str | None, code: str | None, limit: int) -> list[dict[str, Any]]:
    """code, object, offset, length, position of the spans, by object and offset."""
    held = _of_code(quarantine_table(uri, endpoint), code)
    held = held.sort_by([("_object", "ascending"), ("_offset", "ascending")]).slice(0, limit)
    named = held.select(["code", "_object", "_offset", "_length", "position"])
    rows: list[dict[str, Any]] = named.rename_columns(["code", "object", "offset", "length", "position"]).to_pylist()
    return rows


def objects(uri: str, endpoint: str | None, code: str | None) -> list[str]:
    """The objects that hold quarantined spans."""
    keys: list[str] = pc.unique(_of_code(quarantine_table(uri, endpoint), code)["_object"]).to_pylist()
    return sorted(keys)


def _of_code(held: pa.Table, code: str | None) -> pa.Table:
    return held if code is None else held.filter(pc.equal(held["code"], code))
