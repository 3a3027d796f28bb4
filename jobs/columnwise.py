"""Many small records as columns, on their way between processes: pickle then meets a tuple a field, not an object a
record and a call a field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

Record = TypeVar("Record")
Columns = tuple[tuple[Any, ...], ...]


def columns(records: Sequence[Any], kind: type[Any]) -> Columns:
    """One tuple a field of the data class `kind`, two fields at least, each with the value of every record."""
    names = [field.name for field in fields(kind)]
    return tuple(zip(*map(attrgetter(*names), records), strict=True))


def records(kind: Callable[..., Record], held: Columns) -> tuple[Record, ...]:
    """The records that `columns` was given, each made by `kind` of one value a field."""
    return tuple(map(kind, *held)) if held else ()
