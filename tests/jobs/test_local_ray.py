"""The Ray that a run starts on its machine answers to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_who_does_not_know_the_token_is_refused(tmp_path: Path) -> None:
    """Ray makes the token where there is none. It listens on every address: without one, a port would be enough."""
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
