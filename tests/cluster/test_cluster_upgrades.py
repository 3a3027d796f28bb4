"""Releases that change while they run, and runs whose workers come and go by Ray's own asking."""

from __future__ import annotations

from pathlib import Path

import pytest
from released import CHART, Namespace, pipeline, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_an_upgrade_leaves_a_running_job_alone(namespace: Namespace, store, expected, uninstalled) -> None:
    uninstalled.append("kept")
    lake = store.lake("kept")
    namespace.install("kept", {"pipeline": pipeline(store.large, lake)})
    first = namespace.get("rayjobs.ray.io", "clinray.io/release=kept")[0]
    written = store.midway(lake)
    namespace.install("kept", {"pipeline": pipeline(store.large, lake), "commonAnnotations": {"run": "again"}})
    name = first["metadata"]["name"]
    still = {job["metadata"]["name"]: job for job in namespace.get("rayjobs.ray.io", "clinray.io/release=kept")}
    assert len(still) == 2
    assert still[name]["metadata"]["uid"] == first["metadata"]["uid"]
    assert still[name]["spec"] == first["spec"]
    assert {namespace.wait(job).outcome for job in still} == {"succeeded"}
    here = expected[store.large]
    assert 0 < written < len(here), "the upgrade came in mid-run"
    assert store.parts(lake) == here


def test_a_release_of_another_version_of_the_chart_is_upgraded(
    namespace: Namespace, store, uninstalled, tmp_path: Path
) -> None:
    """Kubernetes refuses to change what it calls immutable, such as a Job's template with a chart's version in it."""
    uninstalled.append("older")
    namespace.helm("package", str(CHART), "--version", "0.0.1", "--destination", str(tmp_path))
    values = {
        "mode": "schedule",
        "schedule": {"cron": "0 0 1 1 *", "suspend": True},
        "pipeline": pipeline(store.messages, store.lake("older")),
    }
    namespace.install("older", values, chart=tmp_path / "clinray-0.0.1.tgz")
    before = charts(namespace, "older")
    namespace.install("older", values)
    assert before == {"clinray-0.0.1"}
    assert charts(namespace, "older") == {f"clinray-{version()}"}
    namespace.install("older", {**values, "mode": "standalone", "runner": {"enabled": True}})
    namespace.install("older", {**values, "mode": "standalone", "runner": {"enabled": True}, "extraObjects": []})
    assert len(namespace.names("jobs", "clinray.io/release=older,app.kubernetes.io/component=runner")) >= 1


def charts(namespace: Namespace, release: str) -> set[str]:
    """The chart and version that a release's objects say they are from."""
    kinds = "cronjobs,roles,rolebindings,serviceaccounts,networkpolicies"
    return {
        found["metadata"]["labels"]["helm.sh/chart"]
        for found in namespace.get(kinds, f"app.kubernetes.io/instance={release}")
    }


def version() -> str:
    text = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    return next(line.split()[1] for line in text.splitlines() if line.startswith("version:"))


def test_workers_come_when_ray_asks_for_them(namespace: Namespace, store, expected, uninstalled) -> None:
    uninstalled.append("scaled")
    lake = store.lake("scaled")
    scaling = {
        "autoscaling": {"enabled": True, "idleTimeoutSeconds": 10},
        "worker": {"replicas": 0, "minReplicas": 0, "maxReplicas": 1},
    }
    namespace.install("scaled", {"pipeline": pipeline(store.messages, lake), "defaults": scaling})
    run = namespace.ray_jobs("scaled")[0]
    head = namespace.ray_pod(run, "head")
    containers = [c["name"] for c in until(lambda: pod(namespace, head), 10, "head")["spec"]["containers"]]
    assert containers == ["ray-head", "autoscaler"]
    assert namespace.ray_pod(run, "worker")
    assert namespace.wait(run).outcome == "succeeded"
    assert store.parts(lake) == expected[store.messages]


def pod(namespace: Namespace, name: str) -> dict:
    return next((found for found in namespace.get("pods") if found["metadata"]["name"] == name), {})
