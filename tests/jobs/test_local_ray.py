"""The Ray that a run starts on its machine answers to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jobs.config import close_local_ray

STARTS_A_RAY = """
from jobs.run import executor
with executor(1):
    import ray
    print(ray.get(ray.remote(lambda: "worked on").remote()))
    print(ray.get_runtime_context().gcs_address, flush=True)
    input()
"""

ASKS_IT = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).get_all_node_info(timeout=5)
"""


def test_who_does_not_know_the_token_is_refused() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    program = [sys.executable, "-c", STARTS_A_RAY]
    with subprocess.Popen(program, env=plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == "worked on\n"
        address = run.stdout.readline().strip()
        asked = subprocess.run([sys.executable, "-c", ASKS_IT, address], env=plain, capture_output=True, text=True)
        run.stdin.write("\n")
    assert asked.returncode == 1
    assert "AuthenticationError" in asked.stderr
    assert run.returncode == 0


@pytest.mark.parametrize("chosen", [{"RAY_ADDRESS": "10.0.0.1:6379"}, {"RAY_AUTH_MODE": "disabled"}])
def test_a_cluster_and_what_a_person_chose_stay(monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str]) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    environment = dict(chosen)
    close_local_ray(environment)
    assert environment == chosen


def test_each_run_has_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    close_local_ray(first)
    close_local_ray(second)
    assert first["RAY_AUTH_MODE"] == "token"
    assert len(first["RAY_AUTH_TOKEN"]) == 64
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]
