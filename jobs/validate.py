"""`clinray validate`: the identified zone of a lake becomes its validated zone."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from jobs import flags
from jobs.console import command

Retry = Annotated[bool, typer.Option("--retry", help="Only what this stage quarantined, under the threshold of now.")]


@command
def validate(
    lake: flags.LakeArgument,
    store: flags.StoreFlags,
    run: flags.RunFlags,
    format_: flags.FormatOfStage = "hl7v2",
    min_score: flags.MinScore = None,
    retry: Retry = False,
    keys: flags.KeysFolder = None,
) -> int:
    """Check the identified zone of a lake and write the validated zone: the same rows, scored, with findings.

    With --retry only what this stage quarantined is checked again: what no longer scores too low is written and
    resolved, the rest counts as duplicate.

    Example: clinray validate s3://research/lake

    Example: clinray validate s3://research/lake --min-score 40 --retry
    """
    from jobs.stage_run import stage_run

    return run.report(
        partial(
            stage_run,
            stage="validate",
            lake=lake,
            format_=format_,
            policy="identified",
            min_score=min_score,
            store=store.settings(),
            keys=keys,
            retry=retry,
        )
    )
