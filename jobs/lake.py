"""`clinray verify`, `clinray runs`, `clinray vacuum`: the lake by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs import flags
from jobs.console import AsJson, command, emit, say, table

if TYPE_CHECKING:
    from jobs.leaks import Leak

MOST_HOURS = 876_600
"""A hundred years."""


@command
def verify(
    lake: flags.LakeArgument,
    store: flags.StoreFlags,
    head: Annotated[
        str | None,
        typer.Option(help="Log head kept elsewhere: NUMBER:SHA256, as a run printed it.", show_default=False),
    ] = None,
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            help="Public key (PEM) that may have signed the entries; may be given again.",
            show_default=False,
            parser=flags.given_path,
            metavar="PATH",
        ),
    ] = None,
    leaks: Annotated[
        Path | None,
        typer.Option(
            help="File of identified values, one a line: found nowhere outside restricted/.",
            show_default=False,
            parser=flags.given_path,
            metavar="PATH",
        ),
    ] = None,
    logs: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder or file of logs to look for them too; may be given again.",
            parser=flags.given_path,
            metavar="PATH",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Prove a lake from itself: log, signatures, hashes of every part, counts, Delta tables. Exit 1 says it is wrong.

    Examples:

      clinray verify ./lake

      clinray verify s3://research/lake --head 42:9f2c… --trust signing-key.pub.pem

      clinray verify ./lake --leaks values.txt --logs /tmp/ray
    """
    from dataclasses import asdict

    from connectors.errors import ConfigError, ExitCode
    from connectors.lake.verify import verify as prove
    from jobs.heads import parse_head, public_key
    from jobs.leaks import find_leaks, read_values

    if logs and leaks is None:
        raise ConfigError("LEAK_LOGS", "--logs wants the values to look for: name their file with --leaks")
    wanted = parse_head(head) if head else None
    trusted = [public_key(path) for path in trust or []]
    report = prove(lake, store.options(), head=wanted, trust=trusted)
    found = find_leaks(lake, store.options(), read_values(leaks), logs or []) if leaks else []
    code = ExitCode.FOUND if found else report.exit_code
    if as_json:
        emit({**report.as_json(), **({"leaks": [asdict(leak) for leak in found]} if leaks else {})})
        return int(code)
    for line in report.lines():
        say(line)
    for leak in found:
        say(f"LEAK: the value of line {leak.line} stands in {leak.place}{_of_column(leak)}")
    if leaks and not found:
        say("no leak: none of the values was found")
    return int(code)


def _of_column(leak: Leak) -> str:
    return f" {leak.column} ({leak.rows:,} rows)" if leak.column else ""


@command
def runs(lake: flags.LakeArgument, store: flags.StoreFlags, as_json: AsJson = False) -> int:
    """The entries of a lake's log: when, what kind, how much.

    Example: clinray runs ./lake
    """
    from connectors.lake import Lake

    opened = Lake.open(lake, store.options())
    entries = opened.entries()
    number, sha256 = opened.head()
    if as_json:
        contents = [{**entry.content, "sha256": entry.sha256} for entry in entries]
        emit({"entries": contents, "head": {"number": number, "sha256": sha256}})
        return 0
    rows = []
    for entry in entries:
        objects, records = entry.content["counts"]["objects"], entry.content["counts"]["records"]
        ended = str(entry.content["ended"])[:19]
        facts = (objects["written"], records["written"], records["quarantined"], records["duplicate"])
        rows.append((entry.number, ended, entry.kind, entry.zone, *facts, entry.run_id[:12]))
    table(("entry", "ended (UTC)", "kind", "zone", "objects", "written", "quarantined", "duplicate", "run"), rows)
    say(f"head {number}:{sha256}")
    return 0


@command
def vacuum(
    lake: flags.LakeArgument,
    store: flags.StoreFlags,
    older_than_hours: Annotated[float, typer.Option(min=0, max=MOST_HOURS, help="Leave younger files alone.")] = 168.0,
    keys: flags.KeysFolder = None,
    dry_run: flags.DryRun = False,
    as_json: AsJson = False,
) -> int:
    """Remove files that no entry of the log names: left by runs that died. The removal is an entry of the log itself.

    Example: clinray vacuum ./lake --dry-run
    """
    from datetime import timedelta

    from connectors.lake import Lake
    from connectors.lake.vacuum import vacuum as remove
    from jobs.access import signing_key_of

    opened = Lake.open(lake, store.options(), signer=signing_key_of(keys))
    report = remove(opened, timedelta(hours=older_than_hours), dry_run=dry_run)
    if as_json:
        emit({"files": len(report.paths), "bytes": report.bytes, "dry_run": dry_run, "paths": list(report.paths)})
        return 0
    verb = "would remove" if dry_run else "removed"
    say(f"{verb} {len(report.paths):,} files, {report.bytes:,} bytes")
    return 0
