"""`clinray deidentify`: the validated (or identified) zone of a lake becomes its de-identified zone."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from jobs import flags
from jobs.console import command


@command
def deidentify(
    lake: flags.LakeArgument,
    policy: Annotated[str, typer.Option(help="Privacy policy: a shipped name or a file.")],
    store: flags.StoreFlags,
    run: flags.RunFlags,
    format_: flags.FormatOfStage = "hl7v2",
    source_zone: Annotated[
        str, typer.Option("--from", help="Zone that is read: validated or identified.")
    ] = "validated",
    keys: flags.KeysFolder = None,
) -> int:
    """De-identify the validated (or identified) zone of a lake under a policy into its deidentified zone.

    Example: clinray deidentify s3://research/lake --policy hipaa-limited-data-set
    """
    from jobs.stage_run import stage_run

    return run.report(
        partial(
            stage_run,
            stage="deidentify",
            lake=lake,
            format_=format_,
            policy=policy,
            source_zone=source_zone,
            store=store.settings(),
            keys=keys,
        )
    )
