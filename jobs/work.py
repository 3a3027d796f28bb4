"""What all tasks of a run share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import ReadOptions
from connectors.storage import StorageOptions
from jobs.privacy.keys import KeyReference
from jobs.privacy.policy import Policy


@dataclass(frozen=True)
class Work:
    """What all bundles of a run share. It crosses to the tasks, so it holds no secret and no open handle.

    policy and keys: None where the zone holds identified data. part_bytes: size of a part.
    """

    format: str
    source: str
    source_options: StorageOptions
    lake: str
    lake_options: StorageOptions
    zone: str
    validate: bool
    policy: Policy | None
    keys: KeyReference | None
    options: ReadOptions
    min_score: float | None
    part_bytes: int = 128 << 20


@dataclass(frozen=True)
class Known:
    """What stands in the lake under the keys that come again; of a stage apart, the spans that it tries again.

    written: of the zone's record table, in the zone's form: columns _object, _record_id, occurrences. quarantined: open
    rows of the quarantine. names: key → its form in the zone. head: number of the log's last entry then.
    """

    written: pa.Table
    quarantined: pa.Table
    names: Mapping[str, str]
    head: int = 0

    def of(self, uris: Collection[str]) -> Known:
        """What is known of some keys alone."""
        names = {uri: self.names[uri] for uri in uris if uri in self.names}
        in_zone, plain = pa.array(list(names.values()), pa.string()), pa.array(list(names), pa.string())
        return Known(
            self.written.filter(pc.is_in(self.written["_object"], value_set=in_zone)),
            self.quarantined.filter(pc.is_in(self.quarantined["_object"], value_set=plain)),
            names,
            self.head,
        )
