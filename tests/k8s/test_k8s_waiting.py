"""Waiting for a RayJob: its end, why it does not begin, and how it is watched."""

from __future__ import annotations

import re

import pytest
from api_server import BROKEN, DONE, FAULT, GONE, HOLD, REFUSED, RUNNING, State, ray_job, status

from connectors.errors import AccessError, TransientError
from k8s.cluster import Cluster
from k8s.outcome import Outcome
from k8s.waiting import Patience, error_code, wait


def waited(state: State, cluster: Cluster, patience: Patience | None = None) -> Outcome:
    return wait(cluster, "job", patience or Patience(100), lambda _: None, state.hours.clock())


def test_a_job_is_followed_to_its_end(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), {}, status("Initializing"), RUNNING, status("Running", "SUCCEEDED"), DONE)
    told: list[str] = []
    assert wait(cluster, "job", Patience(100), told.append, state.hours.clock()).kind.name == "succeeded"
    assert told == ["waiting for KubeRay", "Initializing", "Running/RUNNING", "Running/SUCCEEDED", "Complete/SUCCEEDED"]


def test_a_job_that_is_not_there_has_vanished(state: State, cluster: Cluster) -> None:
    assert waited(state, cluster).sentence == "the job is gone (there is none of this name)"


def test_a_job_that_is_deleted_has_vanished(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING, None)
    assert waited(state, cluster).sentence == "the job is gone (it was deleted)"


def test_a_job_that_runs_too_long_goes_on(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING)
    assert waited(state, cluster).kind.name == "timed_out"


def test_a_suspended_job_that_nobody_resumes_is_said(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job", suspend=True))
    assert waited(state, cluster).kind.name == "suspended"


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
    found = waited(state, cluster, Patience(100, starting=30))
    assert found.sentence == "the job's cluster did not start (ImagePullBackOff nowhere/clinray:1)"


def test_a_secret_that_does_not_exist_is_named(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), status("Initializing", rayClusterName="c"))
    state.pods = [pod(reason="CreateContainerConfigError", message='secret "s3" not found')]
    found = waited(state, cluster, Patience(100, starting=30))
    assert found.detail == 'CreateContainerConfigError: secret "s3" not found'


def test_what_a_job_waits_for_is_told_and_stands_behind_its_end(state: State, cluster: Cluster) -> None:
    starts = status("Initializing", rayClusterName="c")
    late = status("Failed", reason="PreRunningDeadlineExceeded")
    state.add(ray_job("job"), starts, HOLD, starts, late)
    state.pods = [pod(reason="ImagePullBackOff")]
    told: list[str] = []
    found = wait(cluster, "job", Patience(100), told.append, state.hours.clock())
    assert told == ["Initializing", "waits: ImagePullBackOff nowhere/clinray:1", "Failed"]
    assert found.detail == "PreRunningDeadlineExceeded; ImagePullBackOff nowhere/clinray:1"


def test_a_job_that_no_queue_admits_is_said(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job", suspend=True))
    found = waited(state, cluster, Patience(100, starting=30, accept_suspended=True))
    assert found.detail == "it is suspended, and no queue and nobody has let it begin"


def test_pods_that_no_node_takes_are_said(state: State, cluster: Cluster) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
    state.add(ray_job("job"), status("Initializing", rayClusterName="c"))
    state.pods = [{"metadata": {"name": "w"}, "status": {"conditions": [condition]}}]
    assert waited(state, cluster, Patience(100, starting=30)).detail == "Unschedulable: 0/1 nodes: cpu"


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
    said = waited(state, cluster, Patience(100, starting=30)).detail
    assert said == (MOUNT if readable else "its pods have not become ready")


def test_a_submitter_that_cannot_start_is_said(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), status("Running", rayClusterName="c"))
    state.pods = [pod(reason="ErrImagePull")]
    found = waited(state, cluster, Patience(100, starting=30))
    assert found.sentence == "the job's cluster did not start (ErrImagePull nowhere/clinray:1)"


def test_the_code_of_the_drivers_error_is_told_and_nothing_else_of_its_log(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), REFUSED)
    state.pods = [{"metadata": {"name": "job-x"}, "spec": {"containers": [{"name": "submitter"}]}}]
    state.logs["job-x"] = 'PID|1||DOE^JOHN\n{"error": {"code": "STORE_REFUSED", "message": "no access to DOE"}}\nbye\n'
    assert waited(state, cluster).detail == "exit code 2, STORE_REFUSED"


@pytest.mark.parametrize("log", ["", "no report", '{"error": {"code": "a b"}}', '{"objects": {"listed": 1}}'])
def test_a_log_without_a_report_adds_nothing(log: str) -> None:
    assert error_code(log) == ""


@pytest.mark.parametrize(("code", "kind"), [(403, AccessError), (401, AccessError), (503, TransientError)])
def test_an_api_that_refuses_or_is_away_is_an_error_of_ours(
    state: State, cluster: Cluster, code: int, kind: type[Exception]
) -> None:
    state.refuse = code
    with pytest.raises(kind):
        waited(state, cluster)


def requests(state: State) -> list[str]:
    """What was asked of the API, one after the other: "list", or the seconds of a watch."""
    asked = [re.search(r"timeoutSeconds=(\d+)", path) for verb, path in state.calls if "/rayjobs" in path]
    return [found[1] if found else "list" for found in asked]


def test_a_job_is_listed_once_and_then_watched(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), status("Initializing"), RUNNING, status("Running", "SUCCEEDED"), DONE)
    assert waited(state, cluster).kind.name == "succeeded"
    assert requests(state) == ["list", "30"]
    assert state.hours.at == 0


@pytest.mark.parametrize(("mark", "seconds"), [(HOLD, 30), (GONE, 3), (FAULT, 3), (BROKEN, 3)])
def test_a_watch_that_ends_is_followed_by_a_list(state: State, cluster: Cluster, mark: str, seconds: float) -> None:
    state.add(ray_job("job"), RUNNING, mark, RUNNING, DONE)
    assert waited(state, cluster).kind.name == "succeeded"
    assert requests(state) == ["list", "30", "list", "30"]
    assert state.hours.at == seconds


def test_a_version_that_is_refused_at_once_is_listed_anew(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING, DONE)
    state.refuse_watches = 410
    assert waited(state, cluster).kind.name == "succeeded"
    assert requests(state) == ["list", "30", "list"]


def test_a_job_that_is_gone_when_it_is_listed_anew_has_vanished(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING, GONE, None)
    assert waited(state, cluster).sentence == "the job is gone (it was deleted)"


def test_a_watch_ends_just_behind_the_deadline(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING)
    assert waited(state, cluster, Patience(40)).kind.name == "timed_out"
    assert requests(state) == ["list", "30", "list", "11", "list"]
    assert state.hours.at == 41


def test_watches_that_end_at_once_do_not_make_requests_without_a_pause(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), *[RUNNING, BROKEN] * 20)
    assert waited(state, cluster, Patience(30)).kind.name == "timed_out"
    assert state.hours.at == 33
    assert requests(state).count("list") == 12


def test_an_api_that_is_away_for_a_while_is_waited_for(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), DONE)
    state.refuse = 503
    state.hours.at_seconds(20, lambda: setattr(state, "refuse", 0))
    assert waited(state, cluster).kind.name == "succeeded"
    assert requests(state) == ["list"] * 8


def test_an_api_that_opens_no_watch_is_away_for_good(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING)
    state.refuse_watches = 503
    with pytest.raises(TransientError, match="K8S_UNAVAILABLE"):
        waited(state, cluster)
    assert requests(state) == ["list", "30"] * 20


def test_an_api_whose_watches_all_fail_is_away_for_good(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), *[RUNNING, FAULT] * 20, RUNNING)
    with pytest.raises(TransientError, match="the cluster answered 500 for watch of rayjob job"):
        waited(state, cluster)
    assert requests(state).count("list") == 20


def test_a_watch_that_is_refused_asks_for_the_right(state: State, cluster: Cluster) -> None:
    state.add(ray_job("job"), RUNNING)
    state.refuse_watches = 403
    with pytest.raises(AccessError, match="the cluster refuses watch of rayjob job"):
        waited(state, cluster)
