"""What a run says of itself, as one object and as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jobs.access import About
from jobs.console import say, table
from jobs.outcomes import MET_AGAIN
from jobs.privacy.keys import DATA_KEY, PUBLIC_KEY, SIGNING_KEY
from jobs.wave import Committed

if TYPE_CHECKING:
    from jobs.plan import Bundle

GROUPS = {
    "objects": ("listed", "written", "done", "quarantined", "deferred"),
    "records": ("read", "written", "quarantined", "duplicate"),
    "bytes": ("read", "records", "quarantined", "envelope"),
}


KEEP = {
    DATA_KEY: "keep a copy where only you can read it; without it no run can add to this lake",
    SIGNING_KEY: "keep a copy where only you can read it; it signs the log",
    PUBLIC_KEY: "keep a copy away from the lake; clinray verify --trust wants it",
}
"""What a person is told of each key file that was made."""


def run_report(
    about: About,
    *,
    listed: int,
    done: int,
    bundles: Sequence[Bundle],
    committed: Sequence[Committed],
    seconds: float,
    run_id: str = "",
    dry_run: bool = False,
) -> dict[str, Any]:
    """The object that `--json` prints (docs/commands.md names every key)."""
    totals = {g: {n: sum(c.counts[g][n] for c in committed) for n in names} for g, names in GROUPS.items()}
    if not committed:
        totals["objects"] |= {"listed": listed, "done": done, **({"planned": listed - done} if dry_run else {})}
    number, head = about.head
    return {
        "run_id": run_id,
        **totals,
        "quarantine": {name: sum(c.met_again[name] for c in committed) for name in MET_AGAIN},
        "tables": _added(c.tables for c in committed),
        "deferred": _added(c.codes for c in committed),
        "faults": sorted({place for c in committed for place in c.places}),
        "seconds": round(seconds, 3),
        "stages": {name: round(spent, 3) for name, spent in _added(c.seconds for c in committed).items()},
        "bundles": len(bundles),
        "entries": [c.entry.number for c in committed if c.entry is not None],
        "head": {"number": number, "sha256": head},
        "lake": about.lake,
        "zone": about.zone,
        "policy": about.policy,
        "key_id": about.key_id,
        "keys_created": [str(path) for path in about.keys_created],
        "dry_run": dry_run,
        **({"planned": _planned(bundles)} if dry_run else {}),
    }


def _planned(bundles: Sequence[Bundle]) -> dict[str, int]:
    objects = {span.object.uri: span.object.size for bundle in bundles for span in bundle.spans}
    return {"objects": len(objects), "bytes": sum(objects.values()), "bundles": len(bundles)}


def _added(several: Any) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for one in several:
        for name, amount in one.items():
            total[name] = total.get(name, 0) + amount
    return dict(sorted(total.items()))


def print_run(report: Mapping[str, Any]) -> None:
    """The report for a person."""
    for path in report["keys_created"]:
        say(f"made {path}: {KEEP[PurePath(path).name]}")
    if report["dry_run"]:
        planned = report["planned"]
        say(f"would read {planned['objects']:,} objects ({planned['bytes']:,} bytes) in {planned['bundles']:,} bundles")
        return
    for group in GROUPS:
        said = ", ".join(f"{count:,} {name}" for name, count in report[group].items())
        say(f"{group:8} {said}")
    if any(report["quarantine"].values()):
        said = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in report["quarantine"].items())
        say(f"{'again':8} {said}")
    if report["deferred"]:
        said = ", ".join(f"{count:,} {code}" for code, count in report["deferred"].items())
        say(f"{'deferred':8} {said}")
    for place in report["faults"]:
        say(f"a fault of Clinray: {place}")
    if report["tables"]:
        say()
        table(("table", "rows"), report["tables"].items())
        say()
    speed = report["records"]["read"] / report["seconds"] if report["seconds"] else 0
    say(f"{report['seconds']:.1f} s, {speed:,.0f} records a second; zone {report['zone']}, policy {report['policy']}")
    say(f"log head {report['head']['number']}:{report['head']['sha256']}")
