"""The commands as a user calls them, against a small API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import State, api, ray_job, status
from typer.testing import CliRunner, Result

from connectors.errors import TransientError
from k8s.__main__ import app

VALUES = str(Path(__file__).parents[2] / "helm" / "clinray" / "ci" / "standalone-values.yaml")
STAGED = str(Path(__file__).parents[2] / "helm" / "clinray" / "ci" / "staged-values.yaml")
Call = Callable[..., Result]


@pytest.fixture
def call(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Runs a command with a kubeconfig that names the API."""
    with api(state):
        named: dict[str, Any] = {
            "clusters": [{"name": "c", "cluster": {"server": state.url}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "lab"}}],
            "users": [{"name": "u", "user": {}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", **named}))
        monkeypatch.setenv("KUBECONFIG", str(path))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_submit_makes_the_job_and_says_what_is_next(state: State, call: Call) -> None:
    done = call("submit", "-f", VALUES, "--release", "r")
    (name,) = state.jobs
    assert done.exit_code == 0
    assert done.stdout == f"made rayjob {name} in lab\nnext: python -m k8s wait {name} -n lab\n"


def test_submit_makes_staged_jobs_suspended(state: State, call: Call) -> None:
    done = call("submit", "-f", STAGED, "--release", "r", "--json")
    said = json.loads(done.stdout)
    assert [name.split("-")[1] for name in said["rayjobs"]] == ["identified", "validate", "deidentify", "verify"]
    assert said["suspended"] is True
    assert {job["spec"]["suspend"] for job in state.jobs.values()} == {True}


def test_submit_twice_wants_another_revision(call: Call) -> None:
    first = json.loads(call("submit", "-f", VALUES, "--release", "r", "--json").stdout)["rayjobs"][0]
    again = call("submit", "-f", VALUES, "--release", "r")
    assert again.exit_code == 2
    assert again.stderr == (
        f"clinray: K8S_JOB_EXISTS: there is a rayjob {first} already; raise --revision to run again\n"
    )
    assert call("submit", "-f", VALUES, "--release", "r", "--revision", 2).exit_code == 0


def test_a_dry_run_prints_the_job_and_makes_nothing(state: State, call: Call) -> None:
    done = call("submit", "-f", VALUES, "--set", "image.tag=0.9.9", "--dry-run")
    (job,) = yaml.safe_load_all(done.stdout)
    assert job["kind"] == "RayJob"
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert head["image"] == "clinray:0.9.9"
    assert (state.jobs, state.calls) == ({}, [])


def test_submit_takes_a_pipeline_file(state: State, call: Call, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text("source: s3://a/b\nlake: s3://a/c\npolicy: pseudonymised\n")
    assert call("submit", "-f", VALUES, "--pipeline", path).exit_code == 0
    (job,) = state.jobs.values()
    annotations = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["metadata"]["annotations"]
    assert annotations["clinray.io/pipeline"] == '{"lake":"s3://a/c","policy":"pseudonymised","source":"s3://a/b"}'


MISTAKES = [
    (["--set", "mode"], "VALUES_INVALID: a setting is written name=value, with dots between names: mode"),
    (["--set", "mode={"], "VALUES_INVALID: mode: its value is not YAML"),
    (["--set", "pipeline.lake="], "VALUES_INVALID: pipeline.lake is empty: name the s3:// prefix of the lake"),
    (["-f", "/nowhere.yaml"], "VALUES_UNREADABLE: the values file /nowhere.yaml cannot be read"),
    (["--set", "mode=null"], "VALUES_INVALID: mode: a run needs it, so it cannot be null"),
    (["--release", "No_Name"], "VALUES_INVALID: release No_Name: take small letters, digits and -, 53 at most"),
]


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence(state: State, call: Call, arguments: list[str], sentence: str) -> None:
    done = call("submit", "-f", VALUES, *arguments)
    assert (done.exit_code, done.stderr) == (2, f"clinray: {sentence}\n")
    assert state.jobs == {}


def test_a_stage_that_is_null_is_left_out(state: State, call: Call) -> None:
    done = call("submit", "-f", STAGED, "--set", "stages.verify=null", "--json")
    assert [name.split("-")[1] for name in json.loads(done.stdout)["rayjobs"]] == [
        "identified",
        "validate",
        "deidentify",
    ]


@pytest.mark.parametrize(
    ("shown", "code", "sentence"),
    [
        (status("Complete", "SUCCEEDED"), 0, "job: the job succeeded"),
        (status("Complete", "STOPPED"), 14, "job: somebody stopped the job"),
        (status("ValidationFailed"), 15, "job: KubeRay takes no such job (ValidationFailed)"),
    ],
)
def test_wait_returns_the_jobs_own_result(
    state: State, call: Call, shown: dict[str, Any], code: int, sentence: str
) -> None:
    state.add(ray_job("job"), shown)
    done = call("wait", "job")
    assert (done.exit_code, done.stdout) == (code, sentence + "\n")


def test_wait_says_the_result_as_json(state: State, call: Call) -> None:
    state.add(ray_job("job"), status("Failed", "FAILED", message="failed with exit code 4"))
    done = call("wait", "job", "--json")
    assert json.loads(done.stdout) == {"rayjob": "job", "outcome": "limited", "detail": "exit code 4", "exit": 11}
    assert done.exit_code == 11


def pod(name: str, container: str, made: int = 0, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels, "creationTimestamp": f"2026-01-01T00:00:{made:02}Z"}
    return {"metadata": metadata, "spec": {"containers": [{"name": container}]}}


def with_logs(state: State) -> None:
    """A RayJob whose submitter's pod was made twice; the newer one comes first by name."""
    state.add(ray_job("job"), status("Running", "RUNNING", rayClusterName="c"))
    of_job, of_head = {"job-name": "job"}, {"ray.io/cluster": "c", "ray.io/node-type": "head"}
    state.pods = [pod("job-b", "submitter", 1, **of_job), pod("job-x", "submitter", 0, **of_job)]
    state.pods.append(pod("c-head", "ray-head", **of_head))
    state.logs = {"job-x": "one\ntwo\n", "job-b": "{}\n\nthree\n", "c-head": "begun\n"}


def test_logs_show_what_the_driver_printed(state: State, call: Call) -> None:
    with_logs(state)
    assert call("logs", "job").stdout == "== job-x\none\ntwo\n== job-b\n{}\n\nthree\n"


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_logs_are_one_json_object(state: State, call: Call, follow: list[str]) -> None:
    with_logs(state)
    done = call("logs", "job", "--json", *follow)
    assert (done.exit_code, json.loads(done.stdout)) == (
        0,
        {
            "job": "job",
            "pods": [
                {"pod": "job-x", "role": "submitter", "lines": ["one", "two"]},
                {"pod": "job-b", "role": "submitter", "lines": ["{}", "", "three"]},
            ],
        },
    )


def test_the_keys_of_logs_stand_on_their_page(state: State, call: Call) -> None:
    with_logs(state)
    said = json.loads(call("logs", "job", "--json").stdout)
    page = (Path(__file__).parents[2] / "docs" / "kubernetes-client.md").read_text(encoding="utf-8")
    assert [key for key in [*said, *said["pods"][0]] if f"\n| `{key}` | " not in page] == []


def test_logs_of_the_head_have_a_role_of_their_own(state: State, call: Call) -> None:
    with_logs(state)
    pods = json.loads(call("logs", "job", "--head", "--json").stdout)["pods"]
    assert [(each["pod"], each["role"]) for each in pods] == [
        ("c-head", "head"),
        ("job-x", "submitter"),
        ("job-b", "submitter"),
    ]
    assert pods[0]["lines"] == ["begun"]


def test_logs_of_a_job_without_pods_are_empty(state: State, call: Call) -> None:
    state.add(ray_job("job"))
    assert call("logs", "job").stdout == "no pod has begun yet\n"
    assert json.loads(call("logs", "job", "--follow", "--json").stdout) == {"job": "job", "pods": []}


def test_only_the_newest_submitters_log_is_followed(state: State, call: Call) -> None:
    with_logs(state)
    assert call("logs", "job", "--head", "-f", "--lines", 7).stdout.splitlines()[-1] == "three"
    asked = [path.partition("?") for _, path in state.calls if "/log?" in path]
    assert [path.split("/")[-2] for path, _, query in asked if "follow" in query] == ["job-b"]
    assert [path.split("/")[-2] for path, _, query in asked if "tailLines=7" in query] == ["c-head", "job-x", "job-b"]


def test_a_log_that_is_followed_comes_line_by_line(state: State) -> None:
    state.logs = {"job-x": "one\ntwo\n"}
    state.last_line.clear()
    with api(state) as cluster:
        lines = cluster.followed_log("job-x", "submitter", 200)
        assert next(lines) == "one"
        state.last_line.set()
        assert list(lines) == ["two"]


def test_a_log_that_breaks_off_is_an_error(state: State) -> None:
    state.logs = {"job-x": "one\ntw"}
    with api(state) as cluster:
        lines = cluster.followed_log("job-x", "submitter", 200)
        assert next(lines) == "one"
        with pytest.raises(TransientError, match="the cluster does not answer for log of pod job-x"):
            list(lines)


def test_logs_of_no_job_are_a_mistake(call: Call) -> None:
    done = call("logs", "job")
    assert (done.exit_code, done.stderr) == (2, "clinray: K8S_NO_JOB: there is no rayjob job in lab\n")


def test_cancel_ends_every_job_of_a_release(state: State, call: Call) -> None:
    state.add(ray_job("a"))
    state.add(ray_job("b"))
    done = call("cancel", "--release", "r", "--json")
    assert json.loads(done.stdout) == {"cancelled": ["a", "b"], "still_there": []}
    assert (done.exit_code, state.jobs) == (0, {})


def test_cancel_of_a_job_that_is_not_there_is_a_mistake(call: Call) -> None:
    done = call("cancel", "job")
    assert (done.exit_code, done.stderr) == (2, "clinray: K8S_NO_JOB: there is no rayjob job in lab\n")


@pytest.mark.parametrize("arguments", [[], ["job", "--release", "r"]])
def test_cancel_wants_a_job_or_a_release(call: Call, arguments: list[str]) -> None:
    done = call("cancel", *arguments)
    assert (done.exit_code, done.stderr) == (
        2,
        "clinray: K8S_WHICH: name one rayjob, or a release with --release\n",
    )


def test_the_runner_says_which_stage_failed_and_why(state: State, call: Call, tmp_path: Path) -> None:
    jobs = [ray_job(f"r-{stage}-1-d", stage, suspend=True) for stage in ("validate", "deidentify")]
    state.add(jobs[0], status("Failed", "FAILED", message="failed with exit code 1"))
    state.add(jobs[1])
    path = tmp_path / "rayjobs.json"
    path.write_text(json.dumps(jobs))
    done = call("runner", "--templates", path, "--json")
    assert done.exit_code == 12
    said = json.loads(done.stdout)
    assert [(s["stage"], s["rayjob"], s["outcome"]) for s in said["stages"]] == [
        ("validate", "r-validate-1-d", "wrong")
    ]
    assert said["not_begun"] == ["deidentify"]
    assert done.stderr.splitlines()[-1] == (
        "clinray: stage validate: the job found the lake to be wrong (exit code 1); not begun: deidentify"
    )


def test_no_cluster_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in ("", "{", "apiVersion: v1\nkind: Config\n"):
        path = tmp_path / "config"
        path.write_text(content)
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        done = CliRunner().invoke(app, ["wait", "job"])
        assert (done.exit_code, done.stderr) == (
            2,
            "clinray: K8S_CONFIG: no cluster: set KUBECONFIG, or run inside a pod with a token\n",
        )


@pytest.mark.parametrize("command", ["submit", "wait", "logs", "cancel", "runner", "doctor"])
def test_help_holds_an_example(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert f"python -m k8s {command} " in done.stdout.partition("Example")[2]
