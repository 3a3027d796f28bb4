"""What an action is: a function over one column, with what it may know of the rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from connectors.kernels.distinct import Distinct, distinct
from jobs.privacy.keys import Keyring

Alike = Callable[[Hashable, Distinct, Callable[[Distinct], Distinct]], pa.Array]
"""(purpose, values, make): the column that `make` makes of another, which may have been made of an equal one before for
the same purpose."""


Once = Callable[[Hashable, Sequence[pa.Array], Callable[[], Any]], Any]
"""(purpose, arrays, make): make(), which may have been made of the same arrays for the same purpose before."""


def every_time(purpose: Hashable, arrays: Sequence[pa.Array], make: Callable[[], Any]) -> Any:
    """A Once that remembers nothing."""
    return make()


def each(purpose: Hashable, values: Distinct, make: Callable[[Distinct], Distinct]) -> pa.Array:
    """An Alike that remembers nothing."""
    made = make(values)
    return made.column(made.values)


@dataclass(frozen=True)
class Rows:
    """What an action may know of the n rows beside the values themselves.

    category: of the values. authority: text[n], who gave the identifiers. country: text[n], of a postal code.
    precision: int8[n], digits that were sent of a time; offset: int16[n], its minutes from UTC. All null-able, None
    where the table has no such column. days: gives int64[n] for a greatest number of days, from one to that number of
    days for each patient, by which the dates of the patient are moved.
    distinct: the distinct values of a column. alike, once: remember what was made of columns.
    """

    keys: Keyring
    category: str
    days: Callable[[int], npt.NDArray[np.int64]]
    authority: pa.Array | None = None
    country: pa.Array | None = None
    precision: pa.Array | None = None
    offset: pa.Array | None = None
    distinct: Callable[[pa.Array], Distinct] = distinct
    alike: Alike = each
    once: Once = every_time

    def subset(self, rows: npt.NDArray[np.int64], category: str) -> Rows:
        """The same for some of the rows, whose values are of `category`."""

        def taken(values: pa.Array | None) -> pa.Array | None:
            return None if values is None else values.take(pa.array(rows))

        return replace(
            self,
            category=category,
            days=lambda most: self.days(most)[rows],
            authority=taken(self.authority),
            country=taken(self.country),
            precision=taken(self.precision),
            offset=taken(self.offset),
        )


class Action(BaseModel):
    """One way to treat a column. Its fields are the parameters that a policy may set.

    name: as policies write it. keeps_companions: the parts derived from a value may stand beside the result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: ClassVar[str]
    keeps_companions: ClassVar[bool] = False

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        """The type of the result for a column of type `kind`; None: the column is left out."""
        raise TypeError(f"the action {self.name} does not say what it makes")

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        """The treated column, of type output(values.type), row for row."""
        raise TypeError(f"the action {self.name} does not say what it does")

    def companion(self, values: pa.Array) -> pa.Array:
        """What becomes of a precision (int8) or offset (int16) beside a treated time."""
        return values

    def described(self) -> str:
        """What it does, for a reader of the policy."""
        raise TypeError(f"the action {self.name} does not describe itself")


def is_text(kind: pa.DataType) -> bool:
    """Whether values are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def is_time(kind: pa.DataType) -> bool:
    """Whether values are points in time or calendar dates."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date32(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether values are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
