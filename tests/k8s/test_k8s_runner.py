"""Waiting for RayJobs, and bringing stages to their end one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_server import State, api, ray_job, status

from connectors.errors import AccessError, ConfigError, TransientError
from k8s.cluster import Cluster
from k8s.outcome import Outcome
from k8s.runner import Owner, Rules, Runner, fresh_name, read_templates
from k8s.waiting import Clock, Patience, error_code, wait
from k8s.watching import run_suffix

DONE = status("Complete", "SUCCEEDED")
RUNNING = status("Running", "RUNNING")
LOST = status("Failed", "FAILED", reason="AppFailed")
REFUSED = status("Failed", "FAILED", message="failed with exit code 2")
DEFERRED = status("Failed", "FAILED", message="failed with exit code 3")


class Hours:
    """A clock whose time passes by sleeping alone."""

    def __init__(self) -> None:
        self.at = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.at, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def cluster(state: State) -> Iterator[Cluster]:
    with api(state) as found:
        yield found


def waited(cluster: Cluster, patience: Patience | None = None) -> Outcome:
    return wait(cluster, "job", patience or Patience(100), lambda _: None, Hours().clock())


def test_a_job_is_followed_to_its_end(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), {}, status("Initializing"), RUNNING, status("Running", "SUCCEEDED"), DONE)
    told: list[str] = []
    assert wait(cluster, "job", Patience(100), told.append, Hours().clock()).kind.name == "succeeded"
    assert told == ["waiting for KubeRay", "Initializing", "Running/RUNNING", "Running/SUCCEEDED", "Complete/SUCCEEDED"]


def test_a_job_that_is_not_there_has_vanished(cluster: Cluster) -> None:
    assert waited(cluster).sentence == "the job is gone (there is none of this name)"


def test_a_job_that_is_deleted_has_vanished(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING, None)
    assert waited(cluster).sentence == "the job is gone (it was deleted)"


def test_a_job_that_runs_too_long_goes_on(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING)
    assert waited(cluster).kind.name == "timed_out"


def test_a_suspended_job_that_nobody_resumes_is_said(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job", suspend=True))
    assert waited(cluster).kind.name == "suspended"


def pod(**waiting: str) -> dict[str, object]:
    container = {"name": "ray-head", "image": "nowhere/clinray:1", "imageID": "", "ready": False, "restartCount": 0}
    return {
        "metadata": {"name": "head"},
        "spec": {"containers": [{"name": "ray-head"}]},
        "status": {"containerStatuses": [{**container, "state": {"waiting": waiting}}]},
    }


def test_an_image_that_does_not_exist_is_named(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), status("Initializing", rayClusterName="c"))
    state.pods = [pod(reason="ImagePullBackOff", message="Back-off pulling")]
    found = waited(cluster, Patience(100, starting=30))
    assert found.sentence == "the job's cluster did not start (ImagePullBackOff nowhere/clinray:1)"


def test_a_secret_that_does_not_exist_is_named(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), status("Initializing", rayClusterName="c"))
    state.pods = [pod(reason="CreateContainerConfigError", message='secret "s3" not found')]
    found = waited(cluster, Patience(100, starting=30))
    assert found.detail == 'CreateContainerConfigError: secret "s3" not found'


def test_what_a_job_waits_for_is_told_and_stands_behind_its_end(state: State, cluster: Cluster) -> None:
    late = status("Failed", reason="PreRunningDeadlineExceeded")
    state.add(ray_job("job"), *[status("Initializing", rayClusterName="c")] * 20, late)
    state.pods = [pod(reason="ImagePullBackOff")]
    told: list[str] = []
    found = wait(cluster, "job", Patience(100), told.append, Hours().clock())
    assert told == ["Initializing", "waits: ImagePullBackOff nowhere/clinray:1", "Failed"]
    assert found.detail == "PreRunningDeadlineExceeded; ImagePullBackOff nowhere/clinray:1"


def test_a_job_that_no_queue_admits_is_said(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job", suspend=True))
    found = waited(cluster, Patience(100, starting=30, accept_suspended=True))
    assert found.detail == "it is suspended, and no queue and nobody has let it begin"


def test_pods_that_no_node_takes_are_said(state: State, cluster: Cluster) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
    state.add(ray_job("job"), status("Initializing", rayClusterName="c"))
    state.pods = [{"metadata": {"name": "w"}, "status": {"conditions": [condition]}}]
    assert waited(cluster, Patience(100, starting=30)).detail == "Unschedulable: 0/1 nodes: cpu"


MOUNT = 'MountVolume.SetUp failed for volume "keys" : secret "no-such-keys" not found'


@pytest.mark.parametrize("readable", [True, False])
def test_a_volume_that_cannot_be_mounted_is_said_where_events_may_be_read(
    state: State, cluster: Cluster, readable: bool
) -> None:
    state.add(ray_job("job"), status("Initializing", rayClusterName="c"))
    state.pods = [{"metadata": {"name": "head"}, "status": {}}]
    about = [("head", MOUNT), ("another", "of somebody else")]
    events = [{"metadata": {}, "involvedObject": {"name": name}, "message": message} for name, message in about]
    state.events = events if readable else None
    said = waited(cluster, Patience(100, starting=30)).detail
    assert said == (MOUNT if readable else "its pods have not become ready")


def test_a_submitter_that_cannot_start_is_said(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), status("Running", rayClusterName="c"))
    state.pods = [pod(reason="ErrImagePull")]
    found = waited(cluster, Patience(100, starting=30))
    assert found.sentence == "the job's cluster did not start (ErrImagePull nowhere/clinray:1)"


def test_the_code_of_the_drivers_error_is_told_and_nothing_else_of_its_log(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), REFUSED)
    state.pods = [{"metadata": {"name": "job-x"}, "spec": {"containers": [{"name": "submitter"}]}}]
    state.logs["job-x"] = 'PID|1||DOE^JOHN\n{"error": {"code": "STORE_REFUSED", "message": "no access to DOE"}}\nbye\n'
    assert waited(cluster).detail == "exit code 2, STORE_REFUSED"


@pytest.mark.parametrize("log", ["", "no report", '{"error": {"code": "a b"}}', '{"objects": {"listed": 1}}'])
def test_a_log_without_a_report_adds_nothing(log: str) -> None:
    assert error_code(log) == ""


@pytest.mark.parametrize(("code", "kind"), [(403, AccessError), (401, AccessError), (503, TransientError)])
def test_an_api_that_refuses_or_is_away_is_an_error_of_ours(
    state: State, cluster: Cluster, code: int, kind: type[Exception]
) -> None:
    state.refuse = code
    with pytest.raises(kind):
        waited(cluster)


def runner(cluster: Cluster, retries: int = 0, owner: Owner | None = None) -> Runner:
    return Runner(cluster, Rules(retries, 100), lambda _: None, owner or Owner(), Hours().clock())


STAGES = ("identified", "validate", "deidentify")


def suspended(state: State) -> list[dict[str, object]]:
    jobs = [ray_job(f"r-{stage}-1-d", stage, suspend=True) for stage in STAGES]
    for job in jobs:
        state.add(job, RUNNING, DONE)
    return [dict(job) for job in jobs]


def test_stages_begin_one_after_the_other(state: State, cluster: Cluster) -> None:
    results = runner(cluster).run(suspended(state))
    assert [(r.stage, r.outcome.kind.name, r.attempts) for r in results] == [(s, "succeeded", 1) for s in STAGES]
    resumed = [path.rsplit("/", 1)[1] for verb, path in state.calls if verb == "PATCH"]
    assert resumed == [f"r-{stage}-1-d" for stage in STAGES]


def test_a_stage_that_fails_stops_those_behind_it(state: State, cluster: Cluster) -> None:
    jobs = suspended(state)
    state.scripts["r-validate-1-d"] = [REFUSED]
    results = runner(cluster, retries=2).run(jobs)
    assert [(r.stage, r.outcome.kind.name, r.attempts) for r in results] == [
        ("identified", "succeeded", 1),
        ("validate", "refused", 1),
    ]
    assert state.jobs["r-deidentify-1-d"]["spec"]["suspend"] is True


def test_a_try_that_failed_is_made_again_under_a_fresh_name(state: State, cluster: Cluster) -> None:
    jobs = suspended(state)
    state.scripts["r-validate-1-d"] = [LOST]
    results = runner(cluster, retries=2, owner=Owner("r-runner", "u1")).run(jobs)
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
    results = runner(cluster, retries=2).run([job])
    assert [(r.job, r.attempts, r.outcome.kind.name) for r in results] == [("r-ingest-1-d-r3", 3, "failed")]


def test_objects_that_stay_deferred_do_not_hold_up_what_is_committed(state: State, cluster: Cluster) -> None:
    jobs = suspended(state)
    state.default = [DEFERRED]
    state.scripts["r-identified-1-d"] = [DEFERRED]
    results = runner(cluster, retries=1).run(jobs)
    assert [r.outcome.kind.name for r in results] == ["deferred", "succeeded", "succeeded"]


def test_a_runner_that_is_started_again_finds_what_the_one_before_made(state: State, cluster: Cluster) -> None:
    template = ray_job("r-ingest-1-d", suspend=True)
    first = runner(cluster).run([template], "4711")
    made = sum(verb == "POST" for verb, _ in state.calls)
    again = runner(cluster).run([template], "4711")
    assert [r.job for r in first] == [r.job for r in again] == ["r-ingest-1-d-4711"]
    assert list(state.jobs) == ["r-ingest-1-d-4711"]
    assert made == 1


def test_finished_jobs_that_kuberay_removed_do_not_hold_up_a_runner_that_is_started_again(
    state: State, cluster: Cluster
) -> None:
    jobs = suspended(state)
    del state.jobs["r-identified-1-d"]
    state.jobs["r-validate-1-d"]["spec"]["suspend"] = False
    results = runner(cluster).run(jobs)
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
    results = runner(cluster).run(jobs)
    assert [(r.stage, r.outcome.kind.name) for r in results] == [
        ("identified", "deferred"),
        ("validate", "succeeded"),
        ("deidentify", "succeeded"),
    ]


def test_a_runner_that_is_started_again_goes_on_with_the_last_try(state: State, cluster: Cluster) -> None:
    state.add(ray_job("r-ingest-1-d-r2"), RUNNING, DONE)
    results = runner(cluster, retries=2).run([ray_job("r-ingest-1-d", suspend=True)])
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


def test_a_release_that_was_removed_is_said(cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match="K8S_NO_JOB"):
        runner(cluster).run([ray_job("r-ingest-1-d", suspend=True)])


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
