"""Runs that lose a pod, are suspended, fail or meet another run: the lake at the end is the same."""

from __future__ import annotations

import json

import pytest
from released import Namespace, pipeline, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.mark.cluster_ci
def test_a_worker_deleted_in_mid_run_changes_nothing(namespace: Namespace, store, expected, uninstalled) -> None:
    uninstalled.append("worker")
    lake = store.lake("worker-deleted")
    namespace.install("worker", {"pipeline": pipeline(store.large, lake)})
    run = namespace.ray_jobs("worker")[0]
    written = store.midway(lake)
    namespace.delete_pod(namespace.ray_pod(run, "worker"))
    assert namespace.wait(run).outcome == "succeeded"
    here = expected[store.large]
    assert 0 < written < len(here), "the pod went in mid-run"
    assert store.parts(lake) == here


def test_a_head_deleted_in_mid_run_is_made_good_by_the_runner(
    namespace: Namespace, store, expected, uninstalled
) -> None:
    uninstalled.append("head")
    lake = store.lake("head-deleted")
    namespace.install("head", {"pipeline": pipeline(store.large, lake), "runner": {"enabled": True, "retries": 2}})
    run = namespace.ray_jobs("head")[0]
    written = store.midway(lake)
    namespace.delete_pod(namespace.ray_pod(run, "head"))
    runner = namespace.names("jobs", "clinray.io/release=head,app.kubernetes.io/component=runner")[0]
    assert namespace.job_ended(runner, 800) == "Complete"
    here = expected[store.large]
    assert 0 < written < len(here), "the pod went in mid-run"
    assert store.parts(lake) == here


def test_a_run_suspended_and_resumed_ends_in_the_same_lake(namespace: Namespace, store, expected, uninstalled) -> None:
    uninstalled.append("paused")
    lake = store.lake("suspended")
    namespace.install("paused", {"pipeline": pipeline(store.large, lake)})
    run = namespace.ray_jobs("paused")[0]
    written = store.midway(lake)
    suspend(namespace, run, True)
    until(lambda: status(namespace, run).get("jobDeploymentStatus") == "Suspended", 300, "suspension")
    assert namespace.wait(run).outcome == "suspended"
    suspend(namespace, run, False)
    assert namespace.wait(run).outcome == "succeeded"
    here = expected[store.large]
    assert 0 < written < len(here), "it was suspended in mid-run"
    assert store.parts(lake) == here


def suspend(namespace: Namespace, run: str, wanted: bool) -> None:
    patch = json.dumps({"spec": {"suspend": wanted}})
    namespace.kubectl("patch", "rayjob", run, "--type=merge", "-p", patch)


def status(namespace: Namespace, run: str) -> dict:
    return json.loads(namespace.kubectl("get", "rayjob", run, "-o", "json").stdout).get("status", {})


def test_two_releases_at_once_on_one_lake_make_it_once(namespace: Namespace, store, expected, uninstalled) -> None:
    uninstalled += ["left", "right"]
    lake = store.lake("two-at-once")
    for release in uninstalled:
        namespace.install(release, {"pipeline": pipeline(store.messages, lake)})
    outcomes = {release: namespace.wait(namespace.ray_jobs(release)[0]).outcome for release in uninstalled}
    assert set(outcomes.values()) == {"succeeded"}
    assert store.parts(lake) == expected[store.messages]


def test_stages_run_one_after_the_other(namespace: Namespace, store, expected, uninstalled) -> None:
    uninstalled.append("staged")
    lake = store.lake("staged")
    values = {"mode": "staged", "pipeline": pipeline(store.messages, lake, allow_identified=True)}
    namespace.install("staged", values)
    runner = namespace.names("jobs", "clinray.io/release=staged,app.kubernetes.io/component=runner")[0]
    assert namespace.job_ended(runner, 850) == "Complete"
    said = report(namespace, runner)
    assert [stage["stage"] for stage in said["stages"]] == ["identified", "validate", "deidentify", "verify"]
    assert {stage["outcome"] for stage in said["stages"]} == {"succeeded"}
    assert said["not_begun"] == []
    assert store.tables(lake)["hl7v2_messages"] >= 10_000


def test_a_failing_stage_stops_those_behind_it(namespace: Namespace, store, uninstalled) -> None:
    uninstalled.append("failing")
    lake = store.lake("failing")
    broken = {"validate": {"entrypoint": f"clinray validate {lake}/nothing-here --json"}}
    values = {"mode": "staged", "stages": broken, "pipeline": pipeline(store.messages, lake, allow_identified=True)}
    namespace.install("failing", values)
    runner = namespace.names("jobs", "clinray.io/release=failing,app.kubernetes.io/component=runner")[0]
    assert namespace.job_ended(runner) == "Failed"
    said = report(namespace, runner)
    assert [(stage["stage"], stage["outcome"]) for stage in said["stages"]] == [
        ("identified", "succeeded"),
        ("validate", "refused"),
    ]
    assert said["not_begun"] == ["deidentify", "verify"]
    assert "clinray: stage validate: the job stopped before it read" in namespace.job_log(runner)
    assert {job["metadata"]["labels"]["clinray.io/stage"] for job in begun(namespace, "failing")} == {
        "identified",
        "validate",
    }


def begun(namespace: Namespace, release: str) -> list[dict]:
    return [
        job for job in namespace.get("rayjobs.ray.io", f"clinray.io/release={release}") if not job["spec"]["suspend"]
    ]


def report(namespace: Namespace, runner: str) -> dict:
    """The JSON object that the runner writes at its end."""
    return json.loads([line for line in namespace.job_log(runner).splitlines() if line.startswith('{"stages"')][-1])


def test_a_cron_job_triggered_by_hand_makes_a_fresh_run_that_it_owns(
    namespace: Namespace, store, expected, uninstalled
) -> None:
    uninstalled.append("nightly")
    lake = store.lake("nightly")
    schedule = {"cron": "0 0 1 1 *", "timeZone": "Etc/UTC"}
    namespace.install("nightly", {"mode": "schedule", "schedule": schedule, "pipeline": pipeline(store.messages, lake)})
    assert namespace.ray_jobs("nightly") == []
    namespace.kubectl("create", "job", "--from=cronjob/nightly-schedule", "nightly-now")
    assert namespace.job_ended("nightly-now") == "Complete"
    assert store.parts(lake) == expected[store.messages]
    made = namespace.get("rayjobs.ray.io", "clinray.io/release=nightly")
    assert [owner["name"] for job in made for owner in job["metadata"]["ownerReferences"]] == ["nightly-now"]
