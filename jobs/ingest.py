"""`clinray ingest`: from a bucket to audited tables."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobs import flags
from jobs.console import AsJson, LogFormat, command, done, emit, set_up_logs

EXAMPLES = """
Read a folder or a bucket, check it, de-identify it under a policy, and commit audited tables to a lake. What is
already in the lake's run log is skipped, so the same command is safe to run again.

Examples:

  clinray ingest --source ./messages --lake ./lake --policy pseudonymised

  clinray ingest --source s3://raw/hl7/ --lake s3://research/lake --policy hipaa-limited-data-set --json

  clinray ingest pipeline.yaml --dry-run
"""


@command
def ingest(
    pipeline: flags.PipelineFile = None,
    source: flags.Source = None,
    lake: flags.Lake = None,
    policy: flags.Policy = None,
    format_: flags.Format = None,
    allow_identified: flags.AllowIdentified = None,
    stages: Annotated[
        str | None,
        typer.Option(help="Stages inside the run, by comma: validate,deidentify or none.", show_default=False),
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA zone of times without an offset.", show_default="UTC")
    ] = None,
    objects: Annotated[
        str | None, typer.Option(help="Inventory (text, CSV, Parquet) in place of listing.", show_default=False)
    ] = None,
    pattern: Annotated[str | None, typer.Option(help="Only objects whose name matches this glob.")] = None,
    settle: Annotated[
        float | None,
        typer.Option(help="Leave objects younger than so many seconds for the next run.", show_default="0"),
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="Quarantine records that score below it (0 to 100).")] = None,
    max_quarantine: Annotated[
        float | None, typer.Option(help="Commit nothing if a larger share (0 to 1) of the records is quarantined.")
    ] = None,
    endpoint: flags.Endpoint = None,
    keys: flags.KeysFolder = None,
    no_create_keys: flags.NoCreateKeys = None,
    cpus: flags.Cpus = None,
    dry_run: flags.DryRun = False,
    quiet: flags.Quiet = False,
    as_json: AsJson = False,
    log_format: LogFormat = "console",
) -> int:
    from jobs.config import load_pipeline
    from jobs.progress import bar
    from jobs.reports import print_run
    from jobs.run import ingest as run

    set_up_logs(log_format)
    settings: dict[str, Any] = {
        "source": source,
        "lake": lake,
        "policy": policy,
        "format": format_,
        "allow_identified": allow_identified,
        "stages": flags_stages(stages),
        "time_zone": time_zone,
        "objects": objects,
        "pattern": pattern,
        "settle_seconds": settle,
        "min_score": min_score,
        "max_quarantine": max_quarantine,
    }
    chosen = load_pipeline(pipeline, settings).with_access(endpoint=endpoint, keys=keys, create_keys=not no_create_keys)
    with bar(quiet or as_json) as progress:
        report = run(chosen, cpus=cpus, dry_run=dry_run, progress=progress)
    if as_json:
        emit(report)
    else:
        print_run(report)
    return done(report)


def flags_stages(text: str | None) -> tuple[str, ...] | None:
    """The stages of a comma-separated flag; "none" is the empty tuple."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip() not in ("", "none"))


ingest.__doc__ = EXAMPLES
