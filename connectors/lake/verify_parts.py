"""Entries against the files that they name: leaves, inputs, root, counts, and every part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from connectors.errors import ObjectChanged
from connectors.lake.balance import disagreements
from connectors.lake.commit import folders_of, root_of
from connectors.lake.files import read_footer
from connectors.lake.inputs import INPUTS, LEAVES, parts_of, read_table, removed_of
from connectors.lake.layout import inputs_key, leaves_key
from connectors.lake.log import Entry
from connectors.lake.parts import Part
from connectors.lake.report import Report
from connectors.storage import Store

READERS = 8


@dataclass
class Named:
    """What the log names. parts: (number of the entry, part) in order. files: every key. columns: folder of a table →
    the columns of its parts. missing: paths of parts that cannot be read."""

    parts: list[tuple[int, Part]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    columns: dict[str, set[str]] = field(default_factory=dict)


def check_entries(store: Store, entries: Sequence[Entry], report: Report) -> Named:
    """Everything that the entries name; whatever is wrong with it goes to the report."""
    named = Named()
    for entry in entries:
        _check_entry(store, entry, named, report)
    with ThreadPoolExecutor(READERS, "verify") as threads:
        for found in threads.map(lambda part: _Check(store).part(part), (part for _, part in named.parts)):
            found.tell(report, named)
    return named


def _check_entry(store: Store, entry: Entry, named: Named, report: Report) -> None:
    where = f"entry {entry.number}"
    leaves = _read(store, leaves_key(entry.leaves), entry.leaves, LEAVES, "LEAVES", report)
    named.files.add(leaves_key(entry.leaves))
    inputs: pa.Table | None = INPUTS.empty_table()
    if entry.inputs is not None:
        inputs = _read(store, inputs_key(entry.inputs), entry.inputs, INPUTS, "INPUTS", report)
        named.files.add(inputs_key(entry.inputs))
    if leaves is None:
        return
    parts = parts_of(leaves)
    _name(entry, parts, removed_of(leaves), named, report)
    if root_of(leaves, entry.inputs) != entry.content.get("root"):
        report.find("ROOT", where, "the Merkle root is not that of the leaves and inputs")
    if folders_of(parts) != entry.folders:
        report.find("LEAVES_COUNTS", where, "the entry counts other parts, rows or bytes than its leaves")
    if inputs is not None:
        report.checked["inputs"] += inputs.num_rows
        for what in disagreements(entry.content["counts"], entry.tables, parts, inputs):
            report.find("BALANCE", where, what)


def _name(entry: Entry, parts: Sequence[Part], removed: Iterable[str], named: Named, report: Report) -> None:
    where = f"entry {entry.number}"
    for path in removed:
        if path in named.files:
            report.find("VACUUM_NAMED", where, f"it removes {path}, which an entry before it names")
    for part in parts:
        if part.path in named.files:
            report.find("PART_TWICE", where, f"{part.path} is named by an entry before it, too")
            continue
        named.files.add(part.path)
        named.parts.append((entry.number, part))


_MISSING = {"LEAVES": "LEAVES_MISSING", "INPUTS": "INPUTS_MISSING"}
_CHANGED = {"LEAVES": "LEAVES_CHANGED", "INPUTS": "INPUTS_CHANGED"}


def _read(store: Store, key: str, sha256: str, schema: pa.Schema, kind: str, report: Report) -> pa.Table | None:
    """The rows of a file of leaves or inputs, also of one that was changed, as far as it can be read."""
    try:
        data = store.get(key)
    except ObjectChanged:
        report.find(_MISSING[kind], key, "the file is named by the log and not in the lake")
        return None
    if hashlib.sha256(data).hexdigest() != sha256:
        report.find(_CHANGED[kind], key, "the file is not the one that the log names")
    try:
        return read_table(data, schema)
    except (pa.ArrowException, OSError, KeyError):
        report.find(_CHANGED[kind], key, "the file cannot be read")
        return None


@dataclass
class _Found:
    part: Part
    wrong: list[tuple[str, str]] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)

    def tell(self, report: Report, named: Named) -> None:
        folder = self.part.path.rpartition("/")[0]
        named.columns.setdefault(folder, set()).update(self.columns)
        report.checked["parts"] += 1
        report.checked["rows"] += self.part.rows
        report.checked["bytes"] += self.part.bytes
        for code, what in self.wrong:
            report.find(code, self.part.path, what)


@dataclass(frozen=True)
class _Check:
    """Reads a part once for its hash, and its footer."""

    store: Store

    def part(self, part: Part) -> _Found:
        found = _Found(part)
        digest, size = hashlib.sha256(), 0
        try:
            for block in self.store.stream(part.path):
                digest.update(block)
                size += len(block)
        except ObjectChanged:
            found.wrong.append(("PART_MISSING", "the part is named by the log and not in the lake"))
            return found
        if digest.hexdigest() != part.sha256:
            found.wrong.append(("PART_CHANGED", "the part is not the one that the log names"))
        try:
            footer = read_footer(self.store, part.path, size)
        except (pa.ArrowException, OSError):
            found.wrong.append(("PART_FORM", "the part is no Parquet file"))
            return found
        if footer is not None:
            found.columns.update(footer.schema.to_arrow_schema().names)
            if footer.num_rows != part.rows:
                found.wrong.append(("PART_ROWS", f"the part has {footer.num_rows} rows and the log says {part.rows}"))
        return found
