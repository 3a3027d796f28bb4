"""Batch envelopes: FHS, BHS, BTS and FTS lines in order, and whether the counts that trailers declare are true.

HL7 2.9, chapter 2, 2.10.3: BTS-1 is the number of messages in its batch, FTS-1 the number of batches in its file.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from connectors.hl7v2.boundaries import BHS, BTS, FHS, FTS, KINDS, MSH

Offsets = npt.NDArray[np.int64]

DISAGREEMENTS: Final = pa.schema(
    [
        pa.field("piece", pa.int32(), metadata={"description": "piece of the trailer"}),
        pa.field("_object", pa.string()),
        pa.field("_offset", pa.int64(), metadata={"description": "where the trailer stands"}),
        pa.field("code", pa.string(), metadata={"description": "HL7_BATCH_COUNT or HL7_FILE_COUNT"}),
        pa.field("position", pa.string(), metadata={"description": "BTS-1 or FTS-1"}),
        pa.field("declared", pa.int64()),
        pa.field("found", pa.int64()),
    ]
)
"""Trailers whose count is not what stands before them."""


@njit(cache=True, nogil=True)
def _tally(objects: npt.NDArray[np.int32], kinds: npt.NDArray[np.int8], counts: Offsets, found: Offsets) -> None:
    """found[i] = messages of the batch that BTS row i ends, or batches of the file that FTS row i ends, else -1.

    Messages that stand in a file outside of any batch count as one batch if it has no other.
    """
    messages = batches = loose = 0
    open_batch = False
    for i in range(kinds.size):
        kind = kinds[i]
        if i == 0 or objects[i] != objects[i - 1] or kind == FHS:
            messages = batches = loose = 0
            open_batch = False
        found[i] = -1
        if kind == MSH:
            messages += counts[i]
            loose += 0 if open_batch else counts[i]
        elif kind == BHS:
            batches, messages, open_batch = batches + 1, 0, True
        elif kind == BTS:
            found[i] = messages
            if not open_batch:
                batches, loose = batches + 1, loose - messages
            messages, open_batch = 0, False
        elif kind == FTS:
            found[i] = max(batches, 1 if loose > 0 else 0)
            messages = batches = loose = 0
            open_batch = False


def disagreements(envelopes: pa.Table) -> pa.Table:
    """DISAGREEMENTS of whole objects.

    envelopes: rows of contract.ENVELOPES of all pieces of the objects that they name; a column `_object` groups them,
    `_offset` orders them. A trailer without a count, or with something else than a number, agrees with anything.
    """
    rows = envelopes.sort_by([("_object", "ascending"), ("_offset", "ascending")])
    objects = rows["_object"].combine_chunks().dictionary_encode()
    objects = objects.chunk(0) if isinstance(objects, pa.ChunkedArray) and objects.num_chunks else objects
    if not len(rows):
        return DISAGREEMENTS.empty_table()
    kinds = pc.index_in(rows["kind"].combine_chunks(), pa.array(KINDS)).to_numpy(zero_copy_only=False).astype(np.int8)
    counts = pc.fill_null(rows["count"], 0).to_numpy().astype(np.int64)
    declared = pc.fill_null(rows["declared"], -1).to_numpy().astype(np.int64)
    found = np.empty(len(rows), np.int64)
    _tally(objects.indices.to_numpy(zero_copy_only=False).astype(np.int32), kinds, counts, found)
    wrong = np.flatnonzero((found >= 0) & (declared >= 0) & (found != declared))
    batch = kinds[wrong] == BTS
    chosen = rows.take(pa.array(wrong))
    return pa.table(
        [
            chosen["piece"],
            chosen["_object"],
            chosen["_offset"],
            pa.array(np.where(batch, "HL7_BATCH_COUNT", "HL7_FILE_COUNT").tolist(), pa.string()),
            pa.array(np.where(batch, "BTS-1", "FTS-1").tolist(), pa.string()),
            pa.array(declared[wrong]),
            pa.array(found[wrong]),
        ],
        schema=DISAGREEMENTS,
    )
