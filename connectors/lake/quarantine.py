"""The table of what could not be read: one for all zones of a lake. It never holds a value.

Rows are only added: a span is `quarantined` by the entry that first met it, and `resolved` by the entry of a later run
that read its object to the end and did not meet it any more, or of a later validation that its record passed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import LINEAGE, Category, Column, TableSpec
from connectors.lake.layout import QUARANTINE_TABLE
from connectors.occurrences import identities, ordinals

QUARANTINED = "quarantined"
RESOLVED = "resolved"

QUARANTINE = TableSpec(
    QUARANTINE_TABLE,
    "Spans of objects that could not be read, or whose records scored too low.",
    (
        Column("zone", pa.string(), Category.TECHNICAL, "The zone that the span is missing from."),
        Column("format", pa.string(), Category.TECHNICAL, "The format it was read as."),
        Column("code", pa.string(), Category.TECHNICAL, "Why; every code has its row in the table of error codes."),
        Column("position", pa.string(), Category.TECHNICAL, "Segment and field, where it is known."),
        Column("records", pa.int64(), Category.TECHNICAL, "How many records the span counts as."),
        Column(
            "state",
            pa.string(),
            Category.TECHNICAL,
            "quarantined, or resolved: a later run read the object and no longer met the span, or let it through.",
        ),
        *LINEAGE,
    ),
    identified_only=True,
    patient_key="",
)

HISTORY = pa.schema([*QUARANTINE.schema, pa.field("entry", pa.int64())])
"""Rows of the quarantine with the number of the entry that added each."""

SPANS = pa.schema([*HISTORY, pa.field("resolved_by", pa.int64())])
"""One row a quarantined span: its state now, and the entry that resolved it, null while it is open."""


def history(added: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """HISTORY of number of an entry and rows that it added, in the log's order."""
    tables = [HISTORY.empty_table()]
    for entry, rows in added:
        if "state" not in rows.schema.names:  # written before the table had states
            rows = rows.append_column("state", pa.repeat(QUARANTINED, rows.num_rows))
        numbered = rows.append_column("entry", pa.repeat(pa.scalar(entry, pa.int64()), rows.num_rows))
        tables.append(numbered.select(HISTORY.names).cast(HISTORY))
    return pa.concat_tables(tables)


def spans_of(told: pa.Table) -> pa.Table:
    """SPANS of a HISTORY: the n-th `resolved` of a zone, object and record ends the n-th `quarantined`."""
    resolved = pc.equal(told["state"], RESOLVED)
    met, ended = told.filter(pc.invert(resolved)), told.filter(resolved)
    at = pc.index_in(_occurrences(met), value_set=_occurrences(ended))
    by = ended["entry"].combine_chunks().take(at)
    state = pc.if_else(pc.is_valid(at), RESOLVED, QUARANTINED)
    at_state = met.schema.get_field_index("state")
    return met.set_column(at_state, met.schema.field("state"), state).append_column(SPANS.field("resolved_by"), by)


def open_spans(told: pa.Table) -> pa.Table:
    """The rows of SPANS that are open, as QUARANTINE."""
    spans = spans_of(told)
    return spans.filter(pc.is_null(spans["resolved_by"])).select(QUARANTINE.schema.names)


def _occurrences(rows: pa.Table) -> pa.Array:
    """binary per row: zone, object and record, and which occurrence of them it is."""
    zones = pc.cast(rows["zone"], pa.binary())
    names = identities(rows["_object"], rows["_record_id"])
    joined = pc.binary_join_element_wise(names, zones, pa.scalar(b"\0", pa.binary())).combine_chunks()
    numbers = ordinals(np.asarray(joined.dictionary_encode().indices, dtype=np.int64))
    return pc.binary_join_element_wise(
        joined, pc.cast(pc.cast(pa.array(numbers), pa.string()), pa.binary()), pa.scalar(b"\0", pa.binary())
    )
