"""What `doctor` looks at from outside: KubeRay and rights; the namespace (premises.py);
network policies (ways.py); and from inside (inside.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import kubernetes
from kubernetes.client.exceptions import ApiException

from connectors.errors import AccessError
from k8s.chart import Values
from k8s.check import FAILED, OK, WARNING, Check
from k8s.cluster import GROUP, PLURAL, REQUEST_SECONDS, VERSION, Cluster, said
from k8s.inside import look_from_inside
from k8s.premises import looked_at
from k8s.render import Release, ray_jobs
from k8s.ways import way_to_store

OLDEST_KUBERAY = (1, 6)
"""Older ones know no token between pods (`authOptions`), or were not run."""
OPERATOR = ("app.kubernetes.io/name=kuberay-operator", "app.kubernetes.io/component=kuberay-operator")
"""Labels of the operator's deployment: as its Helm chart makes them, and as its kustomization does."""

RIGHTS = (
    *((GROUP, PLURAL, verb) for verb in ("create", "get", "list", "watch", "patch", "delete")),
    *(("", resource, verb) for resource in ("pods", "pods/log") for verb in ("get", "list")),
)
"""What the runner and the client do."""


def check_all(cluster: Cluster, values: Values, release: Release, *, inside: bool) -> list[Check]:
    """Every check in order. Raises ConfigError where the values cannot be rendered."""
    job = ray_jobs(values, release)[0]
    checks = [*_served(cluster), *_operator(cluster), *_rights(cluster)]
    checks += [*looked_at(cluster, job, values), way_to_store(values)]
    if inside and not any(check.state == FAILED for check in checks):
        checks += look_from_inside(cluster, job, release)
    return checks


def _served(cluster: Cluster) -> Iterator[Check]:
    api = kubernetes.client.CustomObjectsApi(cluster.api)
    with said("the list of its resources"):
        try:
            found = api.get_api_resources(GROUP, VERSION, _request_timeout=REQUEST_SECONDS).resources
        except ApiException as error:
            if error.status != 404:
                raise
            found = None
    if found is None:
        yield Check("KubeRay's definitions", FAILED, "ray.io/v1 is not served", "install the KubeRay operator by Helm")
        return
    names = {resource.name for resource in found}
    if PLURAL in names:
        yield Check("KubeRay's definitions", OK, "ray.io/v1 rayjobs are served")
    else:
        yield Check("KubeRay's definitions", FAILED, "there are no rayjobs", "install KubeRay's definitions (CRDs)")


def _operator(cluster: Cluster) -> Iterator[Check]:
    name = "KubeRay's operator"
    listed = kubernetes.client.AppsV1Api(cluster.api).list_deployment_for_all_namespaces
    try:
        with said("deployments"):
            answers = [listed(label_selector=label, _request_timeout=REQUEST_SECONDS) for label in OPERATOR]
        found = [deployment for answer in answers for deployment in answer.items]
    except AccessError:
        yield Check(name, WARNING, "it cannot be looked for without the right to list deployments", "ask who runs it")
        return
    if not found:
        yield Check(name, WARNING, "no deployment has the operator's labels", "see that the operator runs")
        return
    operator = found[0]
    version = _version(operator)
    ready = (operator.status.ready_replicas or 0) > 0
    if not ready:
        yield Check(name, FAILED, "its pod is not ready", "see the logs of the deployment kuberay-operator")
    elif version is None:
        yield Check(name, OK, "it runs; neither its image nor its labels name a version")
    elif (int(version[1]), int(version[2])) < OLDEST_KUBERAY:
        yield Check(name, FAILED, f"version {version[1]}.{version[2]} runs", "upgrade to KubeRay 1.6 or newer")
    else:
        yield Check(name, OK, f"version {version[1]}.{version[2]} runs")


def _version(operator: Any) -> re.Match[str] | None:
    """Major and minor version: of the image's tag, else of the labels that Helm gives."""
    labels = operator.metadata.labels or {}
    named = [labels.get("app.kubernetes.io/version", ""), labels.get("helm.sh/chart", "")]
    image = str(operator.spec.template.spec.containers[0].image).rpartition(":")[2]
    found = (re.search(r"(?:^v?|-)(\d+)\.(\d+)", text) for text in (image, *named))
    return next(filter(None, found), None)


def _rights(cluster: Cluster) -> Iterator[Check]:
    missing = [f"{verb} {resource}" for group, resource, verb in RIGHTS if not _may(cluster, group, resource, verb)]
    if missing:
        yield Check("rights", FAILED, f"you may not {', '.join(missing)}", "ask for a role with these rights")
    else:
        yield Check("rights", OK, f"rayjobs and pods of {cluster.namespace} may be worked with")


def _may(cluster: Cluster, group: str, resource: str, verb: str) -> bool:
    plain, _, sub = resource.partition("/")
    attributes = {"namespace": cluster.namespace, "verb": verb, "group": group, "resource": plain, "subresource": sub}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    with said("a review of your rights"):
        answer = kubernetes.client.AuthorizationV1Api(cluster.api).create_self_subject_access_review(
            {**review, "spec": {"resourceAttributes": attributes}}, _request_timeout=REQUEST_SECONDS
        )
    return bool(answer.status.allowed)
