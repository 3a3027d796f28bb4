"""Work is done once for each distinct value of a column."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from connectors.kernels.distinct import distinct, has_spans


def over_distinct(values: pa.Array, work: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """work(values), where `work` is a function of each value alone and keeps nulls null."""
    if not has_spans(values.type):
        encoded = values.dictionary_encode()
        return work(encoded.dictionary).take(encoded.indices)
    column = distinct(values)
    return column.column(work(column.values))
