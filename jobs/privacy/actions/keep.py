"""keep: the value stands as it was sent."""

from __future__ import annotations

import pyarrow as pa

from jobs.privacy.actions.base import Action, Rows


class Keep(Action):
    """Nothing is changed."""

    name = "keep"
    keeps_companions = True

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        return values

    def described(self) -> str:
        return "kept"
