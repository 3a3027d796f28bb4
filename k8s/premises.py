"""What `doctor` looks at in the namespace: quotas, limit ranges, service account, Secrets and ConfigMaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.utils.quantity import parse_quantity

from connectors.errors import AccessError
from k8s.chart import Values
from k8s.check import FAILED, OK, WARNING, Check
from k8s.cluster import REQUEST_SECONDS, Cluster, said
from k8s.render import RayJob

SIDES = {"max": "limits", "min": "requests"}
"""What of a container a limit range's bound is compared with."""

REFERENCES = {
    "secretKeyRef": "Secret",
    "secretRef": "Secret",
    "configMapKeyRef": "ConfigMap",
    "configMapRef": "ConfigMap",
}
"""What an environment names its values' sources by."""


def looked_at(cluster: Cluster, job: RayJob, values: Values) -> Iterator[Check]:
    """Every check of the namespace. Raises TransientError where the API does not answer."""
    yield quotas(cluster, job)
    yield limit_ranges(cluster, job)
    yield account(cluster, job, values)
    yield from references(cluster, job)


def groups(job: RayJob) -> list[tuple[Mapping[str, Any], int]]:
    """The pods' specs of a RayJob with how many there are of each: head, workers, submitter."""
    spec = job["spec"]["rayClusterSpec"]
    own = [(spec["headGroupSpec"], 1), *((group, group["replicas"]) for group in spec["workerGroupSpecs"])]
    return [
        *((group["template"]["spec"], count) for group, count in own),
        (job["spec"]["submitterPodTemplate"]["spec"], 1),
    ]


def wanted(job: RayJob) -> Mapping[str, Decimal]:
    """What the pods of a RayJob ask for at once, as quotas count it: requests and limits of processors and memory."""
    pods = groups(job)
    sums = {"pods": Decimal(sum(count for _, count in pods))}
    for pod, count in pods:
        for container in pod["containers"]:
            for side, amounts in container.get("resources", {}).items():
                for resource, amount in amounts.items():
                    key = f"{side}.{resource}"
                    sums[key] = sums.get(key, Decimal(0)) + parse_quantity(amount) * count
    return sums


def _listed(list_them: Callable[..., Any], cluster: Cluster) -> list[Any] | None:
    """The objects of a kind in the namespace; None where you may not list them."""
    try:
        with said("the namespace"):
            return list(list_them(cluster.namespace, _request_timeout=REQUEST_SECONDS).items)
    except AccessError:
        return None


def quotas(cluster: Cluster, job: RayJob) -> Check:
    """Whether what the pods ask for is still free."""
    found = _listed(cluster.core.list_namespaced_resource_quota, cluster)
    if found is None:
        return Check("quotas", WARNING, "you may not list them", "ask for the right to list resourcequotas")
    need, short = wanted(job), []
    for quota in found:
        used = quota.status.used or {}
        for resource, hard in (quota.status.hard or {}).items():
            name = f"requests.{resource}" if resource in ("cpu", "memory") else resource
            free = parse_quantity(hard) - parse_quantity(used.get(resource, "0"))
            if name in need and need[name] > free:
                short.append(f"{resource} of {quota.metadata.name}: {need[name]} wanted, {free} free")
    if short:
        return Check("quotas", FAILED, "; ".join(short), "ask for a larger quota, or lower resources and replicas")
    return Check("quotas", OK, "what the pods ask for fits" if found else "the namespace has none")


def limit_ranges(cluster: Cluster, job: RayJob) -> Check:
    """Whether each container is within what the namespace allows a container."""
    name = "limit ranges"
    found = _listed(cluster.core.list_namespaced_limit_range, cluster)
    if found is None:
        return Check(name, WARNING, "you may not list them", "ask for the right to list limitranges")
    bounds = [(each.metadata.name, rule) for each in found for rule in each.spec.limits if rule.type == "Container"]
    outside = [breach for where, rule in bounds for breach in _outside(where, rule, job)]
    if outside:
        return Check(name, FAILED, "; ".join(sorted(set(outside))), "change the resources of defaults or of the stage")
    return Check(name, OK, "every container is within them" if bounds else "the namespace has none")


def _outside(where: str, rule: Any, job: RayJob) -> Iterator[str]:
    containers = (container for pod, _ in groups(job) for container in pod["containers"])
    for container in containers:
        for bound, side in SIDES.items():
            own = container.get("resources", {}).get(side, {})
            for resource, amount in (getattr(rule, bound) or {}).items():
                over = resource in own and parse_quantity(own[resource]) - parse_quantity(amount)
                if over and (over > 0) == (bound == "max"):
                    said_there = f"{side} of {container['name']}: {resource} {own[resource]}"
                    yield f"{said_there} is {'more' if bound == 'max' else 'less'} than {where} allows ({amount})"


def account(cluster: Cluster, job: RayJob, values: Values) -> Check:
    """Whether the pods' service account is there, or will be made."""
    own = groups(job)[0][0]["serviceAccountName"]
    name = f"service account {own}"
    state = _there(cluster.core.read_namespaced_service_account, own, cluster)
    if state is None:
        return Check(name, WARNING, "you may not look whether it exists", "see that it is there")
    if state:
        return Check(name, OK, "it exists")
    ray = values["serviceAccounts"]["ray"]
    if not ray["create"]:
        return Check(name, FAILED, "it does not exist", f"make it in {cluster.namespace}")
    if ray["cloudIdentity"] or ray["annotations"]:
        return Check(
            name, WARNING, "the chart makes it: its identity cannot be tried yet", "look again after installing"
        )
    return Check(name, OK, "the chart makes it")


def _there(read: Callable[..., Any], name: str, cluster: Cluster) -> bool | None:
    """Whether an object exists; None where you may not look."""
    try:
        with said(name):
            try:
                read(name, cluster.namespace, _request_timeout=REQUEST_SECONDS)
            except ApiException as error:
                if error.status == 404:
                    return False
                raise
    except AccessError:
        return None
    return True


def references(cluster: Cluster, job: RayJob) -> Iterator[Check]:
    """Secrets and ConfigMaps that the pods name."""
    named = sorted({reference for pod, _ in groups(job) for reference in _named(pod)})
    readers = {"Secret": cluster.core.read_namespaced_secret, "ConfigMap": cluster.core.read_namespaced_config_map}
    for kind, name in named:
        state = _there(readers[kind], name, cluster)
        if state is None:
            yield Check(f"{kind} {name}", WARNING, "you may not look whether it exists", "see that it is there")
        elif state:
            yield Check(f"{kind} {name}", OK, "it exists")
        else:
            yield Check(f"{kind} {name}", FAILED, "it does not exist", f"make it in {cluster.namespace}")


def _named(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and name of what a pod cannot start without."""
    for secret in pod.get("imagePullSecrets", []):
        yield "Secret", secret["name"]
    for volume in pod.get("volumes", []):
        if "secret" in volume and not volume["secret"].get("optional"):
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume and not volume["configMap"].get("optional"):
            yield "ConfigMap", volume["configMap"]["name"]
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        sources = [variable.get("valueFrom", {}) for variable in container.get("env", [])]
        for source in [*sources, *container.get("envFrom", [])]:
            for key, kind in REFERENCES.items():
                if key in source and not source[key].get("optional"):
                    yield kind, source[key]["name"]
