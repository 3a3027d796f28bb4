"""What stands in a lake's quarantine: the open spans, or all that were ever there, with their state."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.lake import QUARANTINE, ZONES, Lake
from connectors.lake.files import read_parquet
from connectors.lake.quarantine import history, spans_of


def quarantine_spans(lake: Lake, code: str | None = None, *, everything: bool = False) -> pa.Table:
    """SPANS that the log names: those that are open, or every one; of one code, or of all."""
    added: list[tuple[int, pa.Table]] = []
    for zone in ZONES:
        for group in lake.bundles(zone):
            files = (lake.store.get(part.path) for part in group.parts if part.table == QUARANTINE.name)
            added += [(group.entry, read_parquet(data)) for data in files]
    spans = spans_of(history(sorted(added, key=lambda numbered: numbered[0])))
    if not everything:
        spans = spans.filter(pc.is_null(spans["resolved_by"]))
    return spans if code is None else spans.filter(pc.equal(spans["code"], code))


def by_code(lake: Lake, *, everything: bool = False) -> list[dict[str, Any]]:
    """code, spans, records, objects, resolved (of the spans); the most frequent first."""
    held = quarantine_spans(lake, everything=everything)
    grouped = held.group_by("code", use_threads=False).aggregate(
        [([], "count_all"), ("records", "sum"), ("_object", "count_distinct"), ("resolved_by", "count")]
    )
    named = grouped.select(["code", "count_all", "records_sum", "_object_count_distinct", "resolved_by_count"])
    named = named.rename_columns(["code", "spans", "records", "objects", "resolved"])
    rows: list[dict[str, Any]] = named.sort_by([("spans", "descending"), ("code", "ascending")]).to_pylist()
    return rows


def spans(lake: Lake, code: str | None, limit: int, *, everything: bool = False) -> list[dict[str, Any]]:
    """code, object, offset, length, position, state, entry (that met it), resolved_by; by object and offset."""
    held = quarantine_spans(lake, code, everything=everything)
    held = held.sort_by([("_object", "ascending"), ("_offset", "ascending"), ("entry", "ascending")]).slice(0, limit)
    named = held.select(["code", "_object", "_offset", "_length", "position", "state", "entry", "resolved_by"])
    columns = ["code", "object", "offset", "length", "position", "state", "entry", "resolved_by"]
    rows: list[dict[str, Any]] = named.rename_columns(columns).to_pylist()
    return rows


def open_objects(lake: Lake, zone: str, code: str | None = None) -> list[str]:
    """The objects that hold open spans of a zone."""
    held = quarantine_spans(lake, code)
    keys: list[str] = pc.unique(held.filter(pc.equal(held["zone"], zone))["_object"]).to_pylist()
    return sorted(keys)
