"""What a first run would wait for is compiled before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from running import file_of, write

ROOT = Path(__file__).parents[2]

COUNTING = """
import sys
from numba.core import event

class Listener(event.Listener):
    def on_start(self, event):
        print("compiled", event.data["dispatcher"].py_func.__qualname__, file=sys.stderr)
    def on_end(self, event):
        pass

event.register("numba:compile", Listener())
from jobs.__main__ import main
sys.argv[0] = "clinray"
main()
"""


def test_a_run_after_it_compiles_nothing(tmp_path: Path) -> None:
    compiled = clinray("compile", "--json")
    assert compiled.returncode == 0, compiled.stderr
    assert list(json.loads(compiled.stdout)) == ["seconds"]
    write(tmp_path / "in", {f"{n}.hl7": file_of(f"{n}-1", f"{n}-2") for n in range(3)})
    run = clinray(
        *("ingest", "--source", str(tmp_path / "in"), "--lake", str(tmp_path / "lake"), "--cpus", "0"),
        *("--policy", "pseudonymised", "--keys", str(tmp_path / "keys")),
    )
    assert run.returncode == 0, run.stderr
    assert [line for line in run.stderr.splitlines() if line.startswith("compiled")] == []


def clinray(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program, which says on standard error what it compiles."""
    command = [sys.executable, "-c", COUNTING, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
