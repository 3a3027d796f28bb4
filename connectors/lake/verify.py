"""Proves a lake from itself: that it is what its log says (design: the lake alone, nothing else is read)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.errors import ConfigError
from connectors.lake.files import DELTA_LOG, unnamed_files
from connectors.lake.lake import lake_identity
from connectors.lake.report import Finding, Report
from connectors.lake.signing import from_pem
from connectors.lake.verify_log import Expected, check_log
from connectors.lake.verify_parts import check_entries
from connectors.lake.verify_tables import check_tables
from connectors.storage import StorageOptions, Store, open_store

__all__ = ["Finding", "Report", "verify"]

Trust = bytes | Ed25519PublicKey | Sequence[bytes | Ed25519PublicKey]


def verify(
    lake_uri: str,
    options: StorageOptions | None = None,
    head: tuple[int, str] | None = None,
    trust: Trust | None = None,
) -> Report:
    """What is wrong with a lake; reads every byte that the log names, and writes nothing.

    head: number and SHA-256 of an entry that a run printed, kept elsewhere: shows a log that was cut or made anew.
    trust: public keys (or their PEM) that may have signed; without them, the keys in the lake are believed.
    Raises ConfigError if there is no lake, a newer version wrote it, or a trusted key is none; LakeError if its marker
    is gone; AccessError and TransientError as the store does.
    """
    store = open_store(lake_uri, options)
    identity = lake_identity(store)
    if identity is None:
        raise ConfigError("LAKE_MISSING", f"{store.uri} is no lake; give the folder or prefix that ingest wrote to")
    report = Report()
    entries = check_log(store, Expected(identity, head, _keys(trust)), report)
    named = check_entries(store, entries, report)
    check_tables(store, named, _tell_unnamed(store, named.files, report), report)
    return report


def _keys(trust: Trust | None) -> list[Ed25519PublicKey]:
    several: Iterable[bytes | Ed25519PublicKey]
    if trust is None:
        several = ()
    elif isinstance(trust, bytes | Ed25519PublicKey):
        several = (trust,)
    else:
        several = trust
    return [from_pem(key) if isinstance(key, bytes) else key for key in several]


def _tell_unnamed(store: Store, named: set[str], report: Report) -> set[str]:
    """Reports files that no entry names; the folders of all Delta tables there are."""
    folders = set()
    count = size = 0
    for key, raw in unnamed_files(store, named):
        if DELTA_LOG in key:
            folders.add(key.partition(DELTA_LOG)[0])
            continue
        count, size = count + 1, size + raw.size
    if count:
        report.inform(
            "FILES_UNNAMED",
            store.uri,
            f"{count} files ({size} bytes) are named by no entry: left by runs that died or are at work; "
            "clinray vacuum removes them",
        )
    return folders
