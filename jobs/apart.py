"""`clinray validate` and `clinray deidentify`: stages as jobs of their own, over the parts of the zone before."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobs import flags
from jobs.console import AsJson, LogFormat, command, done, emit, set_up_logs


def _run(settings: dict[str, Any], *, cpus: int | None, quiet: bool, dry_run: bool, as_json: bool) -> int:
    from jobs.progress import bar
    from jobs.reports import print_run
    from jobs.stage_run import stage_run

    with bar(quiet or as_json) as progress:
        report = stage_run(**settings, cpus=cpus, dry_run=dry_run, progress=progress)
    if as_json:
        emit(report)
    else:
        print_run(report)
    return done(report)


@command
def validate(
    lake: flags.LakeArgument,
    format_: flags.Format = "hl7v2",
    min_score: Annotated[float | None, typer.Option(help="Quarantine records that score below it (0 to 100).")] = None,
    endpoint: flags.Endpoint = None,
    keys: flags.KeysFolder = None,
    cpus: flags.Cpus = None,
    dry_run: flags.DryRun = False,
    quiet: flags.Quiet = False,
    as_json: AsJson = False,
    log_format: LogFormat = "console",
) -> int:
    """Check the identified zone of a lake and write the validated zone: the same rows, scored, with findings.

    Example: clinray validate s3://research/lake
    """
    set_up_logs(log_format)
    settings: dict[str, Any] = {
        "stage": "validate",
        "lake": lake,
        "format_": format_,
        "policy": "identified",
        "min_score": min_score,
    }
    settings |= {"endpoint": endpoint, "keys": keys}
    return _run(settings, cpus=cpus, quiet=quiet, dry_run=dry_run, as_json=as_json)


@command
def deidentify(
    lake: flags.LakeArgument,
    policy: Annotated[str, typer.Option(help="Privacy policy: a shipped name or a file.")],
    format_: flags.Format = "hl7v2",
    source_zone: Annotated[
        str, typer.Option("--from", help="Zone that is read: validated or identified.")
    ] = "validated",
    endpoint: flags.Endpoint = None,
    keys: flags.KeysFolder = None,
    cpus: flags.Cpus = None,
    dry_run: flags.DryRun = False,
    quiet: flags.Quiet = False,
    as_json: AsJson = False,
    log_format: LogFormat = "console",
) -> int:
    """De-identify the validated (or identified) zone of a lake under a policy into its deidentified zone.

    Example: clinray deidentify s3://research/lake --policy hipaa-limited-data-set
    """
    set_up_logs(log_format)
    settings: dict[str, Any] = {
        "stage": "deidentify",
        "lake": lake,
        "format_": format_,
        "policy": policy,
        "source_zone": source_zone,
    }
    settings |= {"endpoint": endpoint, "keys": keys}
    return _run(settings, cpus=cpus, quiet=quiet, dry_run=dry_run, as_json=as_json)
