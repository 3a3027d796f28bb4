"""Records by their object and their bytes: the same one may stand in an object several times."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

DIGEST_BYTES: Final = 16
"""What is compared of a record's digest: all that a de-identified zone holds of it. One that was written when it held
32 bytes begins with the same."""


def identities(objects: pa.ChunkedArray, records: pa.ChunkedArray) -> pa.Array:
    """binary per row: what is compared of the record's digest, then its object's name."""
    joined = pc.binary_join_element_wise(compared(records), pc.cast(objects, pa.binary()), pa.scalar(b"", pa.binary()))
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def compared(records: pa.ChunkedArray) -> pa.ChunkedArray:
    """The first DIGEST_BYTES of digests of records."""
    return pc.binary_slice(pc.cast(records, pa.binary()), 0, DIGEST_BYTES)


def ordinals(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 per value: how often the same one stands before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(values) else np.zeros(0, int)
    runs = np.diff(np.append(first, len(values)))
    counted = np.empty(len(values), np.int64)
    counted[order] = np.arange(len(values)) - np.repeat(first, runs)
    return counted
