"""`submit`: the chart's RayJobs without Helm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from connectors.errors import ConfigError
from jobs.console import AsJson, command, emit, say
from k8s import flags

EXAMPLES = """
Make the RayJobs that the chart would make, without Helm. The values are the chart's own.

Examples:

  python -m k8s submit -f values.yaml --pipeline pipeline.yaml

  python -m k8s submit -f values.yaml --set image.tag=0.1.0 --dry-run > rayjob.yaml
"""


@command
def submit(
    values: flags.ValuesFiles = None,
    settings: flags.Settings = None,
    pipeline: Annotated[
        Path | None, typer.Option(help="Pipeline file, in place of the value `pipeline`.", show_default=False)
    ] = None,
    release: flags.Release = "clinray",
    namespace: flags.Namespace = None,
    revision: Annotated[int, typer.Option(min=1, help="Raise it to run the same pipeline again.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the objects as YAML; make nothing.")] = False,
    as_json: AsJson = False,
) -> int:
    from jobs.config import load_pipeline
    from k8s import chart
    from k8s.cluster import connect
    from k8s.render import Release, ray_jobs

    made = chart.values(values or (), settings or ())
    if pipeline is not None:
        load_pipeline(pipeline, {})
        made = {**made, "pipeline": yaml.safe_load(pipeline.read_text(encoding="utf-8"))}
    own = {**made, "serviceAccounts": _without_accounts(made)}
    if dry_run:
        jobs = ray_jobs(own, Release(release, namespace or "default", revision))
        yaml.safe_dump_all(jobs, sys.stdout, sort_keys=True, allow_unicode=True)
        return 0
    cluster = connect(namespace)
    jobs = ray_jobs(own, Release(release, cluster.namespace, revision))
    for job in jobs:
        if not cluster.create(job):
            name = job["metadata"]["name"]
            raise ConfigError("K8S_JOB_EXISTS", f"there is a rayjob {name} already; raise --revision to run again")
    _report([job["metadata"]["name"] for job in jobs], cluster.namespace, jobs[0]["spec"]["suspend"], as_json)
    return 0


def _without_accounts(made: dict[str, Any]) -> dict[str, Any]:
    """Without Helm nobody makes service accounts: pods use the one that is named, else the namespace's own."""
    accounts: dict[str, Any] = made["serviceAccounts"]
    return {**accounts, "ray": {**accounts["ray"], "create": False}}


def _report(names: list[str], namespace: str, suspended: bool, as_json: bool) -> None:
    if as_json:
        emit({"rayjobs": names, "namespace": namespace, "suspended": suspended})
        return
    for name in names:
        say(f"made rayjob {name} in {namespace}{', suspended' if suspended else ''}")
    say(f"next: python -m k8s wait {names[0]} -n {namespace}")


submit.__doc__ = EXAMPLES
