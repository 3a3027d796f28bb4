"""`clinray quarantine`: what could not be read, why and where, and reading it again after a fix."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobs import flags
from jobs.console import AsJson, LogFormat, command, done, emit, set_up_logs, table

app = typer.Typer(help="What could not be read: count it, find it, read it again after a fix.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option(help="Only this code.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="What was resolved, too.")]


@app.command("list")
@command
def list_codes(
    lake: flags.LakeArgument, everything: All = False, endpoint: flags.Endpoint = None, as_json: AsJson = False
) -> int:
    """How many spans and records are quarantined, by code; with --all also those that a later run resolved.

    Example: clinray quarantine list ./lake
    """
    from connectors.lake import Lake
    from connectors.storage import StorageOptions
    from jobs.quarantined import by_code

    rows = by_code(Lake.open(lake, StorageOptions(endpoint=endpoint)), everything=everything)
    if as_json:
        emit({"codes": rows})
    else:
        table(("code", "spans", "records", "objects", "resolved"), [tuple(row.values()) for row in rows])
    return 0


@app.command("show")
@command
def show_where(
    lake: flags.LakeArgument,
    code: Code = None,
    everything: All = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    endpoint: flags.Endpoint = None,
    as_json: AsJson = False,
) -> int:
    """Where the quarantined spans stand: object, offset, length, code. Object keys may identify a person.

    Example: clinray quarantine show ./lake --code HL7_CHARSET_UNKNOWN
    """
    from connectors.lake import Lake
    from connectors.storage import StorageOptions
    from jobs.quarantined import spans

    rows = spans(Lake.open(lake, StorageOptions(endpoint=endpoint)), code, limit, everything=everything)
    if as_json:
        emit({"spans": rows})
    else:
        headers = ("code", "object", "offset", "length", "position", "state", "entry", "resolved by")
        table(headers, [tuple(row.values()) for row in rows])
    return 0


@app.command("retry")
@command
def retry(
    pipeline: flags.PipelineFile = None,
    source: flags.Source = None,
    lake: flags.Lake = None,
    policy: flags.Policy = None,
    format_: flags.Format = None,
    allow_identified: flags.AllowIdentified = None,
    code: Code = None,
    endpoint: flags.Endpoint = None,
    keys: flags.KeysFolder = None,
    cpus: flags.Cpus = None,
    dry_run: flags.DryRun = False,
    quiet: flags.Quiet = False,
    as_json: AsJson = False,
    log_format: LogFormat = "console",
) -> int:
    """Read the objects that hold quarantined records again, after a fix of the pipeline or of Clinray. Records that
    were written before, and those that are quarantined still, count as duplicate; what became readable is resolved.

    Example: clinray quarantine retry pipeline.yaml --code HL7_CHARSET_UNKNOWN
    """
    from connectors.lake import Lake
    from jobs.access import check_policy, storage_options
    from jobs.config import load_pipeline
    from jobs.progress import bar
    from jobs.quarantined import open_objects
    from jobs.reports import print_run
    from jobs.run import ingest

    set_up_logs(log_format)
    settings: dict[str, Any] = {"source": source, "lake": lake, "policy": policy, "format": format_}
    settings["allow_identified"] = allow_identified
    chosen = load_pipeline(pipeline, settings).with_access(endpoint=endpoint, keys=keys, create_keys=False)
    opened = Lake.open(chosen.lake, storage_options(chosen.lake_store))
    held = open_objects(opened, check_policy(chosen).zone.value, code)
    with bar(quiet or as_json) as progress:
        report = ingest(chosen, cpus=cpus, dry_run=dry_run, progress=progress, retry=frozenset(held))
    emit(report) if as_json else print_run(report)
    return done(report)
