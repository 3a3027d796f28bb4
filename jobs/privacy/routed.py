"""Columns in which each row has a category of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.kernels.distinct import Distinct, written_out
from jobs.privacy.actions import Action, Rows


def treat_rows(
    values: pa.Array,
    categories: pa.Array,
    action_of: Callable[[str], Action],
    rows: Rows,
    leading: pa.DataType,
    *,
    companion: bool,
) -> pa.Array:
    """The values, each treated by the action of its row's category; null where the row has none.

    categories: text[n]. leading: the type of the routed column; an action that cannot give it makes null. companion:
    `values` are derived from the routed column, and stand where its action lets them.
    """
    index = np.full(len(values), -1, np.int32)
    parts = [values]
    total = len(values)
    for category, mine in rows.once(
        "rows of categories", [categories], lambda: _rows_of_categories(rows.distinct(categories))
    ):
        action = action_of(category)
        if action.output(leading) != leading or (companion and not action.keeps_companions):
            continue
        if action.name == "keep":
            index[mine] = mine
            continue
        everything = mine.size == len(values)
        some = values if everything else values.take(pa.array(mine))
        among = replace(rows, category=category) if everything else rows.subset(mine, category)
        treated = action.companion(some) if companion else action.apply(some, among)
        if everything:
            return treated
        parts.append(written_out(treated))
        index[mine] = np.arange(total, total + mine.size)
        total += mine.size
    if len(parts) == 1 and (index >= 0).all():
        return values
    return pa.concat_arrays(parts).take(pa.array(index, mask=index < 0))


def _rows_of_categories(several: Distinct) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Each category and the rows that have it; those without one are left out."""
    names, codes = several.values.to_pylist(), several.places()
    return [(name, np.flatnonzero(codes == code)) for code, name in enumerate(names) if name is not None]
