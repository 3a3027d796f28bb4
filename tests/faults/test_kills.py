"""kill -9 of a worker or of the driver, at seeded points: the tables end as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import everything, file_of, write

from connectors.lake.verify import verify

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SEEDS = range(int(os.environ.get("CLINRAY_FAULT_SEEDS", "5")))
OBJECTS = 24


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "in"
    names = [f"{n:02}" for n in range(OBJECTS)]
    return write(
        folder, {f"{name}.hl7": file_of(*(f"{name}-{k}" for k in range(40)), observations=4) for name in names}
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def undisturbed(
    source: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[tuple]], int]:
    """The rows of a run that nothing disturbs, and how many files it makes."""
    lake = tmp_path_factory.mktemp("undisturbed") / "lake"
    assert started(source, lake, keys).wait() == 0
    return everything(lake), files(lake)


@pytest.fixture
def full() -> Iterator[int]:
    """A pipe that takes nothing more: a run whose report goes there does not end."""
    read, write_ = os.pipe()
    os.set_blocking(write_, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_, bytes(1 << 12))
    os.set_blocking(write_, True)
    yield write_
    os.close(read)
    os.close(write_)


def started(source: Path, lake: Path, keys: Path, report: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """An ingest of several bundles and commits in a process of its own, on a local Ray. Its report goes to `report`."""
    file = lake.parent / "pipeline.yaml"
    settings = {"source": source, "lake": lake, "policy": "pseudonymised", "bundle_bytes": 20_000, "commit_every": 6}
    file.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    command = [sys.executable, "-m", "jobs", "ingest", str(file), "--keys", str(keys), "--cpus", "2", "--json"]
    return subprocess.Popen(command, stdout=report)


def files(lake: Path) -> int:
    """How far a run is: files that it has made in the lake."""
    return sum(1 for path in lake.rglob("*") if path.is_file()) if lake.exists() else 0


def reached(process: subprocess.Popen[bytes], lake: Path, point: int) -> bool:
    """Waits until the run has made so many files; False if it ended before."""
    while process.poll() is None:
        if files(lake) >= point:
            return True
        time.sleep(0.002)
    return False


def descendants(pid: int) -> Iterator[int]:
    """Processes below one of ours, from /proc."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        yield from below
        waiting += below


def task_workers(pid: int) -> list[int]:
    """Ray's workers below a driver that run a task at this moment."""
    found = []
    for child in descendants(pid):
        try:
            name = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::_task"):
            found.append(child)
    return sorted(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_driver_is_made_good_by_the_next(
    seed: int, source: Path, keys: Path, undisturbed: tuple[dict[str, list[tuple]], int], tmp_path: Path, full: int
) -> None:
    expected, whole = undisturbed
    lake = tmp_path / "lake"
    point = random.Random(seed).randrange(1, whole)
    process = started(source, lake, keys, full)
    assert reached(process, lake, point)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert started(source, lake, keys).wait() == 0
    assert everything(lake) == expected
    assert not verify(str(lake)).findings


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_worker_costs_nothing(
    seed: int, source: Path, keys: Path, undisturbed: tuple[dict[str, list[tuple]], int], tmp_path: Path
) -> None:
    expected, whole = undisturbed
    lake = tmp_path / "lake"
    chosen = random.Random(seed)
    process = started(source, lake, keys)
    killed = 0
    if reached(process, lake, chosen.randrange(1, whole // 2)):
        while process.poll() is None and not killed:
            for worker in task_workers(process.pid)[:1]:
                os.kill(worker, signal.SIGKILL)
                killed += 1
    assert process.wait() == 0
    assert killed == 1
    assert everything(lake) == expected
    assert not verify(str(lake)).findings
