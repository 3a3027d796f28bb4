"""The run log: numbered entries, each signed and each holding the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.errors import ConfigError, LakeError, TransientError
from connectors.lake.canonical import Json
from connectors.lake.layout import FORMAT, RUNS, entry_key, entry_number, key_of
from connectors.lake.signing import sign
from connectors.storage import Store

START = "0" * 64
"""`previous` of the first entry."""


@dataclass(frozen=True)
class Entry:
    """An entry of the log. sha256: of its file. content: the parsed file (docs/lake.md names every member)."""

    number: int
    sha256: str
    content: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    @property
    def zone(self) -> str:
        return str(self.content["zone"])

    @property
    def run_id(self) -> str:
        return str(self.content["run_id"])

    @property
    def tables(self) -> Mapping[str, int]:
        """Table → rows."""
        return dict(self.content["tables"])

    @property
    def folders(self) -> Mapping[str, Mapping[str, int]]:
        """Folder of a table → its parts, rows and bytes in this entry."""
        return dict(self.content["parts"])

    @property
    def leaves(self) -> str:
        """SHA-256 of the file of leaves."""
        return str(self.content["leaves"])

    @property
    def inputs(self) -> str | None:
        """SHA-256 of the file of inputs, None where the entry has none."""
        found = self.content["inputs"]
        return None if found is None else str(found)


class LostRace(TransientError):  # noqa: N818 - it says what happened
    """Others took objects of the draft. entries: what they committed."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__("RACE_LOST", "another run committed some of the same objects first; they are left to it")
        self.entries = tuple(entries)

    def __reduce__(self) -> tuple[type[LostRace], tuple[tuple[Entry, ...]]]:  # type: ignore[override]
        return type(self), (self.entries,)


class PartsGone(TransientError):  # noqa: N818 - it says what happened
    """Parts of the draft are not in the lake: their bundles are to be done again. paths: relative to the lake."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(sorted(paths))
        super().__init__(
            "PARTS_GONE", f"{len(self.paths)} parts are no longer in the lake; their bundles are done again"
        )

    def __reduce__(self) -> tuple[type[PartsGone], tuple[tuple[str, ...]]]:  # type: ignore[override]
        return type(self), (self.paths,)


class RunLog:
    """The log as far as it has been read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    @property
    def head(self) -> tuple[int, str]:
        """Number and SHA-256 of the last entry; 0 and 64 zeros for an empty log."""
        return (self._entries[-1].number, self._entries[-1].sha256) if self._entries else (0, START)

    def read(self) -> None:
        """Read the whole log. Raises LakeError where numbers or hashes do not follow on each other, ConfigError if a
        newer version wrote an entry (LAKE_NEWER)."""
        found = (entry_number(key_of(self._store, raw)) for page in self._store.list(RUNS) for raw in page)
        numbers = sorted(number for number in found if number is not None)
        if numbers != list(range(1, len(numbers) + 1)):
            raise LakeError("LOG_GAP", "an entry is missing in the log's numbers; run clinray verify")
        keys = ((entry_key(number), None) for number in numbers[len(self._entries) :])
        for data in self._store.get_many(keys):
            self._take(data)

    def refresh(self) -> tuple[Entry, ...]:
        """The entries that were added since the log was last read, which it now holds. Raises as `read` does."""
        before = len(self._entries)
        while self._store.head(entry_key(self.head[0] + 1)) is not None:
            self._take(self._store.get(entry_key(self.head[0] + 1)))
        return tuple(self._entries[before:])

    def append(self, content: Mapping[str, Json], signer: Ed25519PrivateKey) -> Entry | None:
        """Make the next entry, or return None if another made it. This is the commit point."""
        number, previous = self.head
        data = sign({**content, "number": number + 1, "previous": previous}, signer)
        key = entry_key(number + 1)
        # A put whose answer was lost and that is tried again says that the entry exists: it may be this one.
        if not self._store.put_if_absent(key, data) and self._store.get(key) != data:
            return None
        self._take(data)
        return self._entries[-1]

    def _take(self, data: bytes) -> None:
        number, previous = self.head
        entry = parse(data)
        if entry.number != number + 1 or entry.content.get("previous") != previous:
            raise LakeError("LOG_CHAIN", f"entry {number + 1} does not follow on the one before; run clinray verify")
        self._entries.append(entry)


def parse(data: bytes) -> Entry:
    """An entry from its file. Raises LakeError (ENTRY_FORM) if it is none, ConfigError if a newer version wrote it
    (LAKE_NEWER)."""
    try:
        content = json.loads(data)
        entry = Entry(int(content["number"]), hashlib.sha256(data).hexdigest(), content)
        version = int(content.get("format", 0))
    except (ValueError, KeyError, TypeError):
        raise LakeError("ENTRY_FORM", "an entry of the log cannot be read; run clinray verify") from None
    if version > FORMAT:
        raise ConfigError(
            "LAKE_NEWER", f"entry {entry.number} has format {version}, this version knows {FORMAT}; use a newer one"
        )
    return entry
