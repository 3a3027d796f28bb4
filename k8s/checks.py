"""What `doctor` looks at from outside: KubeRay, rights, quotas, Secrets; and from inside: see inside.py."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes
from kubernetes.client.exceptions import ApiException
from kubernetes.utils.quantity import parse_quantity

from k8s.chart import Values
from k8s.check import FAILED, OK, WARNING, Check
from k8s.cluster import GROUP, PLURAL, VERSION, Cluster, said
from k8s.inside import look_from_inside
from k8s.render import RayJob, Release, ray_jobs

OLDEST_KUBERAY = (1, 4)
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
    checks += [*_quotas(cluster, job), *_references(cluster, job)]
    if inside and not any(check.state == FAILED for check in checks):
        checks += look_from_inside(cluster, job, release)
    return checks


def _served(cluster: Cluster) -> Iterator[Check]:
    api = kubernetes.client.CustomObjectsApi(cluster.api)
    try:
        found = api.get_api_resources(GROUP, VERSION)
    except ApiException as error:
        if error.status != 404:
            with said("the list of its resources"):
                raise
        yield Check("KubeRay's definitions", FAILED, "ray.io/v1 is not served", "install the KubeRay operator by Helm")
        return
    names = {resource.name for resource in found.resources}
    if PLURAL in names:
        yield Check("KubeRay's definitions", OK, "ray.io/v1 rayjobs are served")
    else:
        yield Check("KubeRay's definitions", FAILED, "there are no rayjobs", "install KubeRay's definitions (CRDs)")


def _operator(cluster: Cluster) -> Iterator[Check]:
    name = "KubeRay's operator"
    listed = kubernetes.client.AppsV1Api(cluster.api).list_deployment_for_all_namespaces
    try:
        found = [deployment for label in OPERATOR for deployment in listed(label_selector=label).items]
    except ApiException:
        yield Check(name, WARNING, "it cannot be looked for without the right to list deployments", "ask who runs it")
        return
    if not found:
        yield Check(name, WARNING, "no deployment has the operator's labels", "see that the operator runs")
        return
    operator = found[0]
    version = re.search(r":v?(\d+)\.(\d+)", operator.spec.template.spec.containers[0].image)
    ready = (operator.status.ready_replicas or 0) > 0
    if not ready:
        yield Check(name, FAILED, "its pod is not ready", "see the logs of the deployment kuberay-operator")
    elif version is None:
        yield Check(name, OK, "it runs; its image names no version")
    elif (int(version[1]), int(version[2])) < OLDEST_KUBERAY:
        yield Check(name, FAILED, f"version {version[1]}.{version[2]} runs", "upgrade to KubeRay 1.4 or newer")
    else:
        yield Check(name, OK, f"version {version[1]}.{version[2]} runs")


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
            {**review, "spec": {"resourceAttributes": attributes}}
        )
    return bool(answer.status.allowed)


def wanted(job: RayJob) -> Mapping[str, Any]:
    """What the pods of a RayJob ask for at once, as quotas count it: requests and limits of processors and memory."""
    spec = job["spec"]["rayClusterSpec"]
    groups = [(spec["headGroupSpec"], 1), *((group, group["replicas"]) for group in spec["workerGroupSpecs"])]
    pods = [(group["template"]["spec"], count) for group, count in groups]
    pods.append((job["spec"]["submitterPodTemplate"]["spec"], 1))
    sums: dict[str, Any] = {"pods": sum(count for _, count in pods)}
    for pod, count in pods:
        for container in pod["containers"]:
            for side, amounts in container.get("resources", {}).items():
                for resource, amount in amounts.items():
                    key = f"{side}.{resource}"
                    sums[key] = sums.get(key, 0) + parse_quantity(amount) * count
    return sums


def _quotas(cluster: Cluster, job: RayJob) -> Iterator[Check]:
    with said("resource quotas"):
        quotas = cluster.core.list_namespaced_resource_quota(cluster.namespace).items
    need, short = wanted(job), []
    for quota in quotas:
        used = quota.status.used or {}
        for resource, hard in (quota.status.hard or {}).items():
            name = resource if "." in resource or resource == "pods" else f"requests.{resource}"
            free = parse_quantity(hard) - parse_quantity(used.get(resource, "0"))
            if name in need and need[name] > free:
                short.append(f"{resource} of {quota.metadata.name}: {need[name]} wanted, {free} free")
    if short:
        yield Check("quotas", FAILED, "; ".join(short), "ask for a larger quota, or lower resources and replicas")
    else:
        yield Check("quotas", OK, "what the pods ask for fits" if quotas else "the namespace has none")


def _references(cluster: Cluster, job: RayJob) -> Iterator[Check]:
    """Secrets and ConfigMaps that the head names."""
    for kind, name in sorted(set(_named(job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]))):
        read = cluster.core.read_namespaced_secret if kind == "Secret" else cluster.core.read_namespaced_config_map
        try:
            read(name, cluster.namespace)
        except ApiException as error:
            if error.status == 404:
                yield Check(f"{kind} {name}", FAILED, "it does not exist", f"make it in {cluster.namespace}")
            else:
                yield Check(f"{kind} {name}", WARNING, "you may not look whether it exists", "see that it is there")
        else:
            yield Check(f"{kind} {name}", OK, "it exists")


def _named(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for container in pod["containers"]:
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                yield "Secret", source["secretKeyRef"]["name"]
