"""The table of what could not be read: one for all zones of a lake. It never holds a value."""

from __future__ import annotations

import pyarrow as pa

from connectors.contract import LINEAGE, Category, Column, TableSpec
from connectors.lake.layout import QUARANTINE_TABLE

QUARANTINE = TableSpec(
    QUARANTINE_TABLE,
    "Spans of objects that could not be read, or whose records scored too low.",
    (
        Column("zone", pa.string(), Category.TECHNICAL, "The zone that the span is missing from."),
        Column("format", pa.string(), Category.TECHNICAL, "The format it was read as."),
        Column("code", pa.string(), Category.TECHNICAL, "Why; every code has its row in the table of error codes."),
        Column("position", pa.string(), Category.TECHNICAL, "Segment and field, where it is known."),
        Column("records", pa.int64(), Category.TECHNICAL, "How many records the span counts as."),
        *LINEAGE,
    ),
    identified_only=True,
    patient_key="",
)
