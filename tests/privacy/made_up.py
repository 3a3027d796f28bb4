"""A made-up table that has a column of every category, and rows whose every identifying value holds a canary."""

from __future__ import annotations

import datetime
import hashlib

import pyarrow as pa

from connectors.contract import LINEAGE, Category, Column, TableSpec
from jobs.privacy.keys import Keyring

TIMES = (Category.BIRTH_DATE, Category.DEATH_DATE, Category.EVENT_DATE, Category.RECORD_DATE)
APART = (*TIMES, Category.ROUTED, Category.OBJECT_KEY, Category.RECORD_DIGEST, Category.PATIENT_KEY, Category.AGE)
TIMESTAMP = pa.timestamp("us", "UTC")


def keyring(fill: int = 7) -> Keyring:
    return Keyring(bytes((fill + i) % 256 for i in range(64)))


def _time(category: Category) -> tuple[Column, ...]:
    name = category.value
    return (
        Column(name, TIMESTAMP, category, "A time."),
        Column(f"{name}_precision", pa.int8(), category, "Digits sent.", companion_of=name),
        Column(f"{name}_offset", pa.int16(), category, "Minutes from UTC.", companion_of=name),
    )


def spec() -> TableSpec:
    columns = [Column("patient_key", pa.string(), Category.PATIENT_KEY, "The person.")]
    for category in Category:
        if category not in APART:
            authority = "organisation" if category is Category.PATIENT_ID else ""
            columns.append(Column(category.value, pa.string(), category, "Text.", authority=authority))
    for category in TIMES:
        columns.extend(_time(category))
    columns.append(Column("age", pa.float64(), Category.AGE, "Years."))
    columns.append(Column("age_text", pa.string(), Category.AGE, "Years as they were sent."))
    columns.append(Column("value_category", pa.string(), Category.TECHNICAL, "The category of value."))
    routed = {"category": Category.ROUTED, "routed_by": "value_category"}
    columns.append(Column("value", pa.string(), description="Routed text.", **routed))
    columns.append(Column("value_number", pa.float64(), description="Routed number.", **routed))
    columns.append(Column("value_time", TIMESTAMP, description="Routed time.", **routed))
    part = {"category": Category.ROUTED, "routed_by": "value_category", "companion_of": "value_time"}
    columns.append(Column("value_time_precision", pa.int8(), description="Digits sent.", **part))
    columns.append(Column("value_time_offset", pa.int16(), description="Minutes from UTC.", **part))
    return TableSpec("made_up", "Every category.", (*columns, *LINEAGE))


def canary(column: str, row: int) -> str:
    return f"Kanarie-{column}-{row}"


def table(rows: int = 60) -> pa.Table:
    """Row i is of patient i % 7 and, in routed columns, of category i modulo the number of categories (or of none)."""
    made = spec()
    routes = [c.value for c in Category if c is not Category.ROUTED] + [None, "no_such_category"]
    columns = {}
    for column in made.columns:
        columns[column.name] = pa.array([_value(column, i, routes) for i in range(rows)], column.type)
    return pa.table(columns, schema=made.schema)


def _value(column: Column, i: int, routes: list[str | None]) -> object:
    kind = column.type
    fixed = {
        "patient_key": f"HOSPITAL|KANARIE{i % 7}",
        "patient_id": f" kanarie{i % 7} ",
        "organisation": "Hospital ",
        "address_zip": f"{10000 + i * 997:05d}",
        "address_country": "USA" if i % 3 else "DEU",
        "age": float(80 + i % 20),
        "age_text": str(80 + i % 20),
        "value_category": routes[i % len(routes)],
        "_offset": i * 100,
        "_length": 100,
        "_record_id": hashlib.sha256(str(i // 2).encode()).digest(),
    }
    if column.name in fixed:
        return fixed[column.name]
    if pa.types.is_timestamp(kind):
        return datetime.datetime(2020, 2, 1 + i % 28, 13, 14, 15, 161718, tzinfo=datetime.UTC)
    if pa.types.is_int8(kind):
        return 14
    if pa.types.is_int16(kind):
        return 60
    return 91.5 if pa.types.is_floating(kind) else canary(column.name, i)
