"""Envelope counts of objects that were read in ranges: checked when all ranges are known, written as findings."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from connectors.lake.parts import Part
from connectors.registry import connector
from connectors.storage import open_store
from jobs.inputs import run_identity
from jobs.leaves import Leaves
from jobs.outlet import Outlet
from jobs.privacy.keys import opened
from jobs.stages import deidentify_tables, written_schemas
from jobs.work import Work


def envelope_parts(leaves: Sequence[Leaves], work: Work) -> tuple[Part, ...]:
    """Parts of the findings table; none where the declared counts agree."""
    split = [leaf for leaf in leaves if leaf.envelopes is not None]
    if not split:
        return ()
    reader = connector(work.format)
    envelopes = pa.concat_tables([leaf.envelopes for leaf in split if leaf.envelopes is not None])
    tables = {reader.findings_table: reader.envelope_findings(envelopes)}
    if not tables[reader.findings_table].num_rows:
        return ()
    if work.policy is not None and work.keys is not None:
        tables = deidentify_tables(tables, reader, work.policy, opened(work.keys))
    identity = run_identity("envelopes", *(leaf.identity for leaf in split))[:16]
    store = open_store(work.lake, work.lake_options)
    outlet = Outlet(store, work.zone, identity, written_schemas(reader, work.policy), work.part_bytes)
    outlet.write(tables)
    return outlet.close()
