"""De-identification: each column is treated as the policy treats its category; without an action it is dropped.

Rows keep their order and number. Nothing depends on time or chance: equal input under equal keys gives equal output.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Category, Column, TableSpec
from connectors.errors import ConfigError
from connectors.identity import normalise
from connectors.kernels.interning import Distinct, Told, distinct
from connectors.kernels.spans import place_of
from jobs.privacy.actions import Action, Keep, Rows
from jobs.privacy.actions.base import told_apart
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


class _Treatment(NamedTuple):
    """What becomes of a column. action: None for a routed column. main: for a companion, the column it goes with.

    kind: the name of the type that it gets.
    """

    column: Column
    action: Action | None
    field: pa.Field
    main: Column | None
    kind: str


class _Treatments(NamedTuple):
    """What becomes of a table: of each column that is left, the schema that they make, and a table without rows."""

    of_columns: tuple[_Treatment, ...]
    schema: pa.Schema
    empty: pa.Table


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

    def __init__(self, told: Told | None = None) -> None:
        """told: gets to know of the columns that are made of distinct values."""
        self._told = told or Told()
        self._made: dict[tuple[Hashable, ...], tuple[Any, Sequence[pa.Array]]] = {}
        self._alike: dict[Hashable, list[tuple[Distinct, pa.Array]]] = {}

    def once(self, purpose: Hashable, arrays: Sequence[pa.Array], make: Callable[[], Made]) -> Made:
        """make(), once for each purpose and arrays."""
        key = (purpose, *(place_of(array) for array in arrays))
        if key not in self._made:
            self._made[key] = (make(), arrays)
        made: Made = self._made[key][0]
        return made

    def alike(self, purpose: Hashable, values: Distinct, make: Callable[[pa.Array], pa.Array]) -> pa.Array:
        """The column of what `make` makes of the distinct values, once for each purpose and equal columns."""
        before = self._alike.setdefault(purpose, [])
        for others, made in before:
            if others.equals(values):
                return made
        several = make(values.values)
        column = values.column(several)
        self._told.note(column, Distinct(several, values.codes))
        before.append((values, column))
        return column


def deidentify(
    table: pa.Table, spec: TableSpec, policy: Policy, keys: Keyring, shared: Shared | None = None
) -> pa.Table:
    """The table under the policy, in exactly the schema that `deidentified_spec` gives.

    shared: of the tables of one chunk, under this policy and these keys.
    Raises ConfigError if the table is not that of the spec, or is one that the policy's zone does not get.
    """
    if spec.identified_only and policy.zone is not Zone.IDENTIFIED:
        raise ConfigError("TABLE_IDENTIFIED_ONLY", f"the table {spec.name} is for identified zones alone")
    _check_columns(table, spec)
    treatments = _treatments(spec, policy)
    if not table.num_rows:
        return treatments.empty
    work = _Table(table, spec, policy, keys, shared or Shared())
    return pa.Table.from_arrays([work.treated(t) for t in treatments.of_columns], schema=treatments.schema)


def _check_columns(table: pa.Table, spec: TableSpec) -> None:
    """Raises ConfigError where the columns or their types are not those of the spec."""
    if table.schema.equals(spec.schema):
        return
    unknown = sorted(set(table.column_names) ^ {c.name for c in spec.columns})
    if unknown:
        raise ConfigError("COLUMN_UNKNOWN", f"table {spec.name}: {unknown[0]} is in the table or its spec alone")
    for column in spec.columns:
        if table.schema.field(column.name).type != column.type:
            raise ConfigError("COLUMN_TYPE", f"column {spec.name}.{column.name} is not of the type of its spec")


def reveal(tokens: pa.Array, domain: str, keys: Keyring) -> pa.Array:
    """The text behind tokens of a domain ("patient"); identifiers as "AUTHORITY|ID".

    Null where the token is null or was not made in this domain under this key.
    """
    single = tokens.combine_chunks() if isinstance(tokens, pa.ChunkedArray) else tokens
    opened = column_cipher(keys, domain).decrypt(single)
    return pc.cast(opened, single.type)


@lru_cache(maxsize=256)
def _treatments(spec: TableSpec, policy: Policy) -> _Treatments:
    by_name = {c.name: c for c in spec.columns}
    candidates = (_treatment(c, by_name.get(c.companion_of), policy) for c in spec.columns)
    kept = tuple(t for t in candidates if t is not None)
    schema = pa.schema([t.field for t in kept])
    return _Treatments(kept, schema, schema.empty_table())


def _treatment(column: Column, main: Column | None, policy: Policy) -> _Treatment | None:
    """None: the column is dropped."""
    leading = column if main is None else main
    if leading.category is Category.ROUTED and policy.keeps_everything:
        return _treated_as(column, _KEEP, column.arrow(), main)
    if leading.category is Category.ROUTED:
        return _treated_as(column, None, _field(column, column.type, "routed"), main)
    action = policy.action(leading.category)
    output = action.output(leading.type)
    if output is None or (main is not None and not action.keeps_companions):
        return None
    kind = output if main is None else column.type
    return _treated_as(column, action, _field(column, kind, action.name), main)


def _treated_as(column: Column, action: Action | None, field: pa.Field, main: Column | None) -> _Treatment:
    return _Treatment(column, action, field, main, str(field.type))


def _field(column: Column, kind: pa.DataType, action: str) -> pa.Field:
    field = column.arrow().with_type(kind)
    return field if action == "keep" else field.with_metadata({**(field.metadata or {}), b"action": action.encode()})


class _Table:
    """A table at work: what several columns need is made once.

    It is part of no cycle, so that what it holds, identified values among it, goes when it goes.
    """

    def __init__(self, table: pa.Table, spec: TableSpec, policy: Policy, keys: Keyring, shared: Shared) -> None:
        self._spec, self._policy, self._keys, self._shared = spec, policy, keys, shared
        self._count = table.num_rows
        self._columns = dict(zip(table.column_names, table.columns, strict=True))
        self._singles: dict[str, pa.Array] = {}

    def treated(self, treatment: _Treatment) -> pa.Array | pa.ChunkedArray:
        column, action, _, main, _ = treatment
        values = self._columns[column.name]
        if values.null_count == self._count:
            return self._null(treatment)
        if action is None:
            return self._routed(column, main)
        if action.name == "keep":
            return values
        single = self._column(column.name)
        if main is not None:
            return action.companion(single)
        if column.category in _OF_RECORDS:
            return self._shared.once(column.category, [single], lambda: action.apply(single, self._rows(column)))
        return action.apply(single, self._rows(column))

    def _routed(self, column: Column, main: Column | None) -> pa.Array:
        leading = main or column
        return treat_rows(
            self._column(column.name),
            self._column(leading.routed_by),
            self._policy.action,
            self._rows(leading),
            leading.type,
            companion=main is not None,
        )

    def _rows(self, column: Column) -> Rows:
        return Rows(
            keys=self._keys,
            category=column.category.value,
            chance=self._chance,
            authority=self._column(column.authority) if column.authority else None,
            country=self._companion(_country(column, self._spec)),
            precision=self._companion(_part(column, self._spec, pa.int8())),
            offset=self._companion(_part(column, self._spec, pa.int16())),
            alike=self._shared.alike,
            once=self._shared.once,
        )

    def _companion(self, column: Column | None) -> pa.Array | None:
        return None if column is None else self._column(column.name)

    def _null(self, treatment: _Treatment) -> pa.Array:
        nulls: pa.Array = self._shared.once(
            (treatment.kind, self._count), [], lambda: pa.nulls(self._count, treatment.field.type)
        )
        return nulls

    def _column(self, name: str) -> pa.Array:
        """A column in one piece."""
        if name not in self._singles:
            chunks = self._columns[name]
            self._singles[name] = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
        return self._singles[name]

    def _chance(self) -> npt.NDArray[np.uint64]:
        """uint64[n]: a number a patient; for rows without one, a number a record."""
        records = self._column(RECORD_ID)
        key = self._spec.patient_key
        if not key or key not in self._columns:
            return self._shared.once("chance", [records], lambda: self._chance_of_records(records))
        patients = self._column(key)
        return self._shared.once("chance", [records, patients], lambda: self._chance_of_patients(records, patients))

    def _chance_of_records(self, records: pa.Array) -> npt.NDArray[np.uint64]:
        return _chance_of(distinct(records), self._keys.subkey("shift", "record", 32))

    def _chance_of_patients(self, records: pa.Array, patients: pa.Array) -> npt.NDArray[np.uint64]:
        several = told_apart(patients, self._shared.once)
        out = _chance_of(several, self._keys.subkey("shift", "patient", 32), normalise)
        if patients.null_count:
            without = np.asarray(pc.is_null(patients).to_numpy(zero_copy_only=False))
            out[without] = self._chance_of_records(records.filter(pc.is_null(patients)))
        return out


def _chance_of(
    column: Distinct, key: bytes, prepare: Callable[[pa.Array], pa.Array] | None = None
) -> npt.NDArray[np.uint64]:
    digests = hmac_column(key, column.values if prepare is None else prepare(column.values))
    numbers: npt.NDArray[np.uint64] = digests[:, :8].copy().view(">u8").reshape(-1).astype(np.uint64)
    if column.codes is None:
        return numbers
    taken: npt.NDArray[np.uint64] = np.append(numbers, np.uint64(0))[column.codes]  # -1 takes the zero at the end
    return taken


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
