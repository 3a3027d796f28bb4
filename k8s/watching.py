"""`wait` and `runner`: results of RayJobs as exit codes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.console import AsJson, command, emit, say
from k8s import flags
from k8s.runner import SETTLED, Owner, Rules, Runner, StageResult, read_templates, time_suffix

SUFFIX_LENGTH = 16
"""Longest suffix of a run: a name keeps room for its stage, revision and digest."""

WAIT = """
Wait for the result of a RayJob. Exit 0 says that it succeeded and nothing else does; each other end has its own code
(docs/kubernetes-client.md).

Example: python -m k8s wait clinray-ingest-1-5fd5cbd3 --timeout 3600
"""

RUN = """
Run the RayJobs of a file one after the other. Each begins when the one before has succeeded; a try that failed for a
reason that may pass is made again under a fresh name.

Example: python -m k8s runner --templates rayjobs.json --retries 2
"""


@command
def wait(
    job: flags.Job,
    namespace: flags.Namespace = None,
    timeout: flags.Timeout = 86_400,
    starting: flags.Starting = None,
    as_json: AsJson = False,
) -> int:
    from k8s.cluster import connect
    from k8s.waiting import Patience
    from k8s.waiting import wait as wait_for

    outcome = wait_for(connect(namespace), job, Patience(timeout, starting), _log)
    if as_json:
        emit({"rayjob": job, "outcome": outcome.kind.name, "detail": outcome.detail, "exit": outcome.kind.exit_code})
    else:
        say(f"{job}: {outcome.sentence}")
    return outcome.kind.exit_code


wait.__doc__ = WAIT


@command
def runner(
    templates: Annotated[Path, typer.Option(help="JSON list of RayJobs in the order of the stages.")],
    namespace: flags.Namespace = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make new RayJobs instead of resuming those.")] = False,
    retries: Annotated[int, typer.Option(min=0, help="Further tries of a stage.")] = 2,
    timeout: flags.Timeout = 86_400,
    starting: flags.Starting = None,
    as_json: AsJson = False,
) -> int:
    from k8s.cluster import connect

    owner = Owner(os.environ.get("JOB_NAME", ""), os.environ.get("JOB_UID", ""))
    jobs = read_templates(templates)
    work = Runner(connect(namespace), Rules(retries, timeout, starting), _log, owner)
    results = work.run(jobs, run_suffix(owner) if fresh else "")
    behind = [job["metadata"]["labels"]["clinray.io/stage"] for job in jobs[len(results) :]]
    last = results[-1]
    if as_json:
        emit(report(results, behind))
    else:
        for result in results:
            say(f"{result.stage}: {result.outcome.sentence}, {result.attempts} tries, {result.seconds:.0f} s")
    if last.outcome.kind.name not in SETTLED:
        waiting = f"; not begun: {', '.join(behind)}" if behind else ""
        print(f"clinray: stage {last.stage}: {last.outcome.sentence}{waiting}", file=sys.stderr)  # noqa: T201
    return max((result.outcome.kind.exit_code for result in results), default=0)


runner.__doc__ = RUN


def run_suffix(owner: Owner) -> str:
    """What the names of a run's RayJobs end with: of the Job that owns them, so that a runner that is started again
    finds them; else the time."""
    return owner.name.rsplit("-", 1)[-1][-SUFFIX_LENGTH:].lstrip(".") if owner.name else time_suffix()


def report(results: Sequence[StageResult], behind: Sequence[str]) -> Mapping[str, Any]:
    """What a run of stages says as JSON."""
    return {
        "stages": [
            {
                "stage": result.stage,
                "rayjob": result.job,
                "outcome": result.outcome.kind.name,
                "detail": result.outcome.detail,
                "attempts": result.attempts,
                "seconds": round(result.seconds, 1),
            }
            for result in results
        ],
        "not_begun": list(behind),
    }


def _log(event: str) -> None:
    """A line of progress on standard error, as JSON where nobody watches."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = f"{stamp} {event}" if sys.stderr.isatty() else json.dumps({"time": stamp, "event": event})
    print(line, file=sys.stderr, flush=True)  # noqa: T201
