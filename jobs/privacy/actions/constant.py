"""constant: the same text in place of every value."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from jobs.privacy.actions.base import Action, Rows, is_text


class Constant(Action):
    """`value` where there was a value; null stays null, so that it is still seen whether there was one."""

    name = "constant"

    value: str

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind if is_text(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        return pc.if_else(pc.is_valid(values), pa.scalar(self.value, values.type), pa.scalar(None, values.type))

    def described(self) -> str:
        return f'replaced by "{self.value}"'
