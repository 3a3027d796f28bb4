"""The Ray that a run starts on its machine: it answers to nobody else, and wants nothing of the home folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import file_of, write

from jobs.pipeline import _give_token

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


def ingest(place: Path, home: str) -> tuple[int, str, str]:
    source = write(place / "in", {"a.hl7": file_of("1")})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    flags = ("--lake", place / "lake", "--policy", "pseudonymised", "--keys", place / "keys", "--cpus", "1", "--json")
    ran = subprocess.run(
        [sys.executable, "-m", "jobs", "ingest", "--source", source, *flags],
        env={**environment, "HOME": home},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return ran.returncode, ran.stdout, ran.stderr


def test_a_run_leaves_no_token_in_the_home_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code, said, told = ingest(tmp_path, str(home))
    assert (code, json.loads(said)["records"]["written"]) == (0, 1), told
    assert list(home.rglob("auth_token")) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody may write")
def test_a_run_wants_no_home_folder(tmp_path: Path) -> None:
    code, said, told = ingest(tmp_path, "/proc/no-home")
    assert (code, json.loads(said)["records"]["written"]) == (0, 1), told


@pytest.mark.parametrize("given", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_what_the_user_says_of_tokens_stays(given: str) -> None:
    environment = {given: "theirs"}
    _give_token(environment)
    assert environment == {given: "theirs"}


def test_the_token_that_a_user_keeps_at_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("theirs")
    monkeypatch.setenv("HOME", str(tmp_path))
    environment: dict[str, str] = {}
    _give_token(environment)
    assert environment == {}


def test_who_does_not_know_the_token_is_refused(tmp_path: Path) -> None:
    """The run makes the token where there is none. Ray listens on every address: without one, a port would do."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    stranger = {**plain, "HOME": str(tmp_path / "stranger")}
    plain["HOME"] = str(tmp_path)
    program = [sys.executable, "-c", STARTS_A_RAY]
    with subprocess.Popen(program, env=plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == "worked on\n"
        address = run.stdout.readline().strip()
        asked = subprocess.run([sys.executable, "-c", ASKS_IT, address], env=stranger, capture_output=True, text=True)
        run.stdin.write("\n")
    assert asked.returncode == 1
    assert "AuthenticationError" in asked.stderr
    assert run.returncode == 0
