"""What the doctor says of a cluster, check by check."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import State, api

from connectors.errors import TransientError
from k8s import chart
from k8s.check import Check
from k8s.checks import check_all
from k8s.cluster import Cluster
from k8s.premises import wanted
from k8s.render import Release, ray_jobs

VALUES = Path(__file__).parents[2] / "helm" / "clinray" / "ci" / "standalone-values.yaml"
RELEASE = Release("lab", "lab")
CORE = "/api/v1/namespaces/lab"
REPORT = {"objects": {"listed": 12345}}


def ago(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))


def looking_pod(phase: str = "Succeeded", made: float = 5, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "doctor", "creationTimestamp": ago(made)},
        "spec": {"containers": [{"name": "doctor"}]},
        "status": {"phase": phase, **status},
    }


def operator(image: str = "quay.io/kuberay/operator:v1.6.1", ready: int = 1) -> dict[str, Any]:
    labels = {"app": "kuberay-operator"}
    container = {"name": "operator", "image": image}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "kuberay-operator"}, "spec": spec, "status": {"readyReplicas": ready}}


def allowed(but: str = "") -> Any:
    def review(body: dict[str, Any]) -> dict[str, Any]:
        asked = body["spec"]["resourceAttributes"]
        return {"spec": body["spec"], "status": {"allowed": f"{asked['verb']} {asked['resource']}" != but}}

    return review


@pytest.fixture
def state() -> State:
    """A cluster in which nothing is wrong."""
    made = State()
    resource = {"name": "rayjobs", "kind": "RayJob", "namespaced": True, "singularName": "rayjob", "verbs": ["get"]}
    made.answer("GET", "/apis/ray.io/v1", 200, {"groupVersion": "ray.io/v1", "resources": [resource]})
    made.answer("GET", "/apis/apps/v1/deployments", 200, {"items": [operator()]})
    made.answer("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 201, allowed())
    for kind in ("resourcequotas", "limitranges"):
        made.answer("GET", f"{CORE}/{kind}", 200, {"items": []})
    made.answer("GET", f"{CORE}/(serviceaccounts|secrets|configmaps)/.*", 200, {"metadata": {"name": "x"}})
    made.answer("POST", f"{CORE}/pods", 201, lambda body: body)
    made.answer("GET", f"{CORE}/pods/[^/]*", 200, looking_pod())
    made.answer("DELETE", f"{CORE}/pods/.*", 200, looking_pod())
    version = ("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler")
    made.answer("GET", "/version/", 200, {**dict.fromkeys(version, "1"), "platform": "linux/amd64"})
    printed(made, str(int(time.time())), json.dumps(REPORT))
    return made


def printed(state: State, *lines: str) -> None:
    """What the pod inside printed."""
    state.pod_log = "\n".join(lines)


@pytest.fixture
def cluster(state: State) -> Iterator[Cluster]:
    with api(state) as found:
        yield found


def looked(cluster: Cluster, *settings: str, inside: bool = False) -> dict[str, Check]:
    checks = check_all(cluster, chart.values([VALUES], settings), RELEASE, inside=inside)
    return {check.name: check for check in checks}


def test_nothing_is_wrong_in_a_cluster_that_is_ready(cluster: Cluster) -> None:
    found = looked(cluster, inside=True)
    assert {name: check.says for name, check in found.items()} == {
        "KubeRay's definitions": "ray.io/v1 rayjobs are served",
        "KubeRay's operator": "version 1.6 runs",
        "rights": "rayjobs and pods of lab may be worked with",
        "quotas": "the namespace has none",
        "limit ranges": "the namespace has none",
        "service account lab-ray": "it exists",
        "Secret clinray-keys": "it exists",
        "Secret clinray-s3": "it exists",
        "network policies": "port 5000 of the store is named",
        "pod": "the image was pulled, and its pod passes the namespace's security",
        "clock": "the pod's agrees with the API's within 60 s",
        "bucket, lake and keys": "12,345 objects listed, policy and keys are usable",
    }
    assert {check.state for check in found.values()} == {"ok"}


def test_the_pod_that_looked_is_removed(state: State, cluster: Cluster) -> None:
    looked(cluster, inside=True)
    assert sum(verb == "DELETE" and path.startswith(f"{CORE}/pods/lab-doctor-") for verb, path in state.calls) == 1


@pytest.mark.parametrize(
    ("settings", "found", "says"),
    [
        (["networkPolicy.extraEgress=[]"], "warning", "none opens port 5000 of the store"),
        (
            ["networkPolicy.extraEgress=[]", "networkPolicy.storage=[{cidr: 10.0.0.9/32, port: 5000}]"],
            "ok",
            "port 5000 of the store is named",
        ),
        (
            ["networkPolicy.extraEgress=[{to: [{podSelector: {}}]}]"],
            "ok",
            "port 5000 of the store is named",
        ),
        (["storage.endpoint=http://s3", "networkPolicy.enabled=false"], "ok", "none are made"),
        (["storage.endpoint=http://s3"], "warning", "none opens port 80 of the store"),
        (["storage.endpoint="], "ok", "port 443 of the store is named"),
    ],
)
def test_a_policy_that_closes_the_way_to_the_store_is_told_of(
    cluster: Cluster, settings: list[str], found: str, says: str
) -> None:
    check = looked(cluster, *settings)["network policies"]
    assert (check.state, check.says) == (found, says)


FAULTS: list[tuple[str, str, int, Any, str, str, str]] = [
    ("GET", "/apis/ray.io/v1", 404, {}, "KubeRay's definitions", "failed", "ray.io/v1 is not served"),
    (
        "GET",
        "/apis/ray.io/v1",
        200,
        {"groupVersion": "ray.io/v1", "resources": []},
        "KubeRay's definitions",
        "failed",
        "there are no rayjobs",
    ),
    ("GET", "/apis/apps/v1/deployments", 200, {"items": []}, "KubeRay's operator", "warning", "no deployment has"),
    ("GET", "/apis/apps/v1/deployments", 403, {}, "KubeRay's operator", "warning", "it cannot be looked for"),
    (
        "GET",
        "/apis/apps/v1/deployments",
        200,
        {"items": [operator("kuberay/operator:v1.3.2")]},
        "KubeRay's operator",
        "failed",
        "version 1.3 runs",
    ),
    (
        "GET",
        "/apis/apps/v1/deployments",
        200,
        {"items": [operator(ready=0)]},
        "KubeRay's operator",
        "failed",
        "its pod is not ready",
    ),
    (
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        201,
        allowed(but="patch rayjobs"),
        "rights",
        "failed",
        "you may not patch rayjobs",
    ),
    ("GET", f"{CORE}/resourcequotas", 403, {}, "quotas", "warning", "you may not list them"),
    ("GET", f"{CORE}/limitranges", 403, {}, "limit ranges", "warning", "you may not list them"),
    ("GET", f"{CORE}/serviceaccounts/.*", 403, {}, "service account lab-ray", "warning", "you may not look whether"),
    ("GET", f"{CORE}/serviceaccounts/.*", 404, {}, "service account lab-ray", "ok", "the chart makes it"),
    ("GET", f"{CORE}/secrets/clinray-s3", 404, {}, "Secret clinray-s3", "failed", "it does not exist"),
    ("GET", f"{CORE}/secrets/clinray-s3", 403, {}, "Secret clinray-s3", "warning", "you may not look whether"),
]


@pytest.mark.parametrize(("verb", "path", "code", "content", "name", "kind", "says"), FAULTS)
def test_each_fault_is_found(
    state: State, cluster: Cluster, verb: str, path: str, code: int, content: Any, name: str, kind: str, says: str
) -> None:
    state.answer(verb, path, code, content)
    check = looked(cluster)[name]
    assert check.state == kind
    assert check.says.startswith(says)
    assert bool(check.do) is (kind != "ok")


@pytest.mark.parametrize(
    ("image", "labels", "says"),
    [
        ("registry:5000/kuberay/operator:v1.5.0", {}, "version 1.5 runs"),
        ("operator@sha256:12", {"app.kubernetes.io/version": "1.6.1"}, "version 1.6 runs"),
        ("operator:local", {"helm.sh/chart": "kuberay-operator-1.4.2"}, "version 1.4 runs"),
        ("operator:local", {}, "it runs; neither its image nor its labels name a version"),
    ],
)
def test_the_operators_version_is_found(
    state: State, cluster: Cluster, image: str, labels: dict[str, str], says: str
) -> None:
    found = operator(image)
    found["metadata"]["labels"] = labels
    state.answer("GET", "/apis/apps/v1/deployments", 200, {"items": [found]})
    assert looked(cluster)["KubeRay's operator"].says == says


def test_a_quota_that_is_too_small_is_named_with_what_is_wanted_and_free(state: State, cluster: Cluster) -> None:
    quota = {
        "metadata": {"name": "small"},
        "status": {"hard": {"limits.memory": "5Gi"}, "used": {"limits.memory": "1Gi"}},
    }
    state.answer("GET", f"{CORE}/resourcequotas", 200, {"items": [quota]})
    found = looked(cluster)["quotas"]
    assert (found.state, found.says) == ("failed", "limits.memory of small: 4831838208 wanted, 4294967296 free")


def test_what_is_wanted_counts_head_workers_and_submitter() -> None:
    job = ray_jobs(chart.values([VALUES], ["defaults.worker.replicas=3"]), RELEASE)[0]
    assert {key: str(amount) for key, amount in wanted(job).items()} == {
        "pods": "5",
        "requests.cpu": "3.350",
        "requests.memory": str(4 * 2**31 + 128 * 2**20),
        "limits.cpu": "5.500",
        "limits.memory": str(4 * 2**31 + 512 * 2**20),
    }


def test_a_container_outside_a_limit_range_is_named(state: State, cluster: Cluster) -> None:
    limits = [{"type": "Container", "max": {"memory": "1536Mi"}, "min": {"cpu": "100m"}}]
    state.answer(
        "GET", f"{CORE}/limitranges", 200, {"items": [{"metadata": {"name": "lr"}, "spec": {"limits": limits}}]}
    )
    found = looked(cluster)["limit ranges"]
    assert found.state == "failed"
    assert found.says == (
        "limits of ray-head: memory 2Gi is more than lr allows (1536Mi); "
        "limits of ray-worker: memory 2Gi is more than lr allows (1536Mi); "
        "requests of submitter: cpu 50m is less than lr allows (100m)"
    )


def test_an_account_that_nobody_makes_is_a_fault(state: State, cluster: Cluster) -> None:
    state.answer("GET", f"{CORE}/serviceaccounts/.*", 404, {})
    found = looked(cluster, "serviceAccounts.ray.create=false", "serviceAccounts.ray.name=own")
    assert found["service account own"].state == "failed"


def test_an_identity_that_is_not_there_yet_is_said(state: State, cluster: Cluster) -> None:
    state.answer("GET", f"{CORE}/serviceaccounts/.*", 404, {})
    found = looked(cluster, "serviceAccounts.ray.cloudIdentity=true")["service account lab-ray"]
    assert (found.state, found.says) == ("warning", "the chart makes it: its identity cannot be tried yet")


def test_an_api_that_does_not_answer_is_an_error_of_ours(state: State, cluster: Cluster) -> None:
    state.answer("GET", f"{CORE}/limitranges", 503, {})
    with pytest.raises(TransientError, match="K8S_UNAVAILABLE"):
        looked(cluster)


def test_before_the_release_is_there_the_pod_has_the_namespaces_own_account(state: State, cluster: Cluster) -> None:
    made: list[str] = []

    def create(body: dict[str, Any]) -> dict[str, Any]:
        made.append(body["spec"]["serviceAccountName"])
        if made[-1] != "default":
            state.answer("POST", f"{CORE}/pods", 201, create)
        return {**body, "message": 'error looking up service account: serviceaccount "lab-ray" not found'}

    state.answer("POST", f"{CORE}/pods", 403, create)
    assert looked(cluster, inside=True)["pod"].state == "ok"
    assert made == ["lab-ray", "default"]


REFUSALS = [
    ('violates PodSecurity "restricted:latest"', "the namespace's Pod Security refuses it"),
    ("exceeded quota: small", "a quota of the namespace refuses it"),
    ("pods is forbidden: User cannot create", "you may not make pods"),
]


@pytest.mark.parametrize(("message", "says"), REFUSALS)
def test_a_pod_that_is_refused_is_said(state: State, cluster: Cluster, message: str, says: str) -> None:
    state.answer("POST", f"{CORE}/pods", 403, {"message": message})
    found = looked(cluster, inside=True)["pod"]
    assert (found.state, found.says) == ("failed", says)


def test_an_image_that_cannot_be_pulled_is_named(state: State, cluster: Cluster) -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    container = {"name": "doctor", "image": "nowhere/x:1", "imageID": "", "ready": False, "restartCount": 0}
    pod = looking_pod("Pending", containerStatuses=[{**container, "state": waiting}])
    state.answer("GET", f"{CORE}/pods/[^/]*", 200, pod)
    assert looked(cluster, inside=True)["pod"].says == "ErrImagePull nowhere/x:1"


@pytest.mark.parametrize("seconds", [-600, 600])
def test_a_clock_that_is_off_is_said(state: State, cluster: Cluster, seconds: int) -> None:
    printed(state, str(int(time.time()) + seconds), json.dumps(REPORT))
    found = looked(cluster, inside=True)["clock"]
    assert found.state == "warning"
    assert found.says.startswith("the pod's differs by ")


def test_the_dry_runs_own_error_is_passed_on(state: State, cluster: Cluster) -> None:
    state.answer("GET", f"{CORE}/pods/[^/]*", 200, looking_pod("Failed"))
    error = {"error": {"code": "BUCKET_MISSING", "message": "there is no bucket raw"}}
    printed(state, str(int(time.time())), "a log line", json.dumps(error))
    found = looked(cluster, inside=True)["bucket, lake and keys"]
    assert (found.state, found.says) == ("failed", "BUCKET_MISSING: there is no bucket raw")


def test_a_dry_run_that_says_nothing_is_no_success(state: State, cluster: Cluster) -> None:
    printed(state, str(int(time.time())))
    assert looked(cluster, inside=True)["bucket, lake and keys"].says == "the dry run said nothing"
