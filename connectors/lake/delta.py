"""Delta tables over the parts that the log names: each entry becomes one commit a table, in the log's order.

What deltalake does with application transactions is pinned by tests/lake/test_lake_delta.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from connectors.errors import AccessError, ClinrayError, ConfigError, LakeError, TransientError
from connectors.lake.delta_actions import (
    APPLICATION,
    CHECKPOINT_EVERY,
    ENTRY,
    PROTOCOL,
    Action,
    addition,
    creation,
    ended_ms,
    statistics,
)
from connectors.lake.files import read_footer
from connectors.lake.layout import entry_key, table_uri
from connectors.lake.log import Entry
from connectors.lake.parts import Part
from connectors.storage import Store

ATTEMPTS = 100
"""How often a commit that lost to another is tried again; each loss means that another one went on."""


@dataclass(frozen=True)
class Head:
    """Where a table stood when it was made, looked at or appended to: the number of its last commit, the last entry,
    the columns. That others committed since then is found out by the next commit, whose number is taken."""

    version: int
    entry: int
    columns: frozenset[str]


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


def check(store: Store, path: str, known: int) -> None:
    """Raises LakeError (TABLE_AHEAD) if the table holds an entry that the log lacks, TransientError as `bring_up` does.

    known: number of the last entry that was read.
    """
    try:
        table = open_table(store, path)
    except DeltaError as error:
        raise _failed(path, error) from None
    if table is not None:
        _check_at(store, path, at_entry(table), known)


def _check_at(store: Store, path: str, at: int, known: int) -> None:
    # An entry stands before a table is brought up to it, so one that others made just now is there by this look.
    if at > known and store.head(entry_key(at)) is None:
        raise LakeError(
            "TABLE_AHEAD", f"the Delta table {path} is at entry {at}, which the log lacks; run clinray verify"
        )


def create(store: Store, path: str, schema: pa.Schema, known: int | None = None) -> Head | None:
    """Make the table empty unless it exists, and add the columns that it lacks. Its head, as `_head` says it.

    known: as in `check`, which one that exists then passes.
    """
    for _ in range(ATTEMPTS):
        try:
            table = open_table(store, path)
            if table is None:
                if _commit(store, path, 0, creation(schema)):
                    return Head(0, 0, frozenset(schema.names))
                continue
            if known is not None:
                _check_at(store, path, at_entry(table), known)
            if not (missing := _missing(table, schema)):
                return _head(table)
            table.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise _failed(path, error) from None
    raise TransientError("TABLE_BUSY", f"the Delta table {path} was changed by others all the time; run again")


def _head(table: DeltaTable) -> Head | None:
    """None where the table wants more of a writer than is done here, so that deltalake has to append."""
    wanted = table.protocol()
    if {"minReaderVersion": wanted.min_reader_version, "minWriterVersion": wanted.min_writer_version} != PROTOCOL:
        return None
    return Head(table.version(), at_entry(table), frozenset(field.name for field in table.schema().fields))


def bring_up(store: Store, path: str, entries: Sequence[Entry], parts: Callable[[Entry], Sequence[Part]]) -> int:
    """Append to the table what the entries name and it does not hold yet; how many commits this made.

    entries: in the log's order, up to the one that is wanted. parts: of an entry, of this table. Two at once are
    harmless: a commit on a handle that is not fresh fails.
    Raises TransientError if the store does not answer or others are always first, LakeError if a part is missing or the
    table holds an entry that the log lacks (TABLE_AHEAD).
    """
    made = failed = 0
    while failed < ATTEMPTS:
        try:
            table = open_table(store, path)
            if table is None:
                create(store, path, _schema(store, parts(entries[0])))
                continue
            last = at_entry(table)
            _check_at(store, path, last, entries[-1].number)
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
    ended = ended_ms(entry)
    actions: list[AddAction | RemoveAction] = [
        AddAction(part.path.rpartition("/")[2], part.bytes, {}, ended, True, statistics(part)) for part in parts
    ]
    properties = CommitProperties(
        custom_metadata={ENTRY: entry.sha256}, app_transactions=[Transaction(APPLICATION, entry.number)]
    )
    # Deleting old commits would take a right that a run needs nowhere else, and the history with them.
    afterwards = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
    table.create_write_transaction(
        actions, "append", table.schema(), commit_properties=properties, post_commithook_properties=afterwards
    )


def follow(
    store: Store, path: str, head: Head, entries: Sequence[Entry], parts: Callable[[Entry], Sequence[Part]]
) -> Head | None:
    """Append to the table, without reading it, what the one entry after its head names; the head then.

    None where that is not for this commit to do: more is behind, columns are missing, a checkpoint is due, or another
    commit has the number. Then nothing was committed, and `bring_up` does it. Raises as it does.
    """
    behind, version = [entry for entry in entries if entry.number > head.entry], head.version + 1
    if len(behind) != 1 or (version + 1) % CHECKPOINT_EVERY == 0:
        return None
    files = parts(behind[0])
    if not head.columns.issuperset(_schema(store, files).names):
        return None
    if not _commit(store, path, version, addition(behind[0], files)):
        return None
    return Head(version, behind[0].number, head.columns)


def _commit(store: Store, path: str, version: int, actions: Sequence[Action]) -> bool:
    """Make the commit of this number, unless there is one. Returns whether this call made it."""
    try:
        data = "\n".join(map(json.dumps, actions)).encode()
        return store.put_if_absent(f"{path}/_delta_log/{version:020}.json", data)
    except (AccessError, ConfigError, TransientError) as error:
        raise _failed(path, error) from None


def _missing(table: DeltaTable, schema: pa.Schema) -> list[pa.Field]:
    held = {field.name for field in table.schema().fields}
    return [field for field in schema if field.name not in held]


def _schema(store: Store, parts: Sequence[Part]) -> pa.Schema:
    """The schema of the first part; all parts of a table in one entry have the same."""
    found = read_footer(store, parts[0].path, parts[0].bytes)
    if found is None:
        raise LakeError("PART_MISSING", f"{parts[0].path} is named by the log and not in the lake; run clinray verify")
    return found.schema.to_arrow_schema()


def _failed(path: str, error: DeltaError | OSError | ClinrayError) -> TransientError:
    kind = type(error).__name__
    return TransientError("TABLE_COMMIT", f"the Delta table {path} could not be read or written ({kind})")
