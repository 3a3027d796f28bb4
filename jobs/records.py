"""Taking whole records out of a chunk's tables: those that score too low, and those that were written before."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.occurrences import identities, ordinals

Booleans = npt.NDArray[np.bool_]

OFFSET_BITS = 44
"""Offsets below 16 TB: an object's index and an offset fit in one int64."""


def without(tables: Mapping[str, pa.Table], record_table: str, leave_out: Booleans) -> dict[str, pa.Table]:
    """The tables without the rows of those records of the record table (bool[n]) and of their dependants.

    A row belongs to the record with its `_object` and `_offset`.
    """
    if not leave_out.any():
        return dict(tables)
    records = tables[record_table]
    objects = pc.unique(records["_object"])
    gone = _places(records, objects)[leave_out]
    kept = {}
    for name, table in tables.items():
        stays = ~leave_out if name == record_table else ~np.isin(_places(table, objects), gone)
        kept[name] = table.filter(pa.array(stays))
    return kept


def only(tables: Mapping[str, pa.Table], record_table: str, wanted: Booleans) -> dict[str, pa.Table]:
    """The rows of those records of the record table (bool[n]) and of their dependants, and no others."""
    records = tables[record_table]
    objects = pc.unique(records["_object"])
    places = _places(records, objects)[wanted]
    return {
        name: table.filter(pa.array(wanted if name == record_table else np.isin(_places(table, objects), places)))
        for name, table in tables.items()
    }


def _places(table: pa.Table, objects: pa.Array) -> npt.NDArray[np.int64]:
    """int64 per row: where its record stands; -1 for rows of no object at hand."""
    which = pc.fill_null(pc.index_in(table["_object"], value_set=objects), -1)
    index = which.to_numpy().astype(np.int64)
    offset = table["_offset"].to_numpy()
    return np.where(index < 0, -1, index << OFFSET_BITS | offset)


class Written:
    """Which records of the keys that come again were written before, and how often.

    A record is a duplicate while it occurs, in the order of the object, at most as often as it was written under the
    same key. Holds state over the chunks of one bundle; feed them in order.
    """

    def __init__(self, written: pa.Table) -> None:
        """written: columns _object, _record_id, occurrences (int64) in the form of the zone."""
        self._identity = identities(written["_object"], written["_record_id"])
        self._objects = pc.unique(written["_object"])
        self._object_of = pc.index_in(written["_object"], value_set=self._objects).to_numpy()
        self._occurrences = written["occurrences"].to_numpy()
        self._seen = np.zeros(written.num_rows, np.int64)

    def duplicates(self, records: pa.Table) -> Booleans:
        """bool per row of a chunk's records (columns _object, _record_id)."""
        found = pc.index_in(identities(records["_object"], records["_record_id"]), value_set=self._identity)
        known = pc.fill_null(found, -1).to_numpy()
        ordinal = ordinals(known)
        hit = known >= 0
        duplicate = np.zeros(records.num_rows, np.bool_)
        duplicate[hit] = self._seen[known[hit]] + ordinal[hit] < self._occurrences[known[hit]]
        np.add.at(self._seen, known[hit], 1)
        return duplicate

    def vanished(self, unread: Collection[str] = ()) -> pa.Table:
        """Columns _object, records: how many written records of each key did not come again.

        unread: names of objects that could not be read this time; of them nothing is said.
        """
        missing = np.maximum(self._occurrences - self._seen, 0)
        totals = np.bincount(self._object_of, weights=missing, minlength=len(self._objects)).astype(np.int64)
        table = pa.table({"_object": self._objects, "records": pa.array(totals)})
        told = pc.invert(pc.is_in(table["_object"], value_set=pa.array(sorted(unread), pa.string())))
        return table.filter(pc.and_(pc.greater(table["records"], 0), told))
