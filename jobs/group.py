"""A stage apart: the parts that one bundle left in a zone, through the stage, into the next zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from connectors.contract import Connector, TableSpec
from connectors.lake import Part
from connectors.lake.files import read_parquet
from connectors.registry import connector
from connectors.storage import Store, open_store
from jobs.leaves import Leaves, SpanOutcome
from jobs.names import bundle_name
from jobs.outlet import Outlet, quarantine_rows
from jobs.plan import Bundle
from jobs.privacy.keys import Keyring, opened
from jobs.stages import Validated, deidentify_tables, rejected, validate, written_schemas
from jobs.work import Work


def process_parts(bundle: Bundle, work: Work) -> Leaves:
    """One stage over the rows of a bundle's parts. Raises AccessError and ConfigError, which stop the run."""
    store = open_store(work.lake, work.lake_options)
    reader = connector(work.format)
    read = {name: _rows(store, bundle.parts, spec) for name, spec in sorted(reader.tables.items())}
    checked = validate(read, reader, work.min_score) if work.validate else Validated(read, _no_rows(read, reader))
    keys = opened(work.keys) if work.keys is not None else None
    name = bundle_name(bundle.identity, keys)
    outlet = Outlet(store, work.zone, name, written_schemas(reader, work.policy), work.part_bytes)
    low = rejected(checked.left_out, np.zeros(checked.left_out.num_rows, np.int64))
    outlet.quarantine(quarantine_rows(low, work.format, work.zone))
    outlet.write(_released(checked.tables, reader, work, keys))
    parts = outlet.close()
    rows: dict[str, int] = {}
    for part in parts:
        rows[part.table] = rows.get(part.table, 0) + part.rows
    outcome = _outcome(bundle, checked.tables[reader.record_table], checked.left_out)
    return Leaves(bundle.index, name, parts, (outcome,), rows)


def _rows(store: Store, parts: Sequence[Part], spec: TableSpec) -> pa.Table:
    """The rows of a table in the order in which they were written."""
    files = (store.get(part.path) for part in parts if part.table == spec.name)
    tables = [read_parquet(data) for data in files]
    named = [table.select(spec.schema.names).cast(spec.schema) for table in tables]
    return pa.concat_tables([spec.schema.empty_table(), *named])


def _no_rows(tables: Mapping[str, pa.Table], reader: Connector) -> pa.Table:
    return tables[reader.record_table].slice(0, 0)


def _released(
    tables: Mapping[str, pa.Table], reader: Connector, work: Work, keys: Keyring | None
) -> Mapping[str, pa.Table]:
    if work.policy is None or keys is None:
        return tables
    return deidentify_tables(tables, reader, work.policy, keys)


def _outcome(bundle: Bundle, kept: pa.Table, left_out: pa.Table) -> SpanOutcome:
    raw = bundle.spans[0].object
    written, quarantined = kept.num_rows, left_out.num_rows
    return SpanOutcome(
        raw,
        0,
        None,
        "quarantined" if quarantined and not written else "written",
        sha256=bytes.fromhex(raw.etag),
        read=written + quarantined,
        written=written,
        quarantined=quarantined,
        record_bytes=int(kept["_length"].to_numpy().sum()),
        quarantined_bytes=int(left_out["_length"].to_numpy().sum()),
    )
