"""Small lakes for the tests, by the public interface alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.lake import INPUTS, QUARANTINE, Binding, Draft, Lake, Part, PartWriter

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
BINDING = Binding("pseudonymised", "ab" * 32, "key-1", "Europe/Berlin")
ZONE = "deidentified"
RECORDS = "hl7v2_messages"
DETAILS = "hl7v2_observations"
LINEAGE = [("_object", pa.string()), ("_offset", pa.int64()), ("_length", pa.int64()), ("_record_id", pa.binary())]
SCHEMAS = {
    RECORDS: pa.schema([("control_id", pa.string()), ("sent", pa.timestamp("us", "UTC")), *LINEAGE]),
    DETAILS: pa.schema([("code", pa.string()), ("number", pa.float64()), *LINEAGE]),
}
RECORD_BYTES = 100


def new_lake(uri: str, options=None, signer=SIGNER) -> Lake:
    lake = Lake.create_or_open(uri, options, signer=signer)
    lake.bind(ZONE, BINDING)
    return lake


def rows(table: str, keys: list[str], per_key: int, digest_bytes: int = 32) -> pa.Table:
    """`per_key` rows of each key, values made from key and ordinal. digest_bytes: of the record ids."""
    names = [f"{key}#{n}" for key in keys for n in range(per_key)]
    columns = {
        "_object": [key for key in keys for _ in range(per_key)],
        "_offset": [n * RECORD_BYTES for _ in keys for n in range(per_key)],
        "_length": [RECORD_BYTES] * len(names),
        "_record_id": [hashlib.sha256(name.encode()).digest()[:digest_bytes] for name in names],
    }
    own = {
        RECORDS: {"control_id": names, "sent": [datetime(2024, 1, 1, tzinfo=UTC)] * len(names)},
        DETAILS: {"code": ["718-7"] * len(names), "number": [float(len(name)) for name in names]},
    }[table]
    return pa.table({**own, **columns}, schema=SCHEMAS[table])


def bundle_of(keys: list[str]) -> str:
    return hashlib.sha256("\0".join(keys).encode()).hexdigest()[:16]


def write_parts(
    lake: Lake, keys: list[str], per_key: int = 3, quarantined: int = 0, digest_bytes: int = 32
) -> list[Part]:
    parts = []
    for table in (RECORDS, DETAILS):
        writer = PartWriter(lake.store, ZONE, table, bundle_of(keys), SCHEMAS[table])
        writer.write(rows(table, keys, per_key, digest_bytes))
        parts += writer.close()
    if quarantined:
        writer = PartWriter(lake.store, ZONE, QUARANTINE.name, bundle_of(keys), QUARANTINE.schema)
        row = {"zone": ZONE, "format": "hl7v2", "code": "RECORD_BAD", "records": 1, "_object": keys[0], "_offset": 0}
        writer.write(pa.Table.from_pylist([row] * quarantined, schema=QUARANTINE.schema))
        parts += writer.close()
    return parts


def inputs(keys: list[str], per_key: int = 3, quarantined: int = 0, version: str = "v1") -> pa.Table:
    first = [quarantined] + [0] * (len(keys) - 1)
    columns = {
        "key": keys,
        "version": [version] * len(keys),
        "size": [per_key * RECORD_BYTES] * len(keys),
        "modified_us": [1_700_000_000_000_000] * len(keys),
        "sha256": [hashlib.sha256(key.encode()).hexdigest() for key in keys],
        "outcome": ["written"] * len(keys),
        "code": [None] * len(keys),
        "records_read": [per_key + bad for bad in first],
        "records_written": [per_key] * len(keys),
        "records_quarantined": first,
        "records_duplicate": [0] * len(keys),
        "bytes_record": [per_key * RECORD_BYTES] * len(keys),
        "bytes_quarantined": [bad * 7 for bad in first],
        "bytes_envelope": [2] * len(keys),
        "zone": [ZONE] * len(keys),
    }
    return pa.table(columns, schema=INPUTS)


def draft(lake: Lake, keys: list[str], per_key: int = 3, quarantined: int = 0, **changes) -> Draft:
    """A draft whose parts are written and whose counts balance."""
    n, written = len(keys), len(keys) * per_key
    settings = {
        "zone": ZONE,
        "run_id": "run-" + bundle_of(keys),
        "parts": write_parts(lake, keys, per_key, quarantined),
        "inputs": inputs(keys, per_key, quarantined),
        "counts": {
            "objects": {"listed": n, "written": n, "done": 0, "quarantined": 0, "deferred": 0},
            "records": {"read": written + quarantined, "written": written, "quarantined": quarantined, "duplicate": 0},
            "bytes": {
                "read": written * RECORD_BYTES + 7 * quarantined + 2 * n,
                "records": written * RECORD_BYTES,
                "quarantined": 7 * quarantined,
                "envelope": 2 * n,
            },
        },
        "tables": {RECORDS: written, DETAILS: written} | ({QUARANTINE.name: quarantined} if quarantined else {}),
        "started": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "ended": datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC),
        "code_version": "0.1.0",
        "key_id": BINDING.key_id,
        "policy_digest": BINDING.policy_digest,
    }
    return Draft(**{**settings, **changes})


def commit(lake: Lake, *keys: str, **changes):
    return lake.commit(draft(lake, list(keys), **changes))
