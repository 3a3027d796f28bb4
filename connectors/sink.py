"""Rows of a Ray Dataset as Parquet files, for notebooks. Nothing is audited: rows enter a lake by ingest alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from ray.data import Datasink
from ray.data.block import BlockAccessor

from connectors.boundary import coded
from connectors.contract import Category, Column
from connectors.errors import ClinrayError, ConfigError
from connectors.lake.layout import MARKER
from connectors.lake.parts import Part, PartWriter
from connectors.registry import connector
from connectors.storage.opening import open_store
from connectors.storage.options import StorageOptions

if TYPE_CHECKING:
    from ray.data._internal.execution.interfaces import TaskContext
    from ray.data.block import Block
    from ray.data.datasource import WriteResult

OPEN = frozenset(
    {
        Category.TECHNICAL,
        Category.CODE,
        Category.QUANTITY,
        Category.QUASI_IDENTIFIER,
        Category.AGE,
        Category.ADDRESS_STATE,
        Category.ADDRESS_COUNTRY,
    }
)
"""Categories that 45 CFR 164.514(b)(2)(i) does not list: rows of these alone need no permission."""


class MedicalDataSink(Datasink):  # type: ignore[misc]
    """For `Dataset.write_datasink`: rows as Parquet parts under `uri`.

    table: names the folder, and the connector's table whose columns the rows have. columns: other columns, each with
    its PHI category; a token of a patient may be given Category.TECHNICAL there. The rows may leave columns out; a
    column that has no category is refused. allow_identified: say that columns of identifying categories may be written;
    they go below restricted/identified/, other rows below deidentified/. storage: how a bucket is reached.
    parts: what was written, after write_datasink.

    Raises ConfigError SINK_LAKE for the uri of a lake; writing raises ConfigError SINK_CATEGORY or SINK_IDENTIFIED.
    Equal rows in equal blocks give equal files under equal names, so a repeated write adds nothing.
    """

    def __init__(
        self,
        uri: str,
        table: str,
        *,
        columns: Sequence[Column] | None = None,
        format: str = "hl7v2",
        allow_identified: bool = False,
        storage: StorageOptions | None = None,
    ) -> None:
        self.parts: list[Part] = []
        self._store = open_store(uri, storage)
        self._table = table
        self._columns = {c.name: c for c in (_columns(format, table) if columns is None else columns)}
        self._allow_identified = allow_identified
        if self._store.head(MARKER) is not None:
            raise ConfigError("SINK_LAKE", f"{uri} is a lake: rows enter it by ingest alone; name another place")

    def get_name(self) -> str:
        return f"MedicalData:{self._table}"

    def on_write_start(self, schema: pa.Schema | None = None) -> None:
        """Forgets earlier writes. Rows are judged when they are written: the columns that Ray names here may be those
        from before a step that it fuses with the write."""
        self.parts = []

    def write(self, blocks: Iterable[Block], ctx: TaskContext) -> list[Part]:
        """Writes the rows of one task. Raises coded errors without content alone."""
        try:
            return self._write(blocks, ctx.task_idx)
        except ClinrayError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a task: what is raised may hold content
            raise coded(error) from None

    def on_write_complete(self, write_result: WriteResult[list[Part]]) -> None:
        self.parts = [part for parts in write_result.write_returns for part in parts or []]

    def _write(self, blocks: Iterable[Block], task: int) -> list[Part]:
        writer: PartWriter | None = None
        for block in blocks:
            rows = BlockAccessor.for_block(block).to_arrow()
            if rows.num_columns == 0:
                continue
            columns = self._checked(rows)
            if writer is None:
                identifies = self._allow_identified and any(c.category not in OPEN for c in columns)
                zone = "identified" if identifies else "deidentified"
                schema = pa.schema([c.arrow() for c in columns])
                writer = PartWriter(self._store, zone, self._table, f"task{task:06d}", schema)
            writer.write(rows)
        return writer.close() if writer else []

    def _checked(self, rows: pa.Table) -> list[Column]:
        """The columns of the rows, in the order of the table."""
        names = rows.schema.names
        unknown = [name for name in names if name not in self._columns]
        if unknown:
            raise ConfigError("SINK_CATEGORY", f"column {unknown[0]} has no PHI category; give it one with columns=")
        columns = [c for c in self._columns.values() if c.name in names]
        closed = [c for c in columns if not _open(c, rows)]
        if closed and not self._allow_identified:
            first = closed[0]
            raise ConfigError(
                "SINK_IDENTIFIED", f"column {first.name} ({first.category}) identifies; drop it or say allow_identified"
            )
        return columns


def _open(column: Column, rows: pa.Table) -> bool:
    """Whether nothing in the column identifies: by its category, or by that of each row where rows have their own."""
    if column.category is not Category.ROUTED:
        return column.category in OPEN
    if column.routed_by not in rows.schema.names:
        return False
    held = rows.column(column.name)
    categories = rows.column(column.routed_by).filter(held.is_valid())
    return all(category in OPEN for category in categories.unique().to_pylist())


def _columns(format: str, table: str) -> Sequence[Column]:
    tables = connector(format).tables
    if table not in tables:
        known = ", ".join(tables)
        raise ConfigError(
            "TABLE_UNKNOWN", f"{format} has no table {table}; it has {known}; give the columns of another with columns="
        )
    return tables[table].columns
