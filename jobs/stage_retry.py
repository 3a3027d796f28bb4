"""A stage apart tried again: the records that it quarantined, and the bundles of the zone before that hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.lake import QUARANTINE, Lake
from connectors.occurrences import identities
from jobs.quarantined import quarantine_spans
from jobs.work import Known

Booleans = npt.NDArray[np.bool_]


_NOTHING = pa.schema([("_object", pa.string()), ("_record_id", pa.binary()), ("occurrences", pa.int64())])


@dataclass(frozen=True)
class Retried:
    """What a stage tries again. known: its spans, for the tasks. bundles: the keys, as in the files of inputs, of the
    bundles that hold them."""

    known: Known
    bundles: frozenset[str]


def retried(lake: Lake, zone: str) -> Retried:
    """What the stage that writes the zone quarantined, and no later run resolved."""
    held = quarantine_spans(lake)
    held = held.filter(pc.equal(held["zone"], zone))
    met = set(held["entry"].to_pylist())
    inputs = [lake.inputs_of(e, ["key", "records_quarantined"]) for e in lake.entries() if e.number in met]
    keys = [table.filter(pc.greater(table["records_quarantined"], 0))["key"].to_pylist() for table in inputs]
    bundles = frozenset(key for several in keys for key in several)
    spans = held.select(QUARANTINE.schema.names)
    return Retried(Known(_NOTHING.empty_table(), spans, {}, lake.head()[0]), bundles)


def open_records(records: pa.Table, known: Known) -> Booleans:
    """bool per row of the record table: it is one of the open spans."""
    spans = pc.unique(identities(known.quarantined["_object"], known.quarantined["_record_id"]))
    found = pc.is_in(identities(records["_object"], records["_record_id"]), value_set=spans)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)
