"""What commits of a Delta table say, as lines of its log: made here, they need no look at the table."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from deltalake import Schema

from connectors.lake.log import Entry
from connectors.lake.parts import Part

APPLICATION = "clinray"
ENTRY = "clinray.entry"
"""Where a commit says which entry it is of."""

CHECKPOINT_EVERY = 10
CONFIGURATION = {"delta.appendOnly": "true", "delta.checkpointInterval": str(CHECKPOINT_EVERY)}
"""Without checkpoints every reader, and every commit, parses all commits before it."""

PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}
"""What a table wants of those who read and write it."""

PROTOCOL_OF_LOCAL_TIMES = {
    "minReaderVersion": 3,
    "minWriterVersion": 7,
    "readerFeatures": ["timestampNtz"],
    "writerFeatures": ["appendOnly", "timestampNtz"],
}
"""The same where a column holds times without a zone."""

Action = Mapping[str, Any]


def creation(schema: pa.Schema) -> Sequence[Action]:
    """What makes a table: its columns with their metadata, and no rows.

    DeltaTable.create writes the same, but takes 6 ms of a processor that the tasks wait for.
    """
    fields, now = Schema.from_arrow(schema).to_json(), _now()
    metadata = {
        "id": str(uuid.uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": fields,
        "partitionColumns": [],
        "createdTime": now,
        "configuration": CONFIGURATION,
    }
    return (
        {"commitInfo": {"timestamp": now, "operation": "CREATE TABLE", "operationParameters": {}}},
        {"protocol": PROTOCOL_OF_LOCAL_TIMES if '"timestamp_ntz"' in fields else PROTOCOL},
        {"metaData": metadata},
    )


def addition(entry: Entry, parts: Sequence[Part]) -> Sequence[Action]:
    """What adds the parts of an entry to a table: what deltalake writes of the same."""
    ended = ended_ms(entry)
    about = {"timestamp": _now(), "operation": "WRITE", "operationParameters": {"mode": "Append"}}
    added = (
        {
            "path": part.path.rpartition("/")[2],
            "partitionValues": {},
            "size": part.bytes,
            "modificationTime": ended,
            "dataChange": True,
            "stats": statistics(part),
        }
        for part in parts
    )
    return (
        {"commitInfo": {**about, ENTRY: entry.sha256}},
        *({"add": add} for add in added),
        {"txn": {"appId": APPLICATION, "version": entry.number}},
    )


def _now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def ended_ms(entry: Entry) -> int:
    """Milliseconds since 1970."""
    return round(datetime.fromisoformat(entry.content["ended"]).timestamp() * 1000)


def statistics(part: Part) -> str:
    return json.dumps({"numRecords": part.rows})
