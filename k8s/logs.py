"""`logs`: what the driver of a RayJob printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import ConfigError
from jobs.console import AsJson, command, emit, say
from k8s import flags

if TYPE_CHECKING:
    from k8s.cluster import Cluster, Object

SUBMITTER, HEAD = "submitter", "head"


@command
def logs(
    job: flags.Job,
    namespace: flags.Namespace = None,
    lines: Annotated[int, typer.Option(min=1, help="Last lines of each pod.")] = 200,
    head: Annotated[bool, typer.Option("--head", help="The head's log too.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the last submitter's pod ends.")] = False,
    as_json: AsJson = False,
) -> int:
    """What the driver of a RayJob printed, by the pod that submitted it.

    Example: python -m k8s logs clinray-ingest-1-5fd5cbd3
    """
    from k8s.cluster import connect

    cluster = connect(namespace)
    found = cluster.ray_job(job)
    if found is None:
        raise ConfigError("K8S_NO_JOB", f"there is no rayjob {job} in {cluster.namespace}")
    pods = _pods(cluster, found, head)
    # The one that is followed stands at the end: what is behind it would be shown when it has ended.
    followed = pods[-1:] if follow and pods and pods[-1][0] == SUBMITTER else []
    shown = [(role, pod.metadata.name, _lines(cluster, pod, lines, (role, pod) in followed)) for role, pod in pods]
    if as_json:
        emit({"job": job, "pods": [{"pod": pod, "role": role, "lines": list(text)} for role, pod, text in shown]})
        return 0
    for _, pod, text in shown:
        say(f"== {pod}")
        for line in text:
            say(line)
            sys.stdout.flush()
    if not pods:
        say("no pod has begun yet")
    return 0


def _pods(cluster: Cluster, job: Object, head: bool) -> list[tuple[str, Any]]:
    """The pods to show with their roles: the head, if wanted, and those that submitted, the newest last."""
    name = (job.get("status") or {}).get("rayClusterName")
    heads = cluster.pods(f"ray.io/cluster={name},ray.io/node-type=head") if head and name else []
    submitters = sorted(
        cluster.pods(f"job-name={job['metadata']['name']}"), key=lambda pod: str(pod.metadata.creation_timestamp or "")
    )
    return [*((HEAD, pod) for pod in heads), *((SUBMITTER, pod) for pod in submitters)]


def _lines(cluster: Cluster, pod: Any, lines: int, follow: bool) -> Iterator[str]:
    name, container = pod.metadata.name, pod.spec.containers[0].name
    if follow:
        yield from cluster.followed_log(name, container, lines)
    elif text := cluster.log(name, container, lines).rstrip():
        yield from text.split("\n")
