"""A draft becomes an entry: balance, leaves, root, entry N if absent, then one Delta commit a table."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors import merkle
from connectors.errors import FaultError
from connectors.lake.balance import check_balance
from connectors.lake.canonical import Json, canonical
from connectors.lake.feed import INGEST, check_feed, feed_of
from connectors.lake.head import check_head
from connectors.lake.inputs import DONE, SALT_BYTES, put_inputs, put_leaves, removed_of
from connectors.lake.layout import FORMAT, leaves_key
from connectors.lake.log import Entry, LostRace, PartsGone, RunLog
from connectors.lake.named import read_inputs, read_leaves
from connectors.lake.parts import Part
from connectors.parquet.format import CREATED_BY
from connectors.storage import Store

VACUUM = "vacuum"


@dataclass(frozen=True)
class Draft:
    """What a run wants to commit.

    inputs: in the schema INPUTS, one row for each object whose outcome this entry says. counts: `objects` {listed,
    written, done, quarantined, deferred}, `records` {read, written, quarantined, duplicate}, `bytes` {read, records,
    quarantined, envelope}. tables: table → rows in `parts`. planned: number of the log's head that the plan was made
    against; entries after it are searched for the same objects (None: the head that the lake's handle last read).
    removed: paths that a vacuum takes away. notes: values that canonical JSON can hold; they stand in the open.
    """

    zone: str
    run_id: str
    parts: Sequence[Part]
    inputs: pa.Table
    counts: Mapping[str, Mapping[str, int]]
    tables: Mapping[str, int]
    started: datetime
    ended: datetime
    kind: str = INGEST
    code_version: str = ""
    environment_digest: str = ""
    pipeline_digest: str = ""
    policy_digest: str = ""
    key_id: str = ""
    notes: Mapping[str, Json] = field(default_factory=dict)
    planned: int | None = None
    removed: Sequence[str] = ()


@dataclass(frozen=True)
class Files:
    """What an entry says of the files that it names: the SHA-256 of that of leaves and of that of inputs, if it has
    one, and the Merkle root over both."""

    leaves: str
    inputs: str | None
    root: str


@dataclass(frozen=True)
class Identity:
    """Of the lake and of the zone's binding, as entries carry them."""

    lake: str
    binding: str | None


def make_entry(store: Store, log: RunLog, draft: Draft, identity: Identity, signer: Ed25519PrivateKey) -> Entry:
    """Create the next entry of the log from the draft. When it returns, the draft is committed.

    Raises FaultError if the draft does not balance, LostRace if others took its objects, ConfigError if they feed the
    zone otherwise or are of a newer version, PartsGone if its parts are not all in the lake, LakeError if an entry of
    others is not signed or a file that it names is damaged; then nothing is committed.
    """
    check_balance(draft.counts, draft.tables, draft.parts, draft.inputs)
    planned = log.head[0] if draft.planned is None else draft.planned
    salt = secrets.token_hex(SALT_BYTES)
    while True:
        # A vacuum counts once, when it is first seen: parts that are written again after it are there to stay.
        others = log.refresh()
        if others:
            check_head(store, others[-1], identity.lake, signer.public_key())
        check_vacuumed(store, draft, others)
        check_race(store, draft, log.entries[planned:])
        entry = log.append(_content(draft, identity, _write_files(store, draft, salt)), signer)
        if entry is not None:
            return entry
        planned = log.head[0]


def check_vacuumed(store: Store, draft: Draft, others: Sequence[Entry]) -> None:
    """Raises PartsGone if one of the entries takes away a part of the draft."""
    vacuums = [other for other in others if other.kind == VACUUM]
    removed = {path for other in vacuums for path in removed_of(read_leaves(store, other.leaves))}
    if gone := removed.intersection(part.path for part in draft.parts):
        raise PartsGone(gone)


def check_race(store: Store, draft: Draft, others: Sequence[Entry]) -> None:
    """Raises LostRace if one of the entries took a key of the draft, or names a file that the draft would remove;
    ConfigError (ZONE_FED) if one feeds the zone otherwise."""
    ours = draft.inputs["key"].filter(pc.is_in(draft.inputs["outcome"], value_set=pa.array(DONE)))
    removed = set(draft.removed)
    for other in others:
        if removed and removed.intersection({leaves_key(other.leaves), *_leaf_paths(store, other)}):
            raise LostRace(others)
        if other.zone != draft.zone or other.inputs is None:
            continue
        theirs = read_inputs(store, other.inputs, ["key", "outcome"])
        if len(ours):
            check_feed(draft.zone, _feed(other.kind, theirs), _feed(draft.kind, draft.inputs))
        done = theirs.filter(pc.is_in(theirs["outcome"], value_set=pa.array(DONE)))
        if pc.any(pc.is_in(done["key"], value_set=ours)).as_py():
            raise LostRace(others)


def _leaf_paths(store: Store, entry: Entry) -> list[str]:
    paths: list[str] = read_leaves(store, entry.leaves)["path"].to_pylist()
    return paths


def _feed(kind: str, inputs: pa.Table) -> str:
    return feed_of(kind, lambda: inputs["key"])


def check_parts(store: Store, parts: Sequence[Part]) -> None:
    """Raises PartsGone unless every part is in the store with its size."""
    found = store.head_many(part.path for part in parts)
    gone = [p.path for p, head in zip(parts, found, strict=True) if head is None or head.size != p.bytes]
    if gone:
        raise PartsGone(gone)


def leaf_data(leaf: Mapping[str, Json]) -> bytes:
    """What a row of the file of leaves puts into the Merkle tree: its canonical JSON, nulls left out."""
    return canonical({name: value for name, value in leaf.items() if value is not None})


def root_of(leaves: pa.Table, inputs: str | None) -> str:
    """The Merkle root of an entry: each row of its leaves, then {"inputs": SHA-256 of the file}, if it has one."""
    return _root(_rows_data(leaves), inputs)


def _rows_data(leaves: pa.Table) -> list[bytes]:
    return [leaf_data(row) for row in leaves.to_pylist()]


def _root(data: Sequence[bytes], inputs: str | None) -> str:
    return merkle.root(data if inputs is None else [*data, canonical({"inputs": inputs})]).hex()


def _write_files(store: Store, draft: Draft, salt: str) -> Files:
    """Writes what the entry will name, while the parts are checked. Raises PartsGone unless all of them are there."""
    with ThreadPoolExecutor(1, "inputs") as beside:
        writing = beside.submit(put_inputs, store, draft.inputs, salt) if draft.inputs.num_rows else None
        check_parts(store, draft.parts)
        digest, leaves = put_leaves(store, draft.parts, draft.removed)
        data = _rows_data(leaves)
        inputs = writing.result() if writing is not None else None
    return Files(digest, inputs, _root(data, inputs))


def _content(draft: Draft, identity: Identity, files: Files) -> dict[str, Json]:
    return {
        "format": FORMAT,
        "lake": identity.lake,
        "kind": draft.kind,
        "zone": draft.zone,
        "binding": identity.binding,
        "run_id": draft.run_id,
        "attempt": secrets.token_hex(8),
        "started": _time(draft.started),
        "ended": _time(draft.ended),
        "counts": {name: dict(counts) for name, counts in draft.counts.items()},
        "tables": dict(draft.tables),
        "parts": folders_of(draft.parts),
        "leaves": files.leaves,
        "inputs": files.inputs,
        "root": files.root,
        "code_version": draft.code_version,
        "environment_digest": draft.environment_digest,
        "pipeline_digest": draft.pipeline_digest,
        "policy_digest": draft.policy_digest,
        "key_id": draft.key_id,
        "writer": f"{CREATED_BY}, zstd of pyarrow {pa.__version__}",
        "notes": dict(draft.notes),
    }


def _time(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise FaultError("DRAFT_TIME", "a draft's time has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def folders_of(parts: Iterable[Part]) -> dict[str, Json]:
    """Folder of a table → its parts, rows and bytes."""
    folders: dict[str, dict[str, int]] = {}
    for part in parts:
        totals = folders.setdefault(part.path.rpartition("/")[0], {"parts": 0, "rows": 0, "bytes": 0})
        totals["parts"] += 1
        totals["rows"] += part.rows
        totals["bytes"] += part.bytes
    return dict(folders)
