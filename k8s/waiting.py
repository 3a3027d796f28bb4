"""Waiting for a RayJob: its result, or why it does not begin."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connectors.errors import AccessError, ConfigError, TransientError
from k8s.cluster import Cluster, Object
from k8s.outcome import OUTCOMES_OF_EXITS, Outcome, of_status, outcome

WATCH_SECONDS = 30
"""Longest watch: after it the job is listed anew."""
HINT_SECONDS = 30.0
"""After which is told again what a job waits for: no change of a RayJob tells it."""
ROUND_SECONDS = 3.0
"""Shortest time from list to list, where the API does not answer or ends its watches at once."""
UNANSWERED = 20
"""Lists and watches refused one after the other, after which the API is taken to be away for good."""

_ERROR = re.compile(r'^\{"error": \{"code": "([A-Z0-9_]+)"')

Seen = Callable[[str], None]


@dataclass(frozen=True)
class Clock:
    """Time, at the edge: tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Patience:
    """Seconds: in all, and of those until the job runs. accept_suspended: somebody else resumes it."""

    seconds: float
    starting: float | None = None
    accept_suspended: bool = False


def wait(cluster: Cluster, name: str, patience: Patience, seen: Seen, clock: Clock | None = None) -> Outcome:
    """The outcome of a RayJob. seen: told each new state. Raises AccessError, TransientError."""
    clock = clock or Clock()
    begun, state, hint, told = clock.now(), "", "", clock.now()
    with contextlib.closing(_looks(cluster, name, patience, clock)) as looks:
        for job in looks:
            if job is None:
                break
            status: Mapping[str, Any] = job.get("status") or {}
            state = _told(status, state, seen)
            if ended := of_status(status):
                return _explained(cluster, name, ended, hint)
            if given_up := _impatient(cluster, job, status, patience, clock.now() - begun):
                return given_up
            if clock.now() - told >= HINT_SECONDS:
                hint, told = _hint(cluster, job, hint, seen), clock.now()
    return outcome("vanished", "it was deleted" if state else "there is none of this name")


def _looks(cluster: Cluster, name: str, patience: Patience, clock: Clock) -> Generator[Object | None, None, None]:
    """A RayJob as it is listed, then at each change; None where it is not there. Listed anew whenever a watch ends.

    Raises AccessError, and TransientError where the API is away for good.
    """
    begun, silent = clock.now(), 0
    while True:
        since = clock.now()
        try:
            job, version = cluster.listed(name)
            yield job
            with cluster.watched(name, version, _seconds(patience, clock.now() - begun)) as changes:
                for change in changes:
                    silent = 0
                    yield change
            silent = 0
        except TransientError:
            silent += 1
            if silent >= UNANSWERED:
                raise
        if (rest := since + ROUND_SECONDS - clock.now()) > 0:
            clock.sleep(rest)


def _seconds(patience: Patience, waited: float) -> int:
    """Of a watch: it ends just behind the deadline that comes first, if no sooner."""
    deadlines = [patience.seconds, *([] if patience.starting is None else [patience.starting])]
    return min([WATCH_SECONDS, *(math.floor(at - waited) + 1 for at in deadlines if at >= waited)])


def _hint(cluster: Cluster, job: Mapping[str, Any], before: str, seen: Seen) -> str:
    """Why a job that begins does not run yet; the one before where nothing is known of it."""
    if not _begins(job.get("status") or {}):
        return before
    try:
        why = why_not(cluster, job)
    except TransientError:
        return before
    if why != before:
        seen(f"waits: {why}")
    return why


def _explained(cluster: Cluster, name: str, ended: Outcome, hint: str) -> Outcome:
    """The outcome with what its pods last waited for, or the code of its driver's own error, where that is known."""
    if ended.kind.name == "not_started" and hint:
        return replace(ended, detail=f"{ended.detail}; {hint}")
    if ended.kind.name not in OUTCOMES_OF_EXITS.values():
        return ended
    try:
        pods = cluster.pods(f"job-name={name}")
        code = error_code("\n".join(cluster.log(pod.metadata.name) for pod in pods))
    except (AccessError, ConfigError, TransientError):
        return ended
    return replace(ended, detail=f"{ended.detail}, {code}") if code else ended


def error_code(log: str) -> str:
    """The code in the last report that a log holds; empty where there is none. Nothing else of a log is told."""
    for line in reversed(log.splitlines()):
        found = _ERROR.search(line)
        if found:
            return found[1]
    return ""


def _told(status: Mapping[str, Any], before: str, seen: Seen) -> str:
    state = (
        "/".join(filter(None, (status.get("jobDeploymentStatus"), status.get("jobStatus")))) or "waiting for KubeRay"
    )
    if state != before:
        seen(state)
    return state


def _impatient(
    cluster: Cluster, job: Mapping[str, Any], status: Mapping[str, Any], patience: Patience, waited: float
) -> Outcome | None:
    """What is said of a job that is not at its end, if it is time to say something."""
    deployment = status.get("jobDeploymentStatus") or ""
    if deployment == "Suspended" and job["spec"].get("suspend") and not patience.accept_suspended:
        return outcome("suspended")
    begins = _begins(status)
    if begins and patience.starting is not None and waited > patience.starting:
        return outcome("not_started", why_not(cluster, job))
    if waited > patience.seconds:
        return outcome("not_started", why_not(cluster, job)) if begins else outcome("timed_out")
    return None


def _begins(status: Mapping[str, Any]) -> bool:
    """Whether the driver has not begun: no cluster yet, or one whose submitter's pod may be what cannot start."""
    if (status.get("jobDeploymentStatus") or "") in ("", "Initializing", "Waiting", "Suspended"):
        return True
    return status.get("jobDeploymentStatus") == "Running" and status.get("jobStatus", "") in ("", "PENDING")


def why_not(cluster: Cluster, job: Mapping[str, Any]) -> str:
    """Why the pods of a job do not run: what their containers wait for, or why no node takes them."""
    status = job.get("status") or {}
    name = status.get("rayClusterName")
    if status.get("jobDeploymentStatus") == "Suspended":
        return "it is suspended, and no queue and nobody has let it begin"
    if not name:
        return "KubeRay has made no cluster for it; is its operator running?"
    try:
        pods = [*cluster.pods(f"ray.io/cluster={name}"), *cluster.pods(f"job-name={job['metadata']['name']}")]
    except AccessError:
        return "its pods cannot be looked at without the right to list pods"
    found = sorted({reason for pod in pods for reason in pod_reasons(pod)})
    found = found or list(cluster.mount_failures([pod.metadata.name for pod in pods]))
    return "; ".join(found) or ("its pods have not become ready" if pods else "no pod was made")


def pod_reasons(pod: Any) -> list[str]:
    """Reasons in Kubernetes' own words: a container's waiting reason with its image, or the scheduler's message."""
    status = pod.status
    reasons = []
    for container in [*(status.init_container_statuses or []), *(status.container_statuses or [])]:
        waiting = container.state.waiting if container.state else None
        if waiting is not None and waiting.reason not in (None, "PodInitializing", "ContainerCreating"):
            subject = f" {container.image}" if "Image" in waiting.reason else ""
            secret = f": {waiting.message}" if waiting.reason == "CreateContainerConfigError" else ""
            reasons.append(f"{waiting.reason}{subject}{secret}")
    unscheduled = (c for c in status.conditions or [] if c.type == "PodScheduled" and c.status == "False")
    return [*reasons, *(f"{c.reason}: {c.message}" for c in unscheduled)]
