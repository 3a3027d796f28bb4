"""The log by itself: numbers, hashes, signatures, bindings, and what was kept elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.errors import LakeError
from connectors.lake.binding import bound
from connectors.lake.canonical import canonical
from connectors.lake.head import public_key_of
from connectors.lake.layout import RUNS, ZONES, entry_key, entry_number, key_of
from connectors.lake.log import START, Entry, parse
from connectors.lake.report import Report
from connectors.lake.signing import is_signed, key_id
from connectors.storage import Store


@dataclass(frozen=True)
class Expected:
    """What the log is held against. lake: the lake's identity. head: number and SHA-256 of an entry that was once the
    last, if one was kept. trust: the public keys that may have signed; empty: those in the lake."""

    lake: str
    head: tuple[int, str] | None
    trust: Sequence[Ed25519PublicKey]


def check_log(store: Store, expected: Expected, report: Report) -> list[Entry]:
    """The entries that can be read, in order; whatever is wrong with them goes to the report. Raises ConfigError if a
    newer version wrote one (LAKE_NEWER)."""
    listed = (entry_number(key_of(store, raw)) for page in store.list(RUNS) for raw in page)
    numbers = sorted(number for number in listed if number is not None)
    for missing in sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers)):
        report.find("LOG_GAP", _where(missing), "the entry is missing")
    log = _Log(store, expected, report)
    files = store.get_many((entry_key(number), None) for number in numbers)
    entries = [entry for number, data in zip(numbers, files, strict=True) if (entry := log.check(number, data))]
    report.checked["entries"] = len(numbers)
    report.head = (numbers[-1], log.hashes[numbers[-1]]) if numbers else (0, START)
    _check_head(expected.head, log.hashes, report)
    return entries


def _where(number: int) -> str:
    return f"entry {number}"


def _check_head(head: tuple[int, str] | None, hashes: dict[int, str], report: Report) -> None:
    if head is None or head[0] == 0:
        return
    number, sha256 = head
    if number > max(hashes, default=0):
        report.find(
            "LOG_CUT", _where(number), f"the log ends at entry {max(hashes, default=0)}, and it once had this one"
        )
    elif hashes.get(number) not in (None, sha256):
        report.find("HEAD_DIFFERS", _where(number), "the entry is another than the head that was kept")


class _Log:
    """Checks the entries one after the other. hashes: number → SHA-256 of the file."""

    def __init__(self, store: Store, expected: Expected, report: Report) -> None:
        self._store, self._expected, self._report = store, expected, report
        self._bindings = {zone: bound(store, zone) for zone in ZONES}
        self._keys: dict[str, Ed25519PublicKey | None] = {}
        self._trusted = {key_id(key): key for key in expected.trust}
        self.hashes: dict[int, str] = {}

    def check(self, number: int, data: bytes) -> Entry | None:
        where = _where(number)
        self.hashes[number] = hashlib.sha256(data).hexdigest()
        try:
            entry = parse(data)
            plain = canonical(json.loads(data)) == data
            entry.kind, entry.zone, entry.tables, entry.folders, entry.leaves, entry.inputs  # noqa: B018
        except (LakeError, ValueError, TypeError, KeyError):
            self._report.find("ENTRY_FORM", where, "the entry cannot be read")
            return None
        if not plain:
            self._report.find("ENTRY_FORM", where, "the entry is not canonical JSON")
        self._check_place(number, entry)
        self._check_signature(where, entry)
        return entry

    def _check_place(self, number: int, entry: Entry) -> None:
        where = _where(number)
        if entry.number != number:
            self._report.find("ENTRY_NUMBER", where, f"the entry says that its number is {entry.number}")
        before = START if number == 1 else self.hashes.get(number - 1)
        if before is not None and entry.content.get("previous") != before:
            self._report.find("LOG_CHAIN", where, "the entry does not hold the hash of the one before")
        if entry.content.get("lake") != self._expected.lake:
            self._report.find("ENTRY_LAKE", where, "the entry is of another lake")
        if entry.zone in ZONES and entry.content.get("binding") != self._bindings[entry.zone]:
            self._report.find(
                "BINDING_CHANGED", where, f"zone {entry.zone} was bound otherwise when the entry was made"
            )

    def _check_signature(self, where: str, entry: Entry) -> None:
        signer = str(entry.content.get("signed_by"))
        if self._trusted and signer not in self._trusted:
            self._report.find("SIGNER_UNTRUSTED", where, f"the entry is signed by {signer}, which is not trusted")
        key = self._trusted.get(signer) or self._key(signer)
        if key is None:
            self._report.find(
                "SIGNER_KEY_MISSING", where, f"the public key {signer} is not in the lake, or is not what its name says"
            )
        elif not is_signed(dict(entry.content), key):
            self._report.find("SIGNATURE", where, "the signature does not belong to the entry")

    def _key(self, signer: str) -> Ed25519PublicKey | None:
        if signer not in self._keys:
            self._keys[signer] = public_key_of(self._store, signer)
        return self._keys[signer]
