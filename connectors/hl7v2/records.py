"""Which message of a chunk a row of another table belongs to."""
# mypy: disallow-untyped-decorators=False, warn-return-any=False

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from connectors.kernels.distinct import distinct
from connectors.kernels.spans import Offsets, spans_of, to_read
from connectors.kernels.words import byte_at, load

DIGEST_BYTES = 32
OFFSET_BITS = 44
"""Offsets below 16 TB: an object's index and an offset fit in one int64."""

Places = npt.NDArray[np.int64]
Addressed = tuple[npt.NDArray[np.uint8], Offsets, Offsets]
"""The bytes of values, and where each begins and ends."""
KEY = np.dtype([("object", "<i4"), ("offset", "<i8"), ("digest", f"V{DIGEST_BYTES}")])


def rows_of(rows: pa.Table, messages: pa.Table) -> Places:
    """int64[rows]: for each row, the row of `messages` with the same object, offset and record id.

    len(messages) where there is none; the first of them where several are equal. Both tables have the lineage columns.
    """
    if not rows.num_rows:
        return np.empty(0, np.int64)
    found = _walked(rows, messages)
    if found is not None:
        return found
    objects, places = _of_messages(messages)
    if (places[1:] > places[:-1]).all():
        return _in_order(rows, messages, places, _places(rows, objects))
    wanted, present = _keys(rows, objects), _keys(messages, objects)
    return np.asarray(pc.fill_null(pc.index_in(wanted, present), len(messages)).to_numpy(), np.int64)


def _walked(rows: pa.Table, messages: pa.Table) -> Places | None:
    """rows_of for rows in the order of their messages, which stand in the order of objects and offsets; None where
    they do not, or a row has no message."""
    lineage = [table[name] for table in (messages, rows) for name in ("_object", "_offset", "_record_id")]
    if any(column.null_count or column.num_chunks != 1 for column in lineage):
        return None
    objects, offsets, digests, *of_rows = [column.chunk(0) for column in lineage]
    known = _addressed(objects), to_read(offsets.to_numpy()), _addressed(digests)
    wanted = _addressed(of_rows[0]), to_read(of_rows[1].to_numpy()), _addressed(of_rows[2])
    found = np.empty(len(rows), np.int64)
    return found if _walk(*known, *wanted, found) else None


def _addressed(values: pa.Array) -> Addressed:
    spans = spans_of(values)
    return spans.data, spans.starts, spans.ends


@njit(cache=True, nogil=True, inline="always")
def _same(a: int, b: int, length: int) -> bool:
    """Whether as many bytes at two addresses are the same."""
    whole = length // 8 * 8
    for i in range(0, whole, 8):
        if load(a + i) != load(b + i):
            return False
    for i in range(whole, length):  # noqa: SIM110 - numba compiles loops, not generators
        if byte_at(a + i) != byte_at(b + i):
            return False
    return True


@njit(cache=True, nogil=True)
def _equal(values: Addressed, i: int, others: Addressed, k: int) -> bool:
    """Whether value i is the other value k."""
    data, starts, ends = values
    other, other_starts, other_ends = others
    length = np.int64(ends[i]) - starts[i]
    if length != np.int64(other_ends[k]) - other_starts[k]:
        return False
    return _same(data.ctypes.data + starts[i], other.ctypes.data + other_starts[k], length)


@njit(cache=True, nogil=True)
def _before(values: Addressed, i: int, k: int) -> bool:
    """Whether value i comes before value k in the order of bytes."""
    data, starts, ends = values
    for at in range(min(ends[i] - starts[i], ends[k] - starts[k])):
        if data[starts[i] + at] != data[starts[k] + at]:
            return bool(data[starts[i] + at] < data[starts[k] + at])
    return bool(ends[i] - starts[i] < ends[k] - starts[k])


@njit(cache=True, nogil=True)
def _walk(
    objects: Addressed,
    offsets: Places,
    digests: Addressed,
    row_objects: Addressed,
    row_offsets: Places,
    row_digests: Addressed,
    found: Places,
) -> bool:
    """See _walked. found[r]: the message of row r."""
    row, rows = 0, row_offsets.size
    for m in range(offsets.size):
        if m and _equal(objects, m, objects, m - 1):
            if offsets[m] <= offsets[m - 1]:
                return False
        elif m and not _before(objects, m - 1, m):
            return False
        while row < rows and row_offsets[row] == offsets[m]:
            if not _equal(row_digests, row, digests, m) or not _equal(row_objects, row, objects, m):
                break
            found[row] = m
            row += 1
    return row == rows


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
