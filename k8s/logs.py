"""`logs`: what the driver of a RayJob printed."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.errors import ConfigError
from jobs.console import command, say
from k8s import flags


@command
def logs(
    job: flags.Job,
    namespace: flags.Namespace = None,
    lines: Annotated[int, typer.Option(min=1, help="Last lines of each pod.")] = 200,
    head: Annotated[bool, typer.Option("--head", help="The head's log too.")] = False,
) -> int:
    """What the driver of a RayJob printed, by the pod that submitted it.

    Example: python -m k8s logs clinray-ingest-1-5fd5cbd3
    """
    from k8s.cluster import connect

    cluster = connect(namespace)
    found = cluster.ray_job(job)
    if found is None:
        raise ConfigError("K8S_NO_JOB", f"there is no rayjob {job} in {cluster.namespace}")
    pods = list(cluster.pods(f"job-name={job}"))
    cluster_name = (found.get("status") or {}).get("rayClusterName")
    if head and cluster_name:
        pods += cluster.pods(f"ray.io/cluster={cluster_name},ray.io/node-type=head")
    for pod in pods:
        say(f"== {pod.metadata.name}")
        say(cluster.log(pod.metadata.name, pod.spec.containers[0].name, lines).rstrip())
    if not pods:
        say("no pod has begun yet")
    return 0
