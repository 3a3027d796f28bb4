"""Which message of a chunk a row of another table belongs to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.kernels.interning import distinct

DIGEST_BYTES = 32
OFFSET_BITS = 44
"""Offsets below 16 TB: an object's index and an offset fit in one int64."""

Places = npt.NDArray[np.int64]
KEY = np.dtype([("object", "<i4"), ("offset", "<i8"), ("digest", f"V{DIGEST_BYTES}")])


def rows_of(rows: pa.Table, messages: pa.Table) -> Places:
    """int64[rows]: for each row, the row of `messages` with the same object, offset and record id.

    len(messages) where there is none; the first of them where several are equal. Both tables have the lineage columns.
    """
    if not rows.num_rows:
        return np.empty(0, np.int64)
    objects, places = _of_messages(messages)
    if (places[1:] > places[:-1]).all():
        return _in_order(rows, messages, places, _places(rows, objects))
    wanted, present = _keys(rows, objects), _keys(messages, objects)
    found = pc.fill_null(pc.index_in(wanted, present), len(messages))
    return np.asarray(found.to_numpy(), np.int64)


def _of_messages(messages: pa.Table) -> tuple[pa.Array, Places]:
    """The objects of messages, each once, and the places of the messages as `_places` gives them."""
    column = messages["_object"]
    several = distinct(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks())
    if several.codes is None:
        objects = pc.unique(column)
        return objects, _places(messages, objects)
    places: Places = several.codes.astype(np.int64) << OFFSET_BITS | pc.fill_null(messages["_offset"], -1).to_numpy()
    return several.values, places


def _in_order(rows: pa.Table, messages: pa.Table, places: Places, wanted: Places) -> Places:
    """rows_of for messages that stand in the order of their places, each at a place of its own."""
    found = np.searchsorted(places, wanted)
    hit = found < len(places)
    hit[hit] = places[found[hit]] == wanted[hit]
    hit[hit] = _digests(rows)[hit] == _digests(messages.select(["_record_id"]).take(pa.array(found[hit])))
    return np.where(hit, found, len(messages))


def _places(table: pa.Table, objects: pa.Array) -> Places:
    """int64 a row: index of its object and its offset; negative where one is not known."""
    index = pc.fill_null(pc.index_in(table["_object"], objects), -1).to_numpy().astype(np.int64)
    places: Places = index << OFFSET_BITS | pc.fill_null(table["_offset"], -1).to_numpy()
    return places


def _digests(table: pa.Table) -> npt.NDArray[np.void]:
    """The record id of each row; zeros for none."""
    filled = pc.fill_null(table["_record_id"], bytes(DIGEST_BYTES)).cast(pa.binary(DIGEST_BYTES)).combine_chunks()
    digests = filled.chunk(0) if isinstance(filled, pa.ChunkedArray) else filled
    start = digests.offset * DIGEST_BYTES
    return np.frombuffer(digests.buffers()[1], f"V{DIGEST_BYTES}", len(digests), start)


def _keys(table: pa.Table, objects: pa.Array) -> pa.FixedSizeBinaryArray:
    """One value a row that is equal exactly where object, offset and record id are."""
    keys = np.zeros(table.num_rows, KEY)
    keys["object"] = pc.fill_null(pc.index_in(table["_object"], objects), -1).to_numpy()
    keys["offset"] = pc.fill_null(table["_offset"], -1).to_numpy()
    keys["digest"] = _digests(table)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY.itemsize), len(keys), [None, pa.py_buffer(keys)])
