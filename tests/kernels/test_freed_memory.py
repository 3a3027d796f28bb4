"""Kernels read and write by address: nothing that they reach so has been freed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from running import parts, write

from connectors.hl7v2.generate import bench_messages

WORK = """
import sys
from pathlib import Path
from jobs.config import load_pipeline
from jobs.run import ingest

folder = Path(sys.argv[1])
settings = {"source": str(folder / "in"), "lake": str(folder / sys.argv[2]), "policy": "pseudonymised"}
pipeline = load_pipeline(None, settings).with_access(endpoint=None, keys=folder / "keys", create_keys=True)
assert ingest(pipeline, cpus=0)["records"]["written"] == 200
"""


def ingested(folder: Path, lake: str, **environment: str) -> dict[str, str]:
    """The parts of an ingest in a process of its own."""
    command = [sys.executable, "-c", WORK, str(folder), lake]
    ended = subprocess.run(command, env={**os.environ, **environment}, timeout=300, check=False)
    assert ended.returncode == 0
    return parts(folder / lake)


def test_memory_that_is_overwritten_when_it_is_freed_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a.hl7": b"".join(bench_messages(200, 1))})
    plain = ingested(tmp_path, "plain")
    assert plain
    # glibc fills what is freed with this byte (mallopt(3), M_PERTURB); other libraries pay no heed to it.
    assert ingested(tmp_path, "overwritten", MALLOC_PERTURB_="85") == plain
