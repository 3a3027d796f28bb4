"""Work is done once for each distinct value of a column."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

PROBE = 8
"""One in so many rows is looked at to see whether values repeat."""
SMALL = 1 << 12
MOSTLY_DISTINCT = 0.95


def over_distinct(values: pa.Array, work: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """work(values), where `work` is a function of each value alone and keeps nulls null."""
    if _mostly_distinct(values):
        return work(values)
    encoded = values.dictionary_encode()
    if len(encoded.dictionary) == len(values):
        return work(values)
    return work(encoded.dictionary).take(encoded.indices)


def _mostly_distinct(values: pa.Array) -> bool:
    if len(values) < SMALL:
        return False
    probe = values.slice(0, len(values) // PROBE)
    return len(probe.dictionary_encode().dictionary) > MOSTLY_DISTINCT * len(probe)
