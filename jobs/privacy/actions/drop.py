"""drop: the column is left out; in a routed column the value becomes null."""

from __future__ import annotations

import pyarrow as pa

from jobs.privacy.actions.base import Action, Rows


class Drop(Action):
    """Nothing is left."""

    name = "drop"

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        return pa.nulls(len(values), values.type)

    def described(self) -> str:
        return "dropped"
