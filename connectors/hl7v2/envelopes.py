"""Batch envelopes: FHS, BHS, BTS and FTS lines in order, and whether the counts that trailers declare are true.

HL7 2.9, chapter 2, 2.10.3: BTS-1 is the number of messages in its batch, FTS-1 the number of batches in its file. It
knows no batch in a batch and no file in a file; where they are sent so, a count may be of what stands directly in what
its trailer ends, or of all that stands in it.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from connectors.hl7v2.boundaries import BHS, BTS, FHS, KINDS, MSH

Offsets = npt.NDArray[np.int64]

DISAGREEMENTS: Final = pa.schema(
    [
        pa.field("piece", pa.int32(), metadata={"description": "piece of the trailer"}),
        pa.field("_object", pa.string()),
        pa.field("_offset", pa.int64(), metadata={"description": "where the trailer stands"}),
        pa.field("code", pa.string(), metadata={"description": "HL7_BATCH_COUNT or HL7_FILE_COUNT"}),
        pa.field("position", pa.string(), metadata={"description": "BTS-1 or FTS-1"}),
        pa.field("declared", pa.int64()),
        pa.field("found", pa.int64(), metadata={"description": "all that stand in the batch or file"}),
    ]
)
"""Trailers whose count is neither what stands directly in their batch or file nor all that stands in it."""


@njit(cache=True, nogil=True)
def _tally(
    objects: npt.NDArray[np.int32], kinds: npt.NDArray[np.int8], counts: Offsets, own: Offsets, everything: Offsets
) -> None:
    """own[i], everything[i]: messages directly in the batch that BTS row i ends, and all in it; batches directly in the
    file that FTS row i ends, and all in it; else -1.

    A trailer ends the innermost header that is open; BTS does not look beyond FHS. A BTS without one ends a batch of
    what stands since the line before, an FTS without one a file of what stands since the file before. Messages that
    stand in a file outside of any batch count as one batch if it has no other.
    """
    opened = np.empty((kinds.size + 1, 5), np.int64)  # kind, messages and batches directly in it, both before it
    top = since = messages = batches = 0
    for i in range(kinds.size):
        kind = kinds[i]
        own[i] = everything[i] = -1
        if i == 0 or objects[i] != objects[i - 1]:
            top = since = 0
            _open(opened, top, FHS, messages, batches)
        if kind == MSH:
            since, messages, opened[top, 1] = since + counts[i], messages + counts[i], opened[top, 1] + counts[i]
            continue
        if kind == BHS or (kind == BTS and opened[top, 0] == FHS):
            batches, opened[top, 2] = batches + 1, opened[top, 2] + 1
        if kind in (BHS, FHS):
            top += 1
            _open(opened, top, kind, messages, batches)
        elif kind == BTS and opened[top, 0] == FHS:
            own[i] = everything[i] = since
            opened[top, 1] -= since
        elif kind == BTS:
            own[i], everything[i] = opened[top, 1], messages - opened[top, 3]
            top -= 1
        else:
            while opened[top, 0] == BHS:
                top -= 1
            loose = 1 if opened[top, 1] > 0 else 0
            own[i], everything[i] = max(opened[top, 2], loose), max(batches - opened[top, 4], loose)
            batches, top = opened[top, 4] + everything[i], max(top - 1, 0)
            if top == 0:
                _open(opened, top, FHS, messages, batches)
        since = 0


@njit(cache=True, nogil=True)
def _open(opened: Offsets, at: int, kind: int, messages: int, batches: int) -> None:
    """opened[at]: a batch or file in which nothing stands yet, behind so many messages and batches."""
    opened[at, 0], opened[at, 1], opened[at, 2], opened[at, 3], opened[at, 4] = kind, 0, 0, messages, batches


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
    own, found = np.empty((2, len(rows)), np.int64)
    _tally(objects.indices.to_numpy(zero_copy_only=False).astype(np.int32), kinds, counts, own, found)
    wrong = np.flatnonzero((found >= 0) & (declared >= 0) & (own != declared) & (found != declared))
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
