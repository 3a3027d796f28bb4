"""What a zone is fed with. The objects of a source and the bundles that they left in another zone have other keys, so
only a zone that is fed in one way holds each record once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

from connectors.errors import ConfigError
from connectors.lake.log import Entry

INGEST = "ingest"
"""Kind of the entries whose inputs are objects of a source."""

SOURCE = "source"
Keys = Callable[[], pa.ChunkedArray]


def feed_of(kind: str, keys: Keys) -> str:
    """SOURCE, or for a stage apart the zone whose bundles it read. keys: of the inputs, at least one."""
    return SOURCE if kind == INGEST else str(keys()[0].as_py()).split("/", 1)[0]


def check_feed(zone: str, found: str, wanted: str) -> None:
    """Raises ConfigError (ZONE_FED) if the zone is fed otherwise than a run wants to: records would come twice."""
    if found == wanted:
        return
    if found == SOURCE:
        way = "is written by ingest; go on with ingest, or use another lake"
    elif wanted == SOURCE:
        way = f"is written from zone {found} by a stage apart; go on with that, or use another lake"
    else:
        way = f"was written from zone {found}; go on with --from {found}"
    raise ConfigError("ZONE_FED", f"zone {zone} of this lake {way}")


def first_of(zone: str, entries: Iterable[Entry]) -> Entry | None:
    """The entry that says how the zone is fed: the first one of it that read anything."""
    return next((entry for entry in entries if entry.zone == zone and entry.inputs is not None), None)
