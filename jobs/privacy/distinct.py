"""Work is done once for each distinct value of a column."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from connectors.kernels.interning import interned, spread


def over_distinct(values: pa.Array, work: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """work(values), where `work` is a function of each value alone and keeps nulls null."""
    if not _has_spans(values.type):
        encoded = values.dictionary_encode()
        return work(encoded.dictionary).take(encoded.indices)
    found = interned(values)
    if found is None:
        return work(values)
    distinct, codes = found
    if len(distinct) == len(values):
        return work(values)
    done = work(distinct)
    if done.null_count or not _has_spans(done.type):
        return done.take(pa.array(codes, mask=codes < 0))
    return spread(done, codes)


def _has_spans(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )
