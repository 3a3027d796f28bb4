"""`cancel`: end RayJobs and wait until they are gone."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from connectors.errors import ConfigError
from jobs.console import AsJson, command, emit, say
from k8s import flags

EVERY_SECONDS = 1.0

EXAMPLES = """
End RayJobs with everything that KubeRay made for them, and wait until they are gone. What a run has committed stays.

Examples:

  python -m k8s cancel clinray-ingest-1-5fd5cbd3

  python -m k8s cancel --release clinray
"""


@command
def cancel(
    job: Annotated[str | None, typer.Argument(help="Name of the RayJob.", show_default=False)] = None,
    release: Annotated[
        str | None, typer.Option("--release", help="All RayJobs of a release.", show_default=False)
    ] = None,
    runners: Annotated[bool, typer.Option("--runners", help="The runners of the release first.")] = False,
    namespace: flags.Namespace = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait until they are gone.")] = 120,
    as_json: AsJson = False,
) -> int:
    from k8s.cluster import connect

    if (job is None) == (release is None):
        raise ConfigError("K8S_WHICH", "name one rayjob, or a release with --release")
    cluster = connect(namespace)
    if release and runners:
        cluster.delete_jobs(f"clinray.io/release={release},app.kubernetes.io/component=runner")
    found = cluster.ray_jobs(f"clinray.io/release={release}") if release else [{"metadata": {"name": job}}]
    names = [str(each["metadata"]["name"]) for each in found]
    gone = [name for name in names if cluster.delete(name)]
    if job is not None and not gone:
        raise ConfigError("K8S_NO_JOB", f"there is no rayjob {job} in {cluster.namespace}")
    until = time.monotonic() + timeout
    left = gone
    while left and time.monotonic() < until:
        left = [name for name in left if cluster.ray_job(name) is not None]
        if left:
            time.sleep(EVERY_SECONDS)
    if as_json:
        emit({"cancelled": gone, "still_there": left})
    else:
        say(f"cancelled {len(gone)} rayjobs{', still ending: ' + ', '.join(left) if left else ''}")
    return int(bool(left))


cancel.__doc__ = EXAMPLES
