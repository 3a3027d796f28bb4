"""Rows of a table of any format as a Ray Dataset, for notebooks.

The rows are identified, as they stand in the source: they go through Ray's object store, and nothing is audited.
Pipelines are run by `clinray ingest`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ray.data import Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from connectors.boundary import coded
from connectors.contract import REJECTS, Connector, RawObject, ReadOptions
from connectors.errors import ClinrayError, ConfigError, RecordError
from connectors.registry import connector
from connectors.storage.listing import list_objects
from connectors.storage.options import StorageOptions
from connectors.storage.reading import Reading, splittable

if TYPE_CHECKING:
    from ray.data.context import DataContext

REJECTS_TABLE = "rejects"
SMALLEST_TASK = 4 << 20
OBJECTS_OF_A_TASK = 10_000


@dataclass(frozen=True, slots=True)
class Span:
    """An object, or the range [start, end) of one."""

    object: RawObject
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class TaskOfRows:
    """Spans of objects, and the table whose rows are wanted of them."""

    spans: tuple[Span, ...]
    connector: Connector
    table: str
    options: ReadOptions
    storage: StorageOptions

    def blocks(self) -> Iterator[pa.Table]:
        """Arrow tables of the wanted rows, a chunk at a time. Raises coded errors without content alone."""
        try:
            yield from self._tables()
        except ClinrayError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a task: what is raised may hold content
            raise coded(error) from None

    def _tables(self) -> Iterator[pa.Table]:
        reading = Reading(self.spans, self.storage)
        validating = self.table == self.connector.findings_table
        for parsed in self.connector.read(reading.pieces(), self.options):
            if self.table == REJECTS_TABLE:
                yield parsed.rejects
                continue
            tables = self.connector.validate(parsed.tables) if validating else parsed.tables
            if self.table in tables:
                yield tables[self.table]
        yield from self._unread(reading)

    def _unread(self, reading: Reading) -> Iterator[pa.Table]:
        """The rejects of what could not be decompressed. Raises what kept an object from being read."""
        for ordinal, failure in sorted(reading.failures.items()):
            if not isinstance(failure, RecordError):
                raise failure
            if self.table == REJECTS_TABLE:
                raw = self.spans[ordinal].object
                row = {
                    "piece": ordinal,
                    "code": failure.code,
                    "position": "",
                    "records": 1,
                    "_object": raw.uri,
                    "_offset": 0,
                    "_length": raw.size,
                    "_record_id": reading.hashed().get(ordinal),
                }
                yield pa.Table.from_pylist([row], schema=REJECTS)


class ConnectorDatasource(Datasource):  # type: ignore[misc]
    """For `ray.data.read_datasource`: the rows of one table of the objects under `paths`.

    paths: a folder, file, s3:// prefix or object, or several. format: a registered format's name, or a connector.
    table: a name of the connector's tables, with or without the format in front; "rejects" gives the spans that could
    not be read (they are rows of no other table). pattern: see `list_objects`. time_zone: of times that carry none.
    storage: how buckets are reached.
    Raises ConfigError TABLE_UNKNOWN; reading raises TransientError, ObjectChanged, AccessError.
    """

    def __init__(
        self,
        paths: str | Sequence[str],
        *,
        format: str | Connector,
        table: str,
        pattern: str | None = None,
        time_zone: str = "UTC",
        storage: StorageOptions | None = None,
    ) -> None:
        super().__init__()
        self._connector = connector(format) if isinstance(format, str) else format
        self._table = _known(self._connector, table)
        self._paths = (paths,) if isinstance(paths, str) else tuple(paths)
        self._pattern = pattern
        self._storage = storage or StorageOptions()
        # Findings come from rules over all tables of a record; else the work for unwanted tables can be left out.
        narrow = self._table not in (REJECTS_TABLE, self._connector.findings_table)
        self._options = ReadOptions(time_zone=time_zone, tables=frozenset({self._table} if narrow else ()))
        self._listed: list[RawObject] | None = None

    @property
    def schema(self) -> pa.Schema:
        return REJECTS if self._table == REJECTS_TABLE else self._connector.tables[self._table].schema

    def get_name(self) -> str:
        return f"{self._connector.name}:{self._table}"

    def estimate_inmemory_data_size(self) -> int:
        """Bytes of the objects, which is about what their rows take."""
        return sum(raw.size for raw in self._objects())

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: DataContext | None = None
    ) -> list[ReadTask]:
        """About `parallelism` tasks of about equal bytes. A large object is read in ranges where its format can."""
        size = max(self.estimate_inmemory_data_size() // max(parallelism, 1), SMALLEST_TASK)
        work = TaskOfRows((), self._connector, self._table, self._options, self._storage)
        return [
            ReadTask(
                partial(_blocks, replace(work, spans=spans)),
                BlockMetadata(None, sum(_bytes(s) for s in spans), None, None),
                schema=self.schema,
                per_task_row_limit=per_task_row_limit,
            )
            for spans in self._packed(size)
        ]

    def _objects(self) -> list[RawObject]:
        if self._listed is None:
            pages = (page for path in self._paths for page in list_objects(path, self._storage, pattern=self._pattern))
            self._listed = [raw for page in pages for raw in page]
        return self._listed

    def _packed(self, size: int) -> Iterator[tuple[Span, ...]]:
        held: list[Span] = []
        held_bytes = 0
        for span in (span for raw in self._objects() for span in self._spans(raw, size)):
            if held and (held_bytes + _bytes(span) > size or len(held) == OBJECTS_OF_A_TASK):
                yield tuple(held)
                held, held_bytes = [], 0
            held.append(span)
            held_bytes += _bytes(span)
        if held:
            yield tuple(held)

    def _spans(self, raw: RawObject, size: int) -> Iterator[Span]:
        if raw.size <= size or not self._connector.splittable or not splittable(raw, self._storage):
            yield Span(raw)
            return
        count = -(-raw.size // size)
        edges = [raw.size * n // count for n in range(count)]
        for start, end in zip(edges, [*edges[1:], None], strict=True):
            yield Span(raw, start, end)


class HL7Datasource(ConnectorDatasource):
    """HL7 v2 messages as rows: `ray.data.read_datasource(HL7Datasource("s3://bucket/prefix"))` gives observations."""

    def __init__(self, paths: str | Sequence[str], table: str = "hl7v2_observations", **options: Any) -> None:
        super().__init__(paths, format="hl7v2", table=table, **options)


def _blocks(work: TaskOfRows) -> Iterator[pa.Table]:
    return work.blocks()


def _bytes(span: Span) -> int:
    return (span.object.size if span.end is None else span.end) - span.start


def _known(connector: Connector, table: str) -> str:
    """The full name of a table."""
    for name in (table, f"{connector.name}_{table}"):
        if name in connector.tables or name == REJECTS_TABLE:
            return name
    known = ", ".join([*connector.tables, REJECTS_TABLE])
    raise ConfigError("TABLE_UNKNOWN", f"{connector.name} has no table of that name; it has {known}")
