"""Delta tables over the parts that the log names: each entry becomes one commit a table, in the log's order.

What deltalake does with application transactions is pinned by tests/lake/test_lake_delta.py.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from connectors.errors import LakeError, TransientError
from connectors.lake.files import read_footer
from connectors.lake.layout import table_uri
from connectors.lake.log import Entry
from connectors.lake.parts import Part
from connectors.storage import Store

APPLICATION = "clinray"
ATTEMPTS = 100
"""How often a commit that lost to another is tried again; each loss means that another one went on."""

CONFIGURATION = {"delta.appendOnly": "true", "delta.checkpointInterval": "10"}
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


def open_table(store: Store, path: str) -> DeltaTable | None:
    """A fresh handle, or None if there is no table. Raises TransientError if the store does not answer."""
    try:
        return DeltaTable(table_uri(store, path), storage_options=store.delta_options() or None)
    except TableNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, error) from None


def at_entry(table: DeltaTable) -> int:
    """The last entry that the table holds, 0 for none."""
    return int(table.transaction_version(APPLICATION) or 0)


def create(store: Store, path: str, schema: pa.Schema) -> None:
    """Make the table empty unless it exists, and add the columns that it lacks."""
    for _ in range(ATTEMPTS):
        try:
            table = open_table(store, path)
            if table is None:
                if store.put_if_absent(_commit_key(path, 0), _first_commit(schema)):
                    return
                continue
            if not (missing := _missing(table, schema)):
                return
            table.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise _failed(path, error) from None
    raise TransientError("TABLE_BUSY", f"the Delta table {path} was changed by others all the time; run again")


def bring_up(store: Store, path: str, entries: Sequence[Entry], parts: Callable[[Entry], Sequence[Part]]) -> int:
    """Append to the table what the entries name and it does not hold yet; how many commits this made.

    entries: in the log's order, up to the one that is wanted. parts: of an entry, of this table. Two at once are
    harmless: a commit on a handle that is not fresh fails.
    Raises TransientError if the store does not answer or others are always first, LakeError if a part is missing.
    """
    made = failed = 0
    while failed < ATTEMPTS:
        try:
            table = open_table(store, path)
            if table is None:
                create(store, path, _schema(store, parts(entries[0])))
                continue
            last = at_entry(table)
            behind = [entry for entry in entries if entry.number > last]
            if not behind:
                return made
            files = parts(behind[0])
            schema = _schema(store, files)
            if _missing(table, schema):
                create(store, path, schema)
                continue
            _append(table, behind[0], files)
            made, failed = made + 1, 0
            if len(behind) == 1:
                return made
        except CommitFailedError:
            failed += 1
        except (DeltaError, OSError) as error:
            raise _failed(path, error) from None
    raise TransientError("TABLE_BUSY", f"the Delta table {path} was changed by others all the time; run again")


def _append(table: DeltaTable, entry: Entry, parts: Sequence[Part]) -> None:
    ended = round(datetime.fromisoformat(entry.content["ended"]).timestamp() * 1000)
    actions: list[AddAction | RemoveAction] = [
        AddAction(part.path.rpartition("/")[2], part.bytes, {}, ended, True, json.dumps({"numRecords": part.rows}))
        for part in parts
    ]
    properties = CommitProperties(
        custom_metadata={"clinray.entry": entry.sha256}, app_transactions=[Transaction(APPLICATION, entry.number)]
    )
    # Deleting old commits would take a right that a run needs nowhere else, and the history with them.
    afterwards = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
    table.create_write_transaction(
        actions, "append", table.schema(), commit_properties=properties, post_commithook_properties=afterwards
    )


def _commit_key(path: str, version: int) -> str:
    return f"{path}/_delta_log/{version:020}.json"


def _first_commit(schema: pa.Schema) -> bytes:
    """What makes a table: its columns with their metadata, and no rows.

    DeltaTable.create writes the same actions, but takes 6 ms a table, while the tasks wait for the processor.
    """
    fields, now = Schema.from_arrow(schema).to_json(), time.time_ns() // 1_000_000
    metadata = {
        "id": str(uuid.uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": fields,
        "partitionColumns": [],
        "createdTime": now,
        "configuration": CONFIGURATION,
    }
    actions: tuple[Mapping[str, Any], ...] = (
        {"commitInfo": {"timestamp": now, "operation": "CREATE TABLE", "operationParameters": {}}},
        {"protocol": PROTOCOL_OF_LOCAL_TIMES if '"timestamp_ntz"' in fields else PROTOCOL},
        {"metaData": metadata},
    )
    return "\n".join(map(json.dumps, actions)).encode()


def _missing(table: DeltaTable, schema: pa.Schema) -> list[pa.Field]:
    held = {field.name for field in table.schema().fields}
    return [field for field in schema if field.name not in held]


def _schema(store: Store, parts: Sequence[Part]) -> pa.Schema:
    """The schema of the first part; all parts of a table in one entry have the same."""
    found = read_footer(store, parts[0].path, parts[0].bytes)
    if found is None:
        raise LakeError("PART_MISSING", f"{parts[0].path} is named by the log and not in the lake; run clinray verify")
    return found.schema.to_arrow_schema()


def _failed(path: str, error: DeltaError | OSError) -> TransientError:
    kind = type(error).__name__
    return TransientError("TABLE_COMMIT", f"the Delta table {path} could not be read or written ({kind})")
