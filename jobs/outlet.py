"""Where a bundle's tables leave its task: one part writer a table, opened when its first row comes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import pyarrow as pa

from connectors.kernels.distinct import Told
from connectors.lake import QUARANTINE, Part, PartWriter
from connectors.lake.parts import Puts
from connectors.lake.quarantine import QUARANTINED
from connectors.parquet.file import Shelf
from connectors.storage import Content, Store

AT_ONCE = 6
"""Parts of a bundle that may be on their way to the store at the same time."""


@cache
def _threads() -> ThreadPoolExecutor:
    """What writes the parts of all bundles of a process: starting threads for each takes a fifth of the work of writing
    its parts. What a bundle had begun when it failed goes on: parts that no log names do no harm."""
    return ThreadPoolExecutor(AT_ONCE, "part")


os.register_at_fork(after_in_child=_threads.cache_clear)  # a fork has none of the threads, and would wait for ever


class Uploads:
    """Puts that go on while the next part is encoded: that a store has made bytes safe is mostly waited for."""

    def __init__(self, store: Puts) -> None:
        self._store = store
        self._going: deque[Future[None]] = deque()

    def put(self, key: str, data: Content) -> None:
        """Begin to write an object. Raises what an earlier one met."""
        if len(self._going) == AT_ONCE:
            self._going.popleft().result()
        self._going.append(_threads().submit(self._store.put, key, data))

    def finish(self) -> None:
        """Wait until all are written. Raises what one of them met."""
        while self._going:
            self._going.popleft().result()


class Outlet:
    """The part writers of a bundle. uploads: what waits for their parts, and holds none of their tables."""

    def __init__(
        self,
        store: Store,
        zone: str,
        bundle: str,
        schemas: Mapping[str, pa.Schema],
        part_bytes: int,
        told: Told | None = None,
    ) -> None:
        """told: what is known of the columns that come next."""
        self.uploads = Uploads(store)
        self._zone = zone
        self._bundle = bundle
        self._schemas = schemas
        self._part_bytes = part_bytes
        self._shelf = Shelf(told)
        self._writers: dict[str, PartWriter] = {}

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Rows of the zone's tables; tables without rows make no part."""
        for name, table in tables.items():
            if table.num_rows:
                self._writer(name, self._schemas[name]).write(table)

    def quarantine(self, rows: pa.Table) -> None:
        """Rows of the quarantine."""
        if rows.num_rows:
            self._writer(QUARANTINE.name, QUARANTINE.schema).write(rows)

    def _writer(self, name: str, schema: pa.Schema) -> PartWriter:
        if name not in self._writers:
            self._writers[name] = PartWriter(
                self.uploads, self._zone, name, self._bundle, schema, self._part_bytes, self._shelf
            )
        return self._writers[name]

    def hold(self) -> None:
        """Keep what is told of columns that wait for more rows, for it is forgotten now."""
        for writer in self._writers.values():
            writer.hold()

    def end(self) -> tuple[Part, ...]:
        """Every part, tables in the order of their names; some may be on their way to the store still."""
        return tuple(part for name in sorted(self._writers) for part in self._writers[name].close())

    def close(self) -> tuple[Part, ...]:
        """Every part, tables in the order of their names; all of them are in the store then."""
        parts = self.end()
        self.uploads.finish()
        return parts


def quarantine_rows(rejects: pa.Table, format_: str, zone: str, state: str = QUARANTINED) -> pa.Table:
    """REJECTS of a chunk → rows of the quarantine, in one of its states."""
    count = rejects.num_rows
    constants = {"format": pa.repeat(format_, count), "zone": pa.repeat(zone, count)}
    constants["state"] = pa.repeat(state, count)
    columns = [constants[f.name] if f.name in constants else rejects[f.name] for f in QUARANTINE.schema]
    return pa.table(columns, schema=QUARANTINE.schema)
