"""De-identification: each column is treated as the policy treats its category; without an action it is dropped.

Rows keep their order and number. Nothing depends on time or chance: equal input under equal keys gives equal output.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Category, Column, TableSpec
from connectors.errors import ConfigError
from connectors.identity import normalise
from connectors.kernels.distinct import Distinct, Told, distinct
from connectors.kernels.spans import nulls, place_of
from jobs.privacy.actions import Action, Keep, Rows
from jobs.privacy.actions.token import column_cipher
from jobs.privacy.keys import Keyring
from jobs.privacy.mac import hmac_column
from jobs.privacy.policy import Policy, Zone
from jobs.privacy.routed import treat_rows

RECORD_ID = "_record_id"
_OF_RECORDS = frozenset({Category.OBJECT_KEY, Category.RECORD_DIGEST, Category.PATIENT_KEY})
"""What stands in the same form in every table."""
Made = TypeVar("Made")
_KEEP = Keep()


class _Beside(NamedTuple):
    """The places of the columns that an action may ask for beside a column; None where there is none."""

    authority: int | None
    country: int | None
    precision: int | None
    offset: int | None


class _Treatment(NamedTuple):
    """What becomes of a column. place: of the column in the table. action: None for a routed column.

    leading: for a companion, the column it goes with; else the column itself. router: the place of the column that says
    the category of each row. beside: of the leading column. kind: the name of the type that it gets.
    """

    place: int
    column: Column
    action: Action | None
    field: pa.Field
    leading: Column
    router: int | None
    beside: _Beside
    kind: str


class _Treatments(NamedTuple):
    """What becomes of a table: of each column that is left, the schema that they make, and a table without rows.

    records, patients: the places of the columns that say whose a row is.
    """

    of_columns: tuple[_Treatment, ...]
    schema: pa.Schema
    empty: pa.Table
    records: int
    patients: int | None


def deidentified_spec(spec: TableSpec, policy: Policy) -> pa.Schema | None:
    """The schema of a table under a policy; None if the policy's zone does not get the table.

    Each field's metadata keeps category, description and position, and adds the action where something changes.
    """
    if spec.identified_only and policy.zone is not Zone.IDENTIFIED:
        return None
    return _treatments(spec, policy).schema


class Shared:
    """What was made of arrays that several tables of a chunk share, so that it is made once.

    An array is known by where its values lie in memory, and is kept, so that nothing else comes to lie there.
    """

    def __init__(self, told: Told | None = None, *, encoded: bool = False) -> None:
        """told: what is known of columns; gets to know of those that are made of distinct values. encoded: those are
        dictionaries of Arrow, so that no value is written out for each row."""
        self._told = told or Told()
        self._encoded = encoded
        self._made: dict[tuple[Hashable, ...], tuple[Any, Sequence[pa.Array]]] = {}
        self._alike: dict[Hashable, list[tuple[Distinct, pa.Array]]] = {}
        self._nulls: dict[tuple[str, int], pa.Array] = {}

    def nulls(self, name: str, kind: pa.DataType, count: int) -> pa.Array:
        """A column of nulls. name: of the type, which says more quickly than the type which one it is."""
        if (name, count) not in self._nulls:
            self._nulls[name, count] = nulls(kind, count)
        return self._nulls[name, count]

    def once(self, purpose: Hashable, arrays: Sequence[pa.Array], make: Callable[[], Made]) -> Made:
        """make(), once for each purpose and arrays."""
        key = (purpose, *(place_of(array) for array in arrays))
        if key not in self._made:
            self._made[key] = (make(), arrays)
        made: Made = self._made[key][0]
        return made

    def distinct(self, values: pa.Array) -> Distinct:
        """The distinct values of a column."""
        return self.once("distinct", [values], lambda: self._told.distinct(values))

    def alike(self, purpose: Hashable, values: Distinct, make: Callable[[Distinct], Distinct]) -> pa.Array:
        """The column that `make` makes of another, once for each purpose and equal columns."""
        before = self._alike.setdefault(purpose, [])
        for others, made in before:
            if others.equals(values):
                return made
        column = self._told.column(make(values), encoded=self._encoded)
        before.append((values, column))
        return column


def deidentify(
    table: pa.Table, spec: TableSpec, policy: Policy, keys: Keyring, shared: Shared | None = None
) -> pa.Table:
    """The table under the policy, in exactly the schema that `deidentified_spec` gives.

    shared: of the tables of one chunk, under this policy and these keys. Where it makes dictionaries of Arrow, so does
    the schema.
    Raises ConfigError if the table is not that of the spec, or is one that the policy's zone does not get.
    """
    if spec.identified_only and policy.zone is not Zone.IDENTIFIED:
        raise ConfigError("TABLE_IDENTIFIED_ONLY", f"the table {spec.name} is for identified zones alone")
    in_order = _in_order(table, spec)
    treatments = _treatments(spec, policy)
    if not table.num_rows:
        return treatments.empty
    columns = _Table(in_order, treatments, policy, keys, shared or Shared()).columns()
    schema = treatments.schema
    for place, made in enumerate(columns):
        if isinstance(made, pa.DictionaryArray):
            schema = schema.set(place, schema.field(place).with_type(made.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _in_order(table: pa.Table, spec: TableSpec) -> pa.Table:
    """The table with its columns in the order of the spec. Raises ConfigError where they or their types are others."""
    if table.schema.equals(spec.schema):
        return table
    unknown = sorted(set(table.column_names) ^ {c.name for c in spec.columns})
    if unknown:
        raise ConfigError("COLUMN_UNKNOWN", f"table {spec.name}: {unknown[0]} is in the table or its spec alone")
    for column in spec.columns:
        if table.schema.field(column.name).type != column.type:
            raise ConfigError("COLUMN_TYPE", f"column {spec.name}.{column.name} is not of the type of its spec")
    return table.select(spec.schema.names)


def reveal(tokens: pa.Array, domain: str, keys: Keyring) -> pa.Array:
    """The text behind tokens of a domain ("patient"); identifiers as "AUTHORITY|ID".

    Null where the token is null or was not made in this domain under this key.
    """
    single = tokens.combine_chunks() if isinstance(tokens, pa.ChunkedArray) else tokens
    opened = column_cipher(keys, domain).decrypt(single)
    return pc.cast(opened, single.type)


@lru_cache(maxsize=256)
def _treatments(spec: TableSpec, policy: Policy) -> _Treatments:
    place = {c.name: number for number, c in enumerate(spec.columns)}
    candidates = (_treatment(c, spec, policy, place) for c in spec.columns)
    kept = tuple(t for t in candidates if t is not None)
    schema = pa.schema([t.field for t in kept])
    return _Treatments(kept, schema, schema.empty_table(), place[RECORD_ID], place.get(spec.patient_key))


def _treatment(column: Column, spec: TableSpec, policy: Policy, place: Mapping[str, int]) -> _Treatment | None:
    """None: the column is dropped."""
    main = spec.columns[place[column.companion_of]] if column.companion_of else None
    leading = main or column
    result = _result(column, main, policy)
    if result is None:
        return None
    action, field = result
    router = place.get(leading.routed_by) if action is None else None
    beside = _beside(leading, spec, place)
    return _Treatment(place[column.name], column, action, field, leading, router, beside, str(field.type))


def _result(column: Column, main: Column | None, policy: Policy) -> tuple[Action | None, pa.Field] | None:
    """The action on a column (None: that of each row's category) and the field that it makes; None: nothing."""
    leading = column if main is None else main
    if leading.category is Category.ROUTED and policy.keeps_everything:
        return _KEEP, column.arrow()
    if leading.category is Category.ROUTED:
        return None, _field(column, column.type, "routed")
    action = policy.action(leading.category)
    output = action.output(leading.type)
    if output is None or (main is not None and not action.keeps_companions):
        return None
    return action, _field(column, output if main is None else column.type, action.name)


def _beside(column: Column, spec: TableSpec, place: Mapping[str, int]) -> _Beside:
    others = (_country(column, spec), _part(column, spec, pa.int8()), _part(column, spec, pa.int16()))
    return _Beside(place.get(column.authority), *(None if c is None else place[c.name] for c in others))


def _field(column: Column, kind: pa.DataType, action: str) -> pa.Field:
    field = column.arrow().with_type(kind)
    return field if action == "keep" else field.with_metadata({**(field.metadata or {}), b"action": action.encode()})


class _Table:
    """A table at work: what several columns need is made once.

    It is part of no cycle, so that what it holds, identified values among it, goes when it goes.
    """

    def __init__(self, table: pa.Table, treatments: _Treatments, policy: Policy, keys: Keyring, shared: Shared) -> None:
        self._treatments, self._policy, self._keys, self._shared = treatments, policy, keys, shared
        self._count = table.num_rows
        self._columns = table.columns
        self._singles: dict[int, pa.Array] = {}

    def columns(self) -> list[pa.Array | pa.ChunkedArray]:
        """The columns that are left, in the order of the treatments."""
        return [
            self._null(t) if self._columns[t.place].null_count == self._count else self._treated(t)
            for t in self._treatments.of_columns
        ]

    def _treated(self, treatment: _Treatment) -> pa.Array | pa.ChunkedArray:
        column, action = treatment.column, treatment.action
        if action is None:
            return self._routed(treatment)
        if action.name == "keep":
            return self._columns[treatment.place]
        single = self._column(treatment.place)
        if treatment.leading is not column:
            return action.companion(single)
        if column.category in _OF_RECORDS:
            return self._shared.once(column.category, [single], lambda: action.apply(single, self._rows(treatment)))
        return action.apply(single, self._rows(treatment))

    def _routed(self, treatment: _Treatment) -> pa.Array:
        return treat_rows(
            self._column(treatment.place),
            self._asked(treatment.router),
            self._policy.action,
            self._rows(treatment),
            treatment.leading.type,
            companion=treatment.leading is not treatment.column,
        )

    def _rows(self, treatment: _Treatment) -> Rows:
        authority, country, precision, offset = (self._asked(place) for place in treatment.beside)
        return Rows(
            keys=self._keys,
            category=treatment.leading.category.value,
            days=self._days,
            authority=authority,
            country=country,
            precision=precision,
            offset=offset,
            distinct=self._shared.distinct,
            alike=self._shared.alike,
            once=self._shared.once,
        )

    def _null(self, treatment: _Treatment) -> pa.Array:
        return self._shared.nulls(treatment.kind, treatment.field.type, self._count)

    def _asked(self, place: int | None) -> pa.Array | None:
        return None if place is None else self._column(place)

    def _column(self, place: int) -> pa.Array:
        """A column in one piece."""
        if place not in self._singles:
            chunks = self._columns[place]
            self._singles[place] = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
        return self._singles[place]

    def _days(self, most: int) -> npt.NDArray[np.int64]:
        """int64[n]: a number of days from one to `most` a patient; for rows without one, a number a record."""
        records, patients = self._column(self._treatments.records), self._asked(self._treatments.patients)
        if patients is None:
            return self._shared.once(("days", most), [records], lambda: self._days_of_records(records, most))
        return self._shared.once(
            ("days", most), [records, patients], lambda: self._days_of_patients(records, patients, most)
        )

    def _days_of_records(self, records: pa.Array, most: int) -> npt.NDArray[np.int64]:
        several = distinct(records)
        return _days_of(several.values, self._keys.subkey("shift", "record", 32), most)[several.places()]

    def _days_of_patients(self, records: pa.Array, patients: pa.Array, most: int) -> npt.NDArray[np.int64]:
        several = self._shared.distinct(patients)
        days = _days_of(normalise(several.values), self._keys.subkey("shift", "patient", 32), most)
        if not patients.null_count:
            return days[several.places()]
        out, missing = np.append(days, 0)[several.places()], pc.is_null(patients)  # -1 takes what is at the end
        out[np.asarray(missing)] = self._days_of_records(records.filter(missing), most)
        return out


def _days_of(values: pa.Array, key: bytes, most: int) -> npt.NDArray[np.int64]:
    """int64[n]: a number of days from one to `most` that follows from each value under the key."""
    numbers = hmac_column(key, values)[:, :8].copy().view(">u8").reshape(-1)
    return 1 + (numbers % np.uint64(most)).astype(np.int64)


def _part(column: Column, spec: TableSpec, kind: pa.DataType) -> Column | None:
    """The companion of a time that holds its precision (int8) or its offset (int16)."""
    if not pa.types.is_temporal(column.type):
        return None
    return next((c for c in spec.columns if c.companion_of == column.name and c.type == kind), None)


def _country(column: Column, spec: TableSpec) -> Column | None:
    """The country of an address: of the table's countries, the one whose name begins like that of the postal code."""
    if column.category is not Category.ADDRESS_ZIP:
        return None
    stem = column.name.rsplit("_", 1)[0]
    countries = [c for c in spec.columns if c.category is Category.ADDRESS_COUNTRY]
    near = [c for c in countries if c.name.rsplit("_", 1)[0] == stem]
    return near[0] if near else countries[0] if len(countries) == 1 else None
