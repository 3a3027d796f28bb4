"""The chart in a namespace that enforces `restricted`, and the lake that its pipeline makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from released import CHART, Namespace, documents, job, pipeline, pod_templates

from jobs.privacy.keys import PUBLIC_KEY

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

OPTIONAL = {"PodMonitor", "PrometheusRule", "WorkflowTemplate", "ExternalSecret", "RayCronJob"}
"""Kinds of others' extensions, which a cluster need not have."""

VALUES = sorted((CHART / "ci").glob("*-values.yaml"))


def rendered(namespace: Namespace, values: Path) -> list[dict]:
    version = yaml.safe_load(namespace.kubectl("version", "-o", "yaml").stdout)["serverVersion"]["gitVersion"]
    flags = ["--kube-version", version.lstrip("v").split("+")[0]]
    return documents(namespace.helm("template", "dry", str(CHART), "-f", str(values), *flags).stdout)


@pytest.mark.cluster_ci
@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_every_rendered_object_passes_a_server_side_dry_run(namespace: Namespace, values: Path) -> None:
    served = {line.split()[-1] for line in namespace.kubectl("api-resources", "--no-headers").stdout.splitlines()}
    objects = rendered(namespace, values)
    unknown = {found["kind"] for found in objects} - served
    assert unknown <= OPTIONAL
    known = [found for found in objects if found["kind"] in served]
    for found in known:
        found["metadata"]["namespace"] = namespace.name
        if found["kind"] == "Pod":
            found["spec"]["serviceAccountName"] = "default"
    done = namespace.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(known))
    assert len(done.stdout.splitlines()) == len(known) > 0
    assert "would violate" not in done.stderr


@pytest.mark.cluster_ci
@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_every_pod_is_let_into_a_restricted_namespace(namespace: Namespace, values: Path) -> None:
    pods = []
    for number, (place, template) in enumerate(pod_templates(rendered(namespace, values))):
        spec = {**template["spec"], "serviceAccountName": "default"}
        spec.pop("priorityClassName", None)
        pods.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"pod-{number}", "annotations": {"place": place}},
                "spec": spec,
            }
        )
    assert pods
    namespace.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(pods))


@pytest.fixture(scope="module")
def installed(namespace: Namespace, store, keys: Path) -> str:
    """The lake of a release that has run, and the RayJob that made it."""
    lake = store.lake("installed")
    notes = namespace.install("one", {"pipeline": pipeline(store.messages, lake)})
    assert "python -m k8s wait one-ingest-1-" in notes
    outcome = namespace.wait(namespace.ray_jobs("one")[0])
    assert (outcome.exit, outcome.outcome) == (0, "succeeded")
    return lake


@pytest.mark.cluster_ci
def test_the_lake_equals_that_of_a_local_run_part_for_part(installed: str, store, expected) -> None:
    assert len(expected[store.messages]) > 30
    assert store.parts(installed) == expected[store.messages]


@pytest.mark.cluster_ci
def test_the_lake_is_proven_from_a_pod(namespace: Namespace, installed: str) -> None:
    namespace.apply(job("proof", ["clinray", "verify", installed, "--trust", f"/keys/{PUBLIC_KEY}", "--json"]))
    assert namespace.job_ended("proof") == "Complete"
    assert json.loads(namespace.job_log("proof"))["ok"] is True


@pytest.mark.cluster_ci
def test_the_release_tests_itself(namespace: Namespace, installed: str) -> None:
    assert "Phase:          Succeeded" in namespace.helm("test", "one", "--timeout", "180s").stdout


@pytest.mark.cluster_ci
def test_running_again_adds_nothing(namespace: Namespace, installed: str, store) -> None:
    before = store.parts(installed)
    again = {"pipeline": pipeline(store.messages, installed), "commonAnnotations": {"run": "again"}}
    namespace.install("one", again)
    jobs = namespace.ray_jobs("one")
    assert len(jobs) == 2, "an upgrade makes a run of its own"
    second = next(name for name in jobs if name.startswith("one-ingest-2-"))
    assert namespace.wait(second).outcome == "succeeded"
    assert namespace.summary(second)["objects"]["written"] == 0
    assert store.parts(installed) == before
    assert store.entries(installed) == 1


@pytest.mark.cluster_ci
def test_kernels_are_read_from_the_image_and_not_compiled(namespace: Namespace, keys: Path, store) -> None:
    """Numba says each load from its cache and each kernel that it compiled and saved."""
    script = (
        "clinray generate hl7v2 --messages 100 --out /tmp/messages --quiet && NUMBA_DEBUG_CACHE=1 clinray ingest"
        " --source /tmp/messages --lake /tmp/lake --policy pseudonymised --keys /tmp/keys --cpus 0 --quiet"
    )
    namespace.apply(job("kernels", ["bash", "-c", script]))
    assert namespace.job_ended("kernels") == "Complete"
    log = namespace.job_log("kernels")
    assert log.count("data loaded from '/tmp/numba/") > 20
    assert "data saved to" not in log
