"""The client against a real cluster: what is wrong before a run, and a run without Helm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from released import OWN_IMAGE, VALUES, Namespace, Object, pipeline

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def doctor(namespace: Namespace, folder: Path, values: Object) -> tuple[int, dict[str, str]]:
    """Exit code of the doctor, and the state of each check."""
    own = folder / "values.yaml"
    own.write_text(yaml.safe_dump({"image": OWN_IMAGE, **values}), encoding="utf-8")
    done = namespace.client("doctor", "-f", str(VALUES), "-f", str(own), "--json")
    assert done.stdout, done.stderr
    return done.returncode, {check["check"]: check["state"] for check in json.loads(done.stdout)["checks"]}


def test_the_doctor_finds_nothing_wrong_where_a_run_succeeds(namespace: Namespace, store, tmp_path: Path) -> None:
    code, states = doctor(namespace, tmp_path, {"pipeline": pipeline(store.messages, store.lake("looked-at"))})
    assert code == 0, states
    assert set(states.values()) == {"ok"}
    assert {"KubeRay's definitions", "KubeRay's operator", "rights", "quotas", "pod"} <= set(states)


def test_the_doctor_finds_a_secret_that_is_missing(namespace: Namespace, store, tmp_path: Path) -> None:
    values = {"keys": {"existingSecret": "no-such-keys"}, "pipeline": pipeline(store.messages, store.lake("x5"))}
    code, states = doctor(namespace, tmp_path, values)
    assert code == 1
    assert states["Secret no-such-keys"] == "failed"


def test_the_doctor_finds_a_bucket_that_is_missing(namespace: Namespace, store, tmp_path: Path) -> None:
    code, states = doctor(namespace, tmp_path, {"pipeline": pipeline("s3://no-such-bucket/hl7/", store.lake("x6"))})
    assert code == 1
    assert states["pod"] == "ok"
    assert "failed" in states.values()


def test_a_run_submitted_without_helm_makes_the_same_lake(
    namespace: Namespace, store, expected, tmp_path: Path
) -> None:
    lake, own = store.lake("submitted"), tmp_path / "values.yaml"
    own.write_text(yaml.safe_dump({"image": OWN_IMAGE, "pipeline": pipeline(store.messages, lake)}), encoding="utf-8")
    done = namespace.client("submit", "-f", str(VALUES), "-f", str(own), "--release", "bare", "--json")
    (job,) = json.loads(done.stdout)["rayjobs"]
    assert namespace.wait(job).outcome == "succeeded"
    assert "succeeded" in namespace.client("logs", job).stdout
    assert store.parts(lake) == expected[store.messages]
    assert namespace.client("cancel", job).returncode == 0
    assert namespace.names("rayjobs.ray.io", "clinray.io/release=bare") == []
