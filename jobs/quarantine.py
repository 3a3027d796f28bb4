"""`clinray quarantine`: what could not be read, why and where, and reading it again after a fix."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from jobs import flags
from jobs.console import AsJson, command, emit, table

app = typer.Typer(help="What could not be read: count it, find it, read it again after a fix.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option(help="Only this code.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="What was resolved, too.")]


@app.command("list")
@command
def list_codes(
    lake: flags.LakeArgument, store: flags.StoreFlags, everything: All = False, as_json: AsJson = False
) -> int:
    """How many spans and records are quarantined, by code; with --all also those that a later run resolved.

    Example: clinray quarantine list ./lake
    """
    from connectors.lake import Lake
    from jobs.quarantined import by_code

    rows = by_code(Lake.open(lake, store.options()), everything=everything)
    if as_json:
        emit({"codes": rows})
    else:
        table(("code", "spans", "records", "objects", "resolved"), [tuple(row.values()) for row in rows])
    return 0


@app.command("show")
@command
def show_where(
    lake: flags.LakeArgument,
    store: flags.StoreFlags,
    code: Code = None,
    everything: All = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> int:
    """Where the quarantined spans stand: object, offset, length, code. Object keys may identify a person.

    Example: clinray quarantine show ./lake --code HL7_CHARSET_UNKNOWN
    """
    from connectors.lake import Lake
    from jobs.quarantined import spans

    rows = spans(Lake.open(lake, store.options()), code, limit, everything=everything)
    if as_json:
        emit({"spans": rows})
    else:
        headers = ("code", "object", "offset", "length", "position", "state", "entry", "resolved by")
        table(headers, [tuple(row.values()) for row in rows])
    return 0


@app.command("retry")
@command
def retry(
    pipeline: flags.PipelineFlags,
    store: flags.StoreFlags,
    run: flags.RunFlags,
    code: Code = None,
    keys: flags.KeysFolder = None,
) -> int:
    """Read the objects that hold quarantined records again, after a fix of the pipeline or of Clinray. Records that
    were written before, and those that are quarantined still, count as duplicate; what became readable is resolved.

    Example: clinray quarantine retry pipeline.yaml --code HL7_CHARSET_UNKNOWN
    """
    from connectors.lake import Lake
    from jobs.access import check_policy, storage_options
    from jobs.quarantined import open_objects
    from jobs.run import ingest

    chosen = pipeline.load(store, keys, create_keys=False)
    lake = Lake.open(chosen.lake, storage_options(chosen.lake_store))
    held = open_objects(lake, check_policy(chosen).zone.value, code)
    return run.report(partial(ingest, chosen, retry=frozenset(held)))
