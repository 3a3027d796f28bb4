"""The audited lake: parts, the log that names them, and the Delta tables over both."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from connectors.errors import ConfigError, LakeError
from connectors.lake import delta
from connectors.lake.binding import Binding, bind, bound, read_binding
from connectors.lake.canonical import canonical
from connectors.lake.commit import Draft, Identity, make_entry
from connectors.lake.feed import check_feed, feed_of, first_of
from connectors.lake.files import excludes, open_part
from connectors.lake.head import check_head, check_own
from connectors.lake.inputs import INPUTS, DoneIndex, parts_of
from connectors.lake.layout import (
    FORMAT,
    MARKER,
    RUNS,
    ZONES,
    entry_number,
    key_of,
    public_key_key,
    table_path,
)
from connectors.lake.log import Entry, RunLog
from connectors.lake.named import read_all_inputs, read_inputs, read_leaves
from connectors.lake.parts import Part
from connectors.lake.signing import key_id, to_pem
from connectors.occurrences import compared
from connectors.storage import StorageOptions, Store, open_store

TABLES_AT_ONCE = 8
T = TypeVar("T")


@dataclass(frozen=True)
class BundleParts:
    """The parts of a bundle that one entry added."""

    entry: int
    bundle: str
    parts: tuple[Part, ...]


class Lake:
    """A lake as its log said when it was opened or last refreshed. Not for several threads at once."""

    def __init__(self, store: Store, identity: str, signer: Ed25519PrivateKey | None) -> None:
        self.store = store
        self._identity = identity
        self._signer = signer
        self._published = False
        self._log = RunLog(store)
        self._log.read()
        # A leaf file never changes under its name, so what was read of it stays true.
        self._parts = lru_cache(maxsize=64)(self._read_parts)
        self._heads: dict[str, delta.Head] = {}

    @classmethod
    def open(cls, uri: str, options: StorageOptions | None = None, *, signer: Ed25519PrivateKey | None = None) -> Lake:
        """An existing lake; without a signer it is only read.

        Raises ConfigError if there is none (LAKE_MISSING) or a newer version wrote it (LAKE_NEWER), LakeError if its
        log is broken, its marker is gone or, with a signer, its last entry is not signed.
        """
        store = open_store(uri, options)
        identity = lake_identity(store)
        if identity is None:
            raise ConfigError("LAKE_MISSING", f"{store.uri} is no lake; give the folder or prefix that ingest wrote to")
        lake = cls(store, identity, signer)
        if signer is not None:
            lake.check_head()
        return lake

    @classmethod
    def create_or_open(
        cls, uri: str, options: StorageOptions | None = None, *, signer: Ed25519PrivateKey, probed: bool = False
    ) -> Lake:
        """The lake, made if there is none. A store that ignores conditional writes is refused (ConfigError), unless
        the caller has probed it. Raises LakeError as `open` does."""
        from connectors.storage.probe import probe

        store = open_store(uri, options)
        if lake_identity(store) is None:
            if not probed:
                probe(store)
            store.put_if_absent(MARKER, canonical({"format": FORMAT, "lake": secrets.token_hex(16)}))
        identity = lake_identity(store)
        if identity is None:
            raise ConfigError("LAKE_MISSING", f"{store.uri} does not keep what is written; use another store")
        lake = cls(store, identity, signer)
        lake.check_head()
        return lake

    @property
    def uri(self) -> str:
        return self.store.uri

    def bind(self, zone: str, binding: Binding) -> str:
        """Bind the zone if it is not bound yet; the SHA-256 of the binding. Raises ConfigError (ZONE_BOUND)."""
        return bind(self.store, zone, binding)

    def binding(self, zone: str) -> Binding | None:
        """What the zone is bound to, or None if it is not bound."""
        return read_binding(self.store, zone)

    def check_head(self) -> None:
        """Raises LakeError unless the last entry is one of this lake, and signed, and the public key of a lake that is
        written to, if it has one, is the signer's."""
        own = self._signer.public_key() if self._signer else None
        if entries := self.entries():
            check_head(self.store, entries[-1], self._identity, own)
            if own is not None:
                check_own(self.store, own)

    def check_feed(self, zone: str, wanted: str) -> None:
        """Raises ConfigError (ZONE_FED) if the zone is fed otherwise. wanted: `source` for the objects of an ingest, or
        the zone that a stage apart reads."""
        first = first_of(zone, self.entries())
        if first is not None:
            check_feed(zone, feed_of(first.kind, lambda: self.inputs_of(first, ["key"])["key"]), wanted)

    def entries(self) -> tuple[Entry, ...]:
        return self._log.entries

    def head(self) -> tuple[int, str]:
        """Number and SHA-256 of the last entry; 0 and 64 zeros for an empty log."""
        return self._log.head

    def refresh(self) -> tuple[Entry, ...]:
        """The entries that were added since the log was last read, which the lake now knows."""
        return self._log.refresh()

    def done(self, zone: str) -> DoneIndex:
        """Which object versions the known entries of the zone wrote or quarantined. Raises LakeError (INPUTS_MISSING,
        INPUTS_CHANGED)."""
        files = [entry.inputs for entry in self.entries() if entry.zone == zone and entry.inputs is not None]
        return DoneIndex.of(read_all_inputs(self.store, files, ["key", "version", "outcome"]))

    def bundles(self, zone: str, after: int = 0) -> Iterator[BundleParts]:
        """The zone's parts by entry and bundle, of the entries numbered above `after`."""
        for entry in self.entries()[after:]:
            if entry.zone != zone:
                continue
            groups: dict[str, list[Part]] = {}
            for part in self._parts(entry.leaves):
                if part.zone == zone:
                    groups.setdefault(part.bundle, []).append(part)
            for bundle, parts in groups.items():
                yield BundleParts(entry.number, bundle, tuple(parts))

    def parts(self, zone: str, after: int = 0) -> Iterator[Part]:
        """The zone's parts, those of an entry and bundle together, of the entries numbered above `after`."""
        for group in self.bundles(zone, after):
            yield from group.parts

    def parts_of(self, entry: Entry) -> Sequence[Part]:
        """Every part that an entry adds. Raises LakeError (LEAVES_MISSING, LEAVES_CHANGED)."""
        return self._parts(entry.leaves)

    def inputs_of(self, entry: Entry, columns: Sequence[str] = INPUTS.names) -> pa.Table:
        """Columns of INPUTS: what an entry says of the objects that it read, one row each. Raises LakeError
        (INPUTS_MISSING, INPUTS_CHANGED)."""
        if entry.inputs is None:
            return INPUTS.empty_table().select(columns)
        return read_inputs(self.store, entry.inputs, columns)

    def record_ids(self, zone: str, table: str, object_values: pa.Array, keys: pa.Array | None = None) -> pa.Table:
        """Columns _object, _record_id (what is compared of it), occurrences (int64): what the zone holds in the table
        of these objects.

        As rows_of, whose columns they are.
        """
        found = [rows for _, rows in self.rows_of(zone, table, object_values, ["_object", "_record_id"], keys)]
        schema = pa.schema([("_object", pa.string()), ("_record_id", pa.binary())])
        held = pa.concat_tables([schema.empty_table(), *found])
        held = held.set_column(1, "_record_id", compared(held["_record_id"]))
        grouped = held.group_by(["_object", "_record_id"], use_threads=False)
        return grouped.aggregate([([], "count_all")]).rename_columns(["_object", "_record_id", "occurrences"])

    def rows_of(
        self, zone: str, table: str, object_values: pa.Array, columns: Sequence[str], keys: pa.Array | None = None
    ) -> Iterator[tuple[int, pa.Table]]:
        """Number of the entry and rows, in the log's order: what the zone holds in the table of these objects.

        object_values: text, as in the table's `_object`. Row groups whose statistics exclude them are not read.
        columns: those that a part lacks, because an older version wrote it, are left out.
        keys: of the same objects, as in the files of inputs: entries that did not read them are passed over.
        """
        folder, wanted = table_path(zone, table), pc.unique(object_values)
        for entry in self.entries():
            if entry.zone != zone or folder not in entry.folders or not self._has_read(entry, keys):
                continue
            for part in _in_folder(self._parts(entry.leaves), folder):
                for rows in self._records(part, wanted, columns):
                    yield entry.number, rows

    def _has_read(self, entry: Entry, keys: pa.Array | None) -> bool:
        if keys is None or entry.inputs is None:
            return True
        return bool(pc.any(pc.is_in(self.inputs_of(entry, ["key"])["key"], value_set=keys)).as_py())

    def _records(self, part: Part, wanted: pa.Array, columns: Sequence[str]) -> Iterator[pa.Table]:
        if not len(wanted):
            return
        file = open_part(self.store, part.path, part.bytes)
        held = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            if excludes(file.metadata.row_group(group), "_object", wanted):
                continue
            rows = file.read_row_group(group, columns=held)
            yield rows.select(held).filter(pc.is_in(rows["_object"], value_set=wanted))

    def create_tables(self, zone: str, schemas: dict[str, pa.Schema]) -> None:
        """Make the zone's Delta tables empty, with the columns' descriptions, and add columns that they lack. Raises
        LakeError (TABLE_AHEAD) as `check_tables` does."""
        paths = {table_path(zone, table): schema for table, schema in schemas.items()}
        known = self.head()[0]
        made = _at_once(lambda path: delta.create(self.store, path, paths[path], known), paths)
        self._heads |= {path: head for path, head in zip(paths, made, strict=True) if head is not None}

    def commit(self, draft: Draft) -> Entry:
        """Commit a draft: an entry of the log, then the Delta tables up to it.

        Raises FaultError (BALANCE), LostRace or PartsGone with nothing committed. A TransientError of a Delta table
        (TABLE_BUSY, TABLE_COMMIT, STORE_UNAVAILABLE) comes when the entry stands: `roll_forward` does the rest.
        """
        if self._signer is None:
            raise ConfigError("SIGNER_MISSING", "this lake was opened to be read; give a signing key")
        self._publish(self._signer.public_key())
        binding = bound(self.store, draft.zone) if draft.zone in ZONES else None
        entry = make_entry(self.store, self._log, draft, Identity(self._identity, binding), self._signer)

        def parts_of(leaves: str) -> Sequence[Part]:
            return draft.parts if leaves == entry.leaves else self._parts(leaves)

        _at_once(partial(self._bring_up, parts_of=parts_of), entry.folders)
        return entry

    def _publish(self, key: Ed25519PublicKey) -> None:
        """Puts the key that verifies this signer's entries into the lake, once."""
        if not self._published:
            self.store.put_if_absent(public_key_key(key_id(key)), to_pem(key))
            self._published = True

    def roll_forward(self) -> int:
        """Bring every Delta table up to the log; how many commits this took. Idempotent, and safe from several
        processes at once. Raises LakeError (TABLE_AHEAD) as `check_tables` does."""
        return sum(_at_once(partial(self._bring_up, parts_of=self._parts), self._folders()))

    def check_tables(self, more: Iterable[str] = ()) -> None:
        """Raises LakeError (TABLE_AHEAD) if a Delta table holds an entry that the log lacks: of one that was cut, the
        numbers would be given again, and the tables never get what they then name.

        more: folders of tables besides those that the log names.
        """
        known = self.head()[0]
        _at_once(lambda folder: delta.check(self.store, folder, known), sorted({*self._folders(), *more}))

    def _folders(self) -> list[str]:
        return sorted({folder for entry in self.entries() for folder in entry.folders})

    def _bring_up(self, folder: str, *, parts_of: Callable[[str], Sequence[Part]]) -> int:
        """parts_of: the parts that a file of leaves names, by its digest."""
        entries = [entry for entry in self.entries() if folder in entry.folders]

        def parts(entry: Entry) -> Sequence[Part]:
            return _in_folder(parts_of(entry.leaves), folder)

        head = self._heads.pop(folder, None)
        if head is not None and (after := delta.follow(self.store, folder, head, entries, parts)) is not None:
            self._heads[folder] = after
            return 1
        return delta.bring_up(self.store, folder, entries, parts)

    def _read_parts(self, leaves: str) -> Sequence[Part]:
        return parts_of(read_leaves(self.store, leaves))


def _in_folder(parts: Iterable[Part], folder: str) -> Sequence[Part]:
    return [part for part in parts if part.path.rpartition("/")[0] == folder]


def _at_once(work: Callable[[str], T], tables: Iterable[str]) -> list[T]:
    """What the work makes of each table, in their order: most of it is waiting for the store. Raises what one raises,
    when all have ended."""
    with ThreadPoolExecutor(TABLES_AT_ONCE, "table") as threads:
        return list(threads.map(work, tables))


def lake_identity(store: Store) -> str | None:
    """The random identity that a lake got when it was made, or None if there is no lake.

    Raises ConfigError if a newer version wrote it (LAKE_NEWER) or its marker is none (LAKE_MARKER), LakeError if its
    marker is gone (LAKE_MISSING).
    """
    if store.head(MARKER) is None:
        has_entries = any(entry_number(key_of(store, raw)) for page in store.list(RUNS) for raw in page)
        # Who makes a lake writes the marker before any entry, so one that was made just now has it by this look.
        if store.head(MARKER) is None:
            if has_entries:
                raise LakeError("LAKE_MISSING", f"{store.uri} has entries and no {MARKER}; put it back from a copy")
            return None
    try:
        marker = json.loads(store.get(MARKER))
        version, identity = int(marker["format"]), str(marker["lake"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(
            "LAKE_MARKER", f"{MARKER} cannot be read, so {store.uri} is no lake of this program"
        ) from None
    if version > FORMAT:
        raise ConfigError("LAKE_NEWER", f"the lake has format {version}, this version knows {FORMAT}; use a newer one")
    return identity
