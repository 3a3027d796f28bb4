"""Open spans of the quarantine whose objects are read again: those that are met again, and those that are not."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.lake import QUARANTINE
from connectors.lake.quarantine import RESOLVED
from connectors.occurrences import identities, ordinals


class Reopened:
    """The open spans under the keys of one bundle that come again. Feed it the bundle's rejects in order."""

    def __init__(self, rows: pa.Table) -> None:
        """rows: of the quarantine, those that are open, of these keys."""
        self._rows = rows
        encoded = identities(rows["_object"], rows["_record_id"]).dictionary_encode()
        self._identities = encoded.dictionary
        self._which = np.asarray(encoded.indices, dtype=np.int64)
        self._open = np.bincount(self._which, minlength=len(self._identities))
        self._met = np.zeros(len(self._identities), np.int64)

    def repeated(self, rejects: pa.Table) -> npt.NDArray[np.bool_]:
        """bool per row of REJECTS: it is one of the open spans."""
        found = pc.index_in(identities(rejects["_object"], rejects["_record_id"]), value_set=self._identities)
        known = np.asarray(pc.fill_null(found, -1), dtype=np.int64)
        hit = known >= 0
        repeated = np.zeros(rejects.num_rows, np.bool_)
        repeated[hit] = self._met[known[hit]] + ordinals(known)[hit] < self._open[known[hit]]
        np.add.at(self._met, known[hit], 1)
        return repeated

    def resolved(self, unread: Collection[str]) -> pa.Table:
        """Rows for the quarantine: the open spans that were not met again; of `unread` objects nothing is said."""
        ended = ordinals(self._which) >= self._met[self._which]
        rows = self._rows.filter(pa.array(ended))
        rows = rows.filter(pc.invert(pc.is_in(rows["_object"], value_set=pa.array(sorted(unread), pa.string()))))
        at = QUARANTINE.schema.get_field_index("state")
        return rows.set_column(at, QUARANTINE.schema.field(at), pa.repeat(RESOLVED, rows.num_rows))
