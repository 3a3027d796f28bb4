"""`clinray quarantine`: what could not be read, why and where, and reading it again after a fix."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobs import flags
from jobs.console import AsJson, LogFormat, command, done, emit, say, set_up_logs, table

app = typer.Typer(help="What could not be read: count it, find it, read it again after a fix.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option(help="Only this code.", show_default=False)]


@app.command("list")
@command
def list_codes(lake: flags.LakeArgument, endpoint: flags.Endpoint = None, as_json: AsJson = False) -> int:
    """How many spans and records are quarantined, by code.

    Example: clinray quarantine list ./lake
    """
    from jobs.quarantined import by_code

    rows = by_code(lake, endpoint)
    if as_json:
        emit({"codes": rows})
    else:
        table(("code", "spans", "records", "objects"), [tuple(row.values()) for row in rows])
    return 0


@app.command("show")
@command
def show_where(
    lake: flags.LakeArgument,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    endpoint: flags.Endpoint = None,
    as_json: AsJson = False,
) -> int:
    """Where the quarantined spans stand: object, offset, length, code. Object keys may identify a person.

    Example: clinray quarantine show ./lake --code HL7_CHARSET_UNKNOWN
    """
    from jobs.quarantined import spans

    rows = spans(lake, endpoint, code, limit)
    if as_json:
        emit({"spans": rows})
    else:
        table(("code", "object", "offset", "length", "position"), [tuple(row.values()) for row in rows])
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
    were written before count as duplicate.

    Example: clinray quarantine retry pipeline.yaml --code HL7_CHARSET_UNKNOWN
    """
    from jobs.config import load_pipeline
    from jobs.progress import bar
    from jobs.quarantined import objects
    from jobs.reports import print_run
    from jobs.run import ingest

    set_up_logs(log_format)
    settings: dict[str, Any] = {"source": source, "lake": lake, "policy": policy, "format": format_}
    settings["allow_identified"] = allow_identified
    chosen = load_pipeline(pipeline, settings).with_access(endpoint=endpoint, keys=keys, create_keys=False)
    held = objects(chosen.lake, endpoint or chosen.lake_store.endpoint, code)
    if not held:
        emit({"objects": 0}) if as_json else say("nothing is quarantined")
        return 0
    with bar(quiet or as_json) as progress:
        report = ingest(chosen, cpus=cpus, dry_run=dry_run, progress=progress, retry=frozenset(held))
    emit(report) if as_json else print_run(report)
    return done(report)
