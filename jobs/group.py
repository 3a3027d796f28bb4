"""A stage apart: the parts that one bundle left in a zone, through the stage, into the next zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from connectors.contract import Connector, TableSpec
from connectors.lake import Part
from connectors.lake.files import read_parquet
from connectors.lake.quarantine import QUARANTINED, RESOLVED
from connectors.registry import connector
from connectors.storage import Store, open_store
from jobs.leaves import Leaves
from jobs.names import bundle_name
from jobs.outcomes import Packed, SpanOutcome, table_of
from jobs.outlet import Outlet, quarantine_rows
from jobs.plan import Bundle
from jobs.privacy.keys import Keyring, opened
from jobs.records import only
from jobs.stage_retry import open_records
from jobs.stages import Validated, deidentify_tables, rejected, validate, written_schemas
from jobs.work import Known, Work


def process_parts(bundle: Bundle, work: Work, again: Known | None = None) -> Leaves:
    """One stage over the rows of a bundle's parts. Raises AccessError and ConfigError, which stop the run.

    again: the bundle was done before; then the records in its open spans are tried again, and no others.
    """
    store = open_store(work.lake, work.lake_options)
    reader = connector(work.format)
    read = {name: _rows(store, bundle.parts, spec) for name, spec in sorted(reader.tables.items())}
    records = read[reader.record_table]
    tried = read if again is None else only(read, reader.record_table, open_records(records, again))
    checked = validate(tried, reader, work.min_score) if work.validate else Validated(tried, records.slice(0, 0))
    keys = opened(work.keys) if work.keys is not None else None
    name = bundle_name(bundle.identity, keys, again.head if again else None)
    outlet = Outlet(store, work.zone, name, written_schemas(reader, work.policy), work.part_bytes)
    kept = checked.tables[reader.record_table]
    outlet.quarantine(_spans(checked.left_out, work, QUARANTINED) if again is None else _spans(kept, work, RESOLVED))
    outlet.write(_released(checked.tables, reader, work, keys))
    parts = outlet.close()
    rows: dict[str, int] = {}
    for part in parts:
        rows[part.table] = rows.get(part.table, 0) + part.rows
    outcome = _outcome(bundle, kept, checked.left_out)
    outcome = outcome if again is None else _repeated(outcome, records)
    return Leaves(bundle.index, name, parts, Packed.of(table_of([outcome])), rows)


def _spans(records: pa.Table, work: Work, state: str) -> pa.Table:
    """Rows of the quarantine, in one of its states, of rows of the record table."""
    return quarantine_rows(rejected(records, np.zeros(len(records), np.int64)), work.format, work.zone, state)


def _rows(store: Store, parts: Sequence[Part], spec: TableSpec) -> pa.Table:
    """The rows of a table in the order in which they were written."""
    files = (store.get(part.path) for part in parts if part.table == spec.name)
    tables = [read_parquet(data) for data in files]
    named = [table.select(spec.schema.names).cast(spec.schema) for table in tables]
    return pa.concat_tables([spec.empty, *named])


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


def _repeated(tried: SpanOutcome, records: pa.Table) -> SpanOutcome:
    """The outcome of a bundle of which some records were tried again: the others, and those that are quarantined
    still, count as duplicate. records: of the whole bundle."""
    still, size = tried.quarantined, int(records["_length"].to_numpy().sum())
    return replace(
        tried,
        outcome="quarantined" if still == len(records) else "written",
        read=len(records),
        quarantined=0,
        duplicate=len(records) - tried.written,
        still_quarantined=still,
        resolved=tried.written,
        record_bytes=size - tried.quarantined_bytes,
    )
