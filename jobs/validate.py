"""`clinray validate`: the identified zone of a lake becomes its validated zone."""

from __future__ import annotations

from functools import partial

from jobs import flags
from jobs.console import command


@command
def validate(
    lake: flags.LakeArgument,
    store: flags.StoreFlags,
    run: flags.RunFlags,
    format_: flags.FormatOfStage = "hl7v2",
    min_score: flags.MinScore = None,
    keys: flags.KeysFolder = None,
) -> int:
    """Check the identified zone of a lake and write the validated zone: the same rows, scored, with findings.

    Example: clinray validate s3://research/lake
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
        )
    )
