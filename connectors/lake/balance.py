"""The counts of an entry have to agree: nothing that was listed or read is lost between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import FaultError
from connectors.lake.parts import Part

EQUATIONS = {
    "objects": ("listed", ("written", "done", "quarantined", "deferred")),
    "records": ("read", ("written", "quarantined", "duplicate")),
    "bytes": ("read", ("records", "quarantined", "envelope")),
}
"""Group of counts → the whole, and the parts that it falls into."""

SUMS = {
    ("records", "read"): "records_read",
    ("records", "written"): "records_written",
    ("records", "quarantined"): "records_quarantined",
    ("records", "duplicate"): "records_duplicate",
    ("bytes", "records"): "bytes_record",
    ("bytes", "quarantined"): "bytes_quarantined",
    ("bytes", "envelope"): "bytes_envelope",
}
"""Count → the column of the inputs that adds up to it."""


def check_balance(
    counts: Mapping[str, Mapping[str, int]], tables: Mapping[str, int], parts: Sequence[Part], inputs: pa.Table
) -> None:
    """Raises FaultError (BALANCE) with the first disagreement; what() of all of them is `disagreements`."""
    for what in disagreements(counts, tables, parts, inputs):
        raise FaultError("BALANCE", f"the counts of the run do not agree: {what}; nothing was committed")


def disagreements(
    counts: Mapping[str, Mapping[str, int]], tables: Mapping[str, int], parts: Sequence[Part], inputs: pa.Table
) -> Iterator[str]:
    """Every equation that does not hold, in words and numbers."""
    for group, (whole, shares) in EQUATIONS.items():
        numbers = counts.get(group, {})
        total = sum(numbers.get(share, 0) for share in shares)
        if numbers.get(whole, 0) != total:
            yield f"{group} {whole} {numbers.get(whole, 0)} is not {' + '.join(shares)} = {total}"
    for outcome in ("written", "quarantined", "deferred"):
        found = pc.sum(pc.equal(inputs["outcome"], outcome)).as_py() or 0
        if found != counts.get("objects", {}).get(outcome, 0):
            yield f"objects {outcome} {counts.get('objects', {}).get(outcome, 0)} is not the {found} of the inputs"
    for (group, name), column in SUMS.items():
        found = pc.sum(inputs[column]).as_py() or 0
        if found != counts.get(group, {}).get(name, 0):
            yield f"{group} {name} {counts.get(group, {}).get(name, 0)} is not the {found} of the inputs"
    rows: dict[str, int] = {}
    for part in parts:
        rows[part.table] = rows.get(part.table, 0) + part.rows
    for table in sorted({*rows, *tables}):
        if rows.get(table, 0) != tables.get(table, 0):
            yield f"table {table}: {tables.get(table, 0)} rows counted, {rows.get(table, 0)} in parts"
