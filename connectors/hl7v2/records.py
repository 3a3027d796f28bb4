"""Which message of a chunk a row of another table belongs to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

DIGEST_BYTES = 32
KEY = np.dtype([("object", "<i4"), ("offset", "<i8"), ("digest", f"V{DIGEST_BYTES}")])


def rows_of(rows: pa.Table, messages: pa.Table) -> npt.NDArray[np.int64]:
    """int64[rows]: for each row, the row of `messages` with the same object, offset and record id.

    len(messages) where there is none; the first of them where several are equal. Both tables have the lineage columns.
    """
    if not rows.num_rows:
        return np.empty(0, np.int64)
    objects = pc.unique(messages["_object"])
    wanted, present = _keys(rows, objects), _keys(messages, objects)
    found = pc.fill_null(pc.index_in(wanted, present), len(messages))
    return np.asarray(found.to_numpy(), np.int64)


def _keys(table: pa.Table, objects: pa.Array) -> pa.FixedSizeBinaryArray:
    """One value a row that is equal exactly where object, offset and record id are."""
    keys = np.zeros(table.num_rows, KEY)
    keys["object"] = pc.fill_null(pc.index_in(table["_object"], objects), -1).to_numpy()
    keys["offset"] = pc.fill_null(table["_offset"], -1).to_numpy()
    digests = pc.fill_null(table["_record_id"], bytes(DIGEST_BYTES)).cast(pa.binary(DIGEST_BYTES)).combine_chunks()
    digests = digests.chunk(0) if isinstance(digests, pa.ChunkedArray) else digests
    start = digests.offset * DIGEST_BYTES
    keys["digest"] = np.frombuffer(digests.buffers()[1], f"V{DIGEST_BYTES}", len(digests), start)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY.itemsize), len(keys), [None, pa.py_buffer(keys)])
