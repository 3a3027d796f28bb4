"""Where everything stands in a lake."""

from __future__ import annotations

import re

from connectors.contract import RawObject
from connectors.errors import ConfigError
from connectors.storage import Store

FORMAT = 1
"""Version of the lake's format. A lake with a higher one is left alone."""

RUNS = "_runs"
MARKER = f"{RUNS}/lake.json"
RESTRICTED = "restricted"
QUARANTINE_TABLE = "quarantine"

ZONES = {
    "identified": f"{RESTRICTED}/identified",
    "validated": f"{RESTRICTED}/validated",
    "deidentified": "deidentified",
}
"""Zone → the folder of its tables."""

_ENTRY = re.compile(rf"{RUNS}/(\d{{20}})\.json")
_TABLE = re.compile(r"[a-z][a-z0-9_]*")


def entry_key(number: int) -> str:
    return f"{RUNS}/{number:020d}.json"


def entry_number(key: str) -> int | None:
    """The number of the entry that a key is of, else None."""
    found = _ENTRY.fullmatch(key)
    return int(found.group(1)) if found else None


def leaves_key(digest: str) -> str:
    return f"{RUNS}/leaves-{digest}.parquet"


def inputs_key(digest: str) -> str:
    return f"{RESTRICTED}/inputs-{digest}.parquet"


def public_key_key(identity: str) -> str:
    return f"{RUNS}/keys/{identity}.pem"


def binding_key(zone: str) -> str:
    return f"{RUNS}/zone-{check_zone(zone)}.json"


def check_zone(zone: str) -> str:
    """The zone itself. Raises ConfigError (ZONE_UNKNOWN)."""
    if zone not in ZONES:
        raise ConfigError("ZONE_UNKNOWN", f"there is no zone {zone}; there are {', '.join(ZONES)}")
    return zone


def table_path(zone: str, table: str) -> str:
    """The folder of a table; the quarantine is one table for all zones.

    Raises ConfigError for an unknown zone (ZONE_UNKNOWN) or for a name that no table can have (TABLE_NAME).
    """
    if not _TABLE.fullmatch(table):
        raise ConfigError("TABLE_NAME", "a table's name has other characters than a-z, 0-9 and _")
    folder = ZONES[check_zone(zone)]
    return f"{RESTRICTED}/{table}" if table == QUARANTINE_TABLE else f"{folder}/{table}"


def table_uri(store: Store, path: str) -> str:
    return f"{store.uri.rstrip('/')}/{path}"


def key_of(store: Store, listed: RawObject) -> str:
    """The key of a listed object, relative to the store."""
    return listed.uri[len(store.uri.rstrip("/")) + 1 :]
