"""What stands in the lake under the keys that come again."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from connectors.contract import LINEAGE, TableSpec
from connectors.lake import QUARANTINE
from connectors.lake.quarantine import history, open_spans
from connectors.registry import connector
from jobs.access import Access
from jobs.plan import Bundle
from jobs.privacy.engine import deidentify
from jobs.privacy.keys import load
from jobs.work import Known

NAMES = TableSpec("names", "Names of objects.", LINEAGE, patient_key="")


def known_records(access: Access, packed: Sequence[Bundle]) -> Known | None:
    """The records that are written and the spans that are quarantined under the keys that come again, if any does."""
    uris = pa.array([s.object.uri for bundle in packed for s in bundle.spans if s.again], pa.string())
    if not len(uris):
        return None
    records = connector(access.work.format).record_table
    names = object_names(access, uris)
    held = access.lake.rows_of(access.zone, QUARANTINE.name, uris, QUARANTINE.schema.names, keys=uris)
    return Known(
        access.lake.record_ids(access.zone, records, names, keys=uris),
        open_spans(history(held)),
        dict(zip(uris.to_pylist(), names.to_pylist(), strict=True)),
        access.lake.head()[0],
    )


def object_names(access: Access, uris: pa.Array) -> pa.Array:
    """Object keys as they stand in `_object` of the zone."""
    if access.work.policy is None or access.work.keys is None:
        return uris
    count = len(uris)
    columns = {"_object": uris, "_offset": pa.repeat(0, count), "_length": pa.repeat(0, count)}
    columns["_record_id"] = pa.repeat(pa.scalar(bytes(32), pa.binary()), count)
    named = pa.table([columns[f.name] for f in NAMES.schema], schema=NAMES.schema)
    released = deidentify(named, NAMES, access.work.policy, load(access.work.keys))
    return released["_object"].combine_chunks()
