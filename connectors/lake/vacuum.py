"""Removes files that no entry names. The removal is an entry itself, made before anything is deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.contract import RawObject
from connectors.lake.balance import EQUATIONS
from connectors.lake.commit import VACUUM, Draft
from connectors.lake.files import DELTA_LOG, unnamed_files
from connectors.lake.inputs import INPUTS
from connectors.lake.lake import Lake
from connectors.lake.layout import inputs_key, leaves_key
from connectors.lake.log import Entry, LostRace

PAGE = 64
"""Files that are looked at once more, together, and then deleted: few, so that little time lies between the two."""


@dataclass(frozen=True)
class Vacuumed:
    """paths: relative to the lake, of files that were removed (or would be). bytes: their sizes together."""

    paths: tuple[str, ...]
    bytes: int
    entry: Entry | None


def vacuum(lake: Lake, older_than: timedelta, dry_run: bool = False) -> Vacuumed:
    """Remove files that no entry names and that were last written before `older_than` ago.

    The age keeps the parts of runs that are still at work: let it be longer than any run. A file that is written
    again, or named, before its turn comes stays. Raises what Lake.commit raises, except LostRace, and LakeError
    (TABLE_AHEAD) of a log that was cut, where what its entries named would be taken away.
    """
    while True:
        lake.refresh()
        started = datetime.now(UTC)
        found = _found(lake, started - older_than)
        paths, size = tuple(found), sum(raw.size for raw in found.values())
        if dry_run or not found:
            return Vacuumed(paths, size, None)
        try:
            entry = lake.commit(_draft(lake, paths, started))
        except LostRace:
            continue
        removed = tuple(_delete(lake, found))
        return Vacuumed(removed, sum(found[path].size for path in removed), entry)


def _found(lake: Lake, before: datetime) -> dict[str, RawObject]:
    limit = before.timestamp() * 1e6
    found: dict[str, RawObject] = {}
    tables: set[str] = set()
    for key, raw in unnamed_files(lake.store, _named(lake, lake.entries())):
        if DELTA_LOG in key:
            tables.add(key.partition(DELTA_LOG)[0])
        elif raw.modified_us < limit:
            found[key] = raw
    if found:
        lake.check_tables(tables)
    return dict(sorted(found.items()))


def _named(lake: Lake, entries: Sequence[Entry]) -> set[str]:
    named = set()
    for entry in entries:
        named.add(leaves_key(entry.leaves))
        if entry.inputs is not None:
            named.add(inputs_key(entry.inputs))
        named.update(part.path for part in lake.parts_of(entry))
    return named


def _draft(lake: Lake, paths: Sequence[str], started: datetime) -> Draft:
    zeros = {group: dict.fromkeys((whole, *shares), 0) for group, (whole, shares) in EQUATIONS.items()}
    return Draft(
        kind=VACUUM,
        zone="",
        run_id=hashlib.sha256("\n".join(paths).encode()).hexdigest(),
        parts=(),
        inputs=INPUTS.empty_table(),
        counts=zeros,
        tables={},
        started=started,
        ended=datetime.now(UTC),
        planned=lake.head()[0],
        removed=paths,
        notes={"files": len(paths)},
    )


def _delete(lake: Lake, found: dict[str, RawObject]) -> Iterator[str]:
    paths = list(found)
    for at in range(0, len(paths), PAGE):
        # A run that was at work before the vacuum's entry may have written a part again, or named it, since then.
        named = _named(lake, lake.refresh())
        page = [path for path in paths[at : at + PAGE] if path not in named]
        now = lake.store.head_many(page)
        unchanged = [p for p, raw in zip(page, now, strict=True) if raw and raw.modified_us == found[p].modified_us]
        lake.store.delete(unchanged)
        yield from unchanged
