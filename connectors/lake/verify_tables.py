"""Delta tables against the log: the same files, the same rows, the same place in the log."""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from connectors.errors import TransientError
from connectors.lake.delta import at_entry, open_table
from connectors.lake.parts import Part
from connectors.lake.report import Report
from connectors.lake.verify_parts import Named
from connectors.storage import Store


def check_tables(store: Store, named: Named, folders: set[str], report: Report) -> None:
    """Every table that the log names, and those in `folders` that it does not."""
    by_folder: dict[str, list[tuple[int, Part]]] = {folder: [] for folder in folders}
    for number, part in named.parts:
        by_folder.setdefault(part.path.rpartition("/")[0], []).append((number, part))
    for folder, parts in sorted(by_folder.items()):
        try:
            table = open_table(store, folder)
            if table is not None:
                _Table(folder, table, report).check(parts, named.columns.get(folder, set()))
        except DeltaError as error:
            report.find("TABLE_FORM", folder, f"the Delta table cannot be read ({type(error).__name__})")
            continue
        except TransientError as error:
            report.find("TABLE_FORM", folder, f"the Delta table cannot be read ({error.code})")
            continue
        if table is None:
            report.find("TABLE_MISSING", folder, "the log names parts of this table, and there is no Delta table")
        report.checked["tables"] += 1


class _Table:
    def __init__(self, folder: str, table: DeltaTable, report: Report) -> None:
        self._folder, self._table, self._report = folder, table, report

    def check(self, parts: list[tuple[int, Part]], columns: set[str]) -> None:
        held = self._held()
        at, last = at_entry(self._table), max((number for number, _ in parts), default=0)
        if at < last:
            self._find("TABLE_BEHIND", f"the table is at entry {at} and the log at {last}; the next run brings it up")
        if at > last:
            self._find("TABLE_AHEAD", f"the table is at entry {at}, which the log does not have for it: was it cut?")
        named = {part.path.rpartition("/")[2]: part for number, part in parts if number <= at}
        for name in sorted(held.keys() - named.keys()):
            self._find("FILE_FOREIGN", f"the table holds {name}, which the log does not name: another program wrote it")
        for name in sorted(named.keys() - held.keys()):
            self._find("FILE_REMOVED", f"the table no longer holds {name}, which the log names")
        for name in sorted(named.keys() & held.keys()):
            if held[name] != (named[name].rows, named[name].bytes):
                self._find("FILE_COUNTS", f"the table says other rows or bytes of {name} than the log")
        if pa.table(self._table.deletion_vectors()).num_rows:
            self._find("ROWS_REMOVED", "rows were deleted from the table by another program")
        lacking = columns - {field.name for field in self._table.schema().fields}
        if lacking:
            self._find("TABLE_LACKS_COLUMNS", f"the table lacks columns of its parts: {', '.join(sorted(lacking))}")

    def _held(self) -> dict[str, tuple[int | None, int]]:
        """File → rows and bytes, as the Delta log says."""
        actions = pa.table(self._table.get_add_actions(flatten=True)).select(["path", "num_records", "size_bytes"])
        return {row["path"]: (row["num_records"], row["size_bytes"]) for row in actions.to_pylist()}

    def _find(self, code: str, what: str) -> None:
        self._report.find(code, self._folder, what)
