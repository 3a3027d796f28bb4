"""What `doctor` sees from a pod that has the image, identity, Secrets and network of the run."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import kubernetes
from kubernetes.client.exceptions import ApiException, NotFoundException

from connectors.errors import ConfigError
from k8s.check import FAILED, OK, WARNING, Check
from k8s.cluster import REQUEST_SECONDS, Cluster, said
from k8s.render import RayJob, Release
from k8s.waiting import pod_reasons

WITHIN_SECONDS = 180.0
EVERY_SECONDS = 1.0
SKEW_SECONDS = 60.0
"""Stores refuse signatures that are minutes off."""

REFUSALS = (
    ("violates PodSecurity", "the namespace's Pod Security refuses it", "keep the chart's security contexts"),
    ("exceeded quota", "a quota of the namespace refuses it", "ask for a larger quota, or lower the resources"),
    ("", "you may not make pods", "ask for the right to create and delete pods, or leave it out with --no-inside"),
)
"""What the API's refusal of a pod holds, what it says, and what helps."""

NO_ACCOUNT = ("serviceaccount", "not found")

LOOK = "date +%s; exec clinray ingest /etc/clinray/pipeline/pipeline.yaml --dry-run --no-create-keys --cpus 0 --json"


def look_from_inside(cluster: Cluster, job: RayJob, release: Release) -> list[Check]:
    """A dry run of the pipeline in a pod: image, bucket, lake, keys, clock. The pod is removed."""
    pod = looking_pod(job, release)
    name = pod["metadata"]["name"]
    if refused := _make(cluster, pod):
        return [refused]
    try:
        return list(_checks(cluster, name))
    finally:
        with said(f"pod {name}"), contextlib.suppress(NotFoundException):
            cluster.core.delete_namespaced_pod(
                name, cluster.namespace, grace_period_seconds=0, _request_timeout=REQUEST_SECONDS
            )


def _make(cluster: Cluster, pod: dict[str, Any]) -> Check | None:
    """Makes the pod; with the namespace's own account where the release's is not there yet."""
    own = {**pod, "spec": {**pod["spec"], "serviceAccountName": "default"}}
    refused = _refusal(cluster, pod)
    if refused is not None and all(part in refused for part in NO_ACCOUNT):
        refused = _refusal(cluster, own)
    if refused is None:
        return None
    says, do = next((says, do) for part, says, do in REFUSALS if part in refused)
    return Check("pod", FAILED, says, do)


def _refusal(cluster: Cluster, pod: dict[str, Any]) -> str | None:
    """What the API says against a pod; None where it makes it."""
    with said("pod"):
        try:
            cluster.core.create_namespaced_pod(cluster.namespace, pod, _request_timeout=REQUEST_SECONDS)
        except ApiException as error:
            if error.status != 403:
                raise
            return str(error.body)
    return None


def looking_pod(job: RayJob, release: Release) -> dict[str, Any]:
    """The head's pod, with a dry run in place of Ray."""
    template: dict[str, Any] = copy.deepcopy(job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"])
    spec = template["spec"]
    container = {k: v for k, v in spec["containers"][0].items() if k != "ports"}
    container |= {"name": "doctor", "command": ["/usr/local/bin/clinray-entry", "/bin/bash", "-c", LOOK]}
    spec |= {"containers": [container], "restartPolicy": "Never", "activeDeadlineSeconds": int(WITHIN_SECONDS)}
    metadata = {"name": f"{release.name}-doctor-{time.strftime('%H%M%S')}", **template["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _checks(cluster: Cluster, name: str) -> Iterator[Check]:
    pod = _ended(cluster, name)
    if pod is None or pod.status.phase not in ("Succeeded", "Failed"):
        why = "; ".join(pod_reasons(pod)) if pod is not None else "it was removed"
        yield Check(
            "pod", FAILED, why or "it has not ended in time", "see the image's name, its pull Secret, the nodes"
        )
        return
    yield Check("pod", OK, "the image was pulled, and its pod passes the namespace's security")
    lines = cluster.log(name, "doctor").splitlines()
    if lines and lines[0].isdigit():
        yield _clock(cluster, pod, int(lines[0]))
    yield _dry_run(lines, pod.status.phase == "Succeeded")


def _ended(cluster: Cluster, name: str) -> Any:
    """The pod when it has ended, or when it cannot begin or has had its time."""
    until = time.monotonic() + WITHIN_SECONDS
    pod = None
    while time.monotonic() < until:
        try:
            with said(f"pod {name}"):
                pod = cluster.core.read_namespaced_pod(name, cluster.namespace, _request_timeout=REQUEST_SECONDS)
        except ConfigError:
            return None
        stuck = any("Image" in reason or "Config" in reason for reason in pod_reasons(pod))
        if pod.status.phase in ("Succeeded", "Failed") or stuck:
            return pod
        time.sleep(EVERY_SECONDS)
    return pod


def _clock(cluster: Cluster, pod: Any, seconds: int) -> Check:
    """The pod's clock against the API server's, which set the time of its making and says what time it is now."""
    with said("the version"):
        _, _, headers = kubernetes.client.VersionApi(cluster.api).get_code_with_http_info(
            _request_timeout=REQUEST_SECONDS
        )
    made = pod.metadata.creation_timestamp.timestamp()
    now = parsedate_to_datetime(headers["Date"]).timestamp() if "Date" in headers else None
    skew = max(made - seconds, seconds - now if now is not None else 0, 0)
    if skew > SKEW_SECONDS:
        return Check(
            "clock",
            WARNING,
            f"the pod's differs by {skew:.0f} s from the API's",
            "set the clocks: stores refuse signatures of another time",
        )
    return Check("clock", OK, f"the pod's agrees with the API's within {SKEW_SECONDS:.0f} s")


def _dry_run(lines: list[str], succeeded: bool) -> Check:
    """The dry run's own words: its report, or its error with its code."""
    for line in reversed(lines):
        try:
            said_there = json.loads(line)
        except ValueError:
            continue
        if not isinstance(said_there, dict):
            continue
        if error := said_there.get("error"):
            return Check("bucket, lake and keys", FAILED, f"{error['code']}: {error['message']}", "see docs/errors.md")
        if succeeded and "objects" in said_there:
            listed = said_there["objects"]["listed"]
            return Check("bucket, lake and keys", OK, f"{listed:,} objects listed, policy and keys are usable")
    return Check("bucket, lake and keys", FAILED, "the dry run said nothing", "see the pod's log: run with --no-inside")
