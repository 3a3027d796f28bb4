"""Bringing stages to their end one after the other."""

from __future__ import annotations

import pytest
from api_server import DEFERRED, DONE, LOST, REFUSED, RUNNING, State, ray_job

from connectors.errors import ConfigError
from k8s.cluster import Cluster
from k8s.runner import Owner, Rules, Runner, fresh_name, read_templates
from k8s.watching import run_suffix


def runner(state: State, cluster: Cluster, retries: int = 0, owner: Owner | None = None) -> Runner:
    return Runner(cluster, Rules(retries, 100), lambda _: None, owner or Owner(), state.hours.clock())


STAGES = ("identified", "validate", "deidentify")


def suspended(state: State) -> list[dict[str, object]]:
    jobs = [ray_job(f"r-{stage}-1-d", stage, suspend=True) for stage in STAGES]
    for job in jobs:
        state.add(job, RUNNING, DONE)
    return [dict(job) for job in jobs]


def test_stages_begin_one_after_the_other(state: State, cluster: Cluster) -> None:
    results = runner(state, cluster).run(suspended(state))
    assert [(r.stage, r.outcome.kind.name, r.attempts) for r in results] == [(s, "succeeded", 1) for s in STAGES]
    resumed = [path.rsplit("/", 1)[1] for verb, path in state.calls if verb == "PATCH"]
    assert resumed == [f"r-{stage}-1-d" for stage in STAGES]


def test_a_stage_that_fails_stops_those_behind_it(state: State, cluster: Cluster) -> None:
    jobs = suspended(state)
    state.scripts["r-validate-1-d"] = [REFUSED]
    results = runner(state, cluster, retries=2).run(jobs)
    assert [(r.stage, r.outcome.kind.name, r.attempts) for r in results] == [
        ("identified", "succeeded", 1),
        ("validate", "refused", 1),
    ]
    assert state.jobs["r-deidentify-1-d"]["spec"]["suspend"] is True


def test_a_try_that_failed_is_made_again_under_a_fresh_name(state: State, cluster: Cluster) -> None:
    jobs = suspended(state)
    state.scripts["r-validate-1-d"] = [LOST]
    results = runner(state, cluster, retries=2, owner=Owner("r-runner", "u1")).run(jobs)
    assert [(r.job, r.attempts) for r in results][1] == ("r-validate-1-d-r2", 2)
    again = state.jobs["r-validate-1-d-r2"]
    assert again["spec"]["suspend"] is False
    assert again["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "r-runner", "uid": "u1"}
    ]
    assert results[-1].outcome.kind.name == "succeeded"


def test_tries_come_to_an_end(state: State, cluster: Cluster) -> None:
    state.default = [LOST]
    job = ray_job("r-ingest-1-d", suspend=True)
    state.add(job, LOST)
    results = runner(state, cluster, retries=2).run([job])
    assert [(r.job, r.attempts, r.outcome.kind.name) for r in results] == [("r-ingest-1-d-r3", 3, "failed")]


def test_objects_that_stay_deferred_do_not_hold_up_what_is_committed(state: State, cluster: Cluster) -> None:
    jobs = suspended(state)
    state.default = [DEFERRED]
    state.scripts["r-identified-1-d"] = [DEFERRED]
    results = runner(state, cluster, retries=1).run(jobs)
    assert [r.outcome.kind.name for r in results] == ["deferred", "succeeded", "succeeded"]


def test_a_runner_that_is_started_again_finds_what_the_one_before_made(state: State, cluster: Cluster) -> None:
    template = ray_job("r-ingest-1-d", suspend=True)
    first = runner(state, cluster).run([template], "4711")
    made = sum(verb == "POST" for verb, _ in state.calls)
    again = runner(state, cluster).run([template], "4711")
    assert [r.job for r in first] == [r.job for r in again] == ["r-ingest-1-d-4711"]
    assert list(state.jobs) == ["r-ingest-1-d-4711"]
    assert made == 1


def test_finished_jobs_that_kuberay_removed_do_not_hold_up_a_runner_that_is_started_again(
    state: State, cluster: Cluster
) -> None:
    jobs = suspended(state)
    del state.jobs["r-identified-1-d"]
    state.jobs["r-validate-1-d"]["spec"]["suspend"] = False
    results = runner(state, cluster).run(jobs)
    assert [(r.stage, r.outcome.sentence) for r in results] == [
        (
            "identified",
            "the job succeeded (its job is gone: whether it left objects for the next run is not known)",
        ),
        ("validate", "the job succeeded"),
        ("deidentify", "the job succeeded"),
    ]


def test_a_runner_that_is_started_again_says_what_the_stages_before_came_to(state: State, cluster: Cluster) -> None:
    jobs = suspended(state)
    for name, shown in (("r-identified-1-d", DEFERRED), ("r-validate-1-d", RUNNING)):
        state.jobs[name]["spec"]["suspend"] = False
        state.scripts[name] = [shown, DONE] if shown == RUNNING else [shown]
    results = runner(state, cluster).run(jobs)
    assert [(r.stage, r.outcome.kind.name) for r in results] == [
        ("identified", "deferred"),
        ("validate", "succeeded"),
        ("deidentify", "succeeded"),
    ]


def test_a_runner_that_is_started_again_goes_on_with_the_last_try(state: State, cluster: Cluster) -> None:
    state.add(ray_job("r-ingest-1-d-r2"), RUNNING, DONE)
    results = runner(state, cluster, retries=2).run([ray_job("r-ingest-1-d", suspend=True)])
    assert [(r.job, r.attempts, r.outcome.kind.name) for r in results] == [("r-ingest-1-d-r2", 2, "succeeded")]
    assert list(state.jobs) == ["r-ingest-1-d-r2"]


@pytest.mark.parametrize(
    ("job", "suffix"),
    [
        ("lab-28934567", "28934567"),
        ("manual", "manual"),
        ("x" * 63, "x" * 16),
    ],
)
def test_the_job_that_owns_a_run_names_it(job: str, suffix: str) -> None:
    assert run_suffix(Owner(job, "u")) == suffix


def test_a_release_that_was_removed_is_said(state: State, cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match="K8S_NO_JOB"):
        runner(state, cluster).run([ray_job("r-ingest-1-d", suspend=True)])


@pytest.mark.parametrize("name", ["r-ingest-1-5fd5cbd3", "a" * 47, "release-of-a-long-name-1-ingest-12-5fd5cbd3"])
@pytest.mark.parametrize("suffix", ["r2", "0123456789-r3"])
def test_fresh_names_fit(name: str, suffix: str) -> None:
    made = fresh_name(name, suffix)
    assert len(made) <= 47
    assert made.endswith(f"-{suffix}")
    assert made[0].isalpha()


@pytest.mark.parametrize("text", ["", "[]", "{}", '[{"kind": "Pod"}]', "["])
def test_a_file_without_rayjobs_is_refused(text: str, tmp_path) -> None:
    path = tmp_path / "rayjobs.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="K8S_TEMPLATES"):
        read_templates(path)
