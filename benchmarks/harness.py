"""Runs each side of a comparison as a process of its own, in alternation, and reads what the process tree cost.

Wall time is that of the whole process, seconds inside are what the side itself reports (an engine's start left out).
CPU time and memory come from /proc, of the process and all its descendants, so that Ray's and Spark's workers count.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import messages

SAMPLE_SECONDS = 0.2
TICKS = os.sysconf("SC_CLK_TCK")
RAY_DAEMONS = ("raylet", "gcs_server", "dashboard", "log_monitor", "runtime_env", "agent.py", "monitor.py")


class SideFailedError(Exception):
    """A side ended with an error; the message holds the end of what it wrote to standard error."""


@dataclass(frozen=True)
class Side:
    """One way to do the work. command: without --out, which is added when output is true.

    processors: how many of the machine's processors it may run on, 0 for all. source: a folder of files that it reads.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    processors: int = 0
    source: Path | None = None


@dataclass(frozen=True)
class Run:
    """What one run cost. seconds: inside, without the engine's start. wall, cpu: seconds of the whole process tree.

    peak_bytes: the sum of each process's own high-water of resident memory, Ray's daemons left out. said: the JSON
    object that the side printed last. first: seconds inside of the first time, for a side that does its work twice.
    """

    seconds: float
    wall: float
    cpu: float
    peak_bytes: int
    said: Mapping[str, object]
    first: float = 0.0


class Tree:
    """The processes below one, as /proc shows them: the last CPU time and the high-water of memory seen of each."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.ticks: dict[int, int] = {}
        self.peaks: dict[int, int] = {}

    def sample(self) -> None:
        parents: dict[int, int] = {}
        ticks: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := _read(entry / "stat")):
                fields = stat.rsplit(")", 1)[1].split()
                parents[int(entry.name)] = int(fields[1])
                ticks[int(entry.name)] = int(fields[11]) + int(fields[12])
        for pid in _below(self.root, parents):
            self.ticks[pid] = ticks[pid]
            if not _is_daemon(pid):
                self.peaks[pid] = max(self.peaks.get(pid, 0), _high_water(pid))

    @property
    def cpu(self) -> float:
        return sum(self.ticks.values()) / TICKS

    @property
    def peak_bytes(self) -> int:
        return sum(self.peaks.values())


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _below(root: int, parents: Mapping[int, int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [root] if root in parents else []
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def _is_daemon(pid: int) -> bool:
    command = _read(Path(f"/proc/{pid}/cmdline")).split("\0")
    program = " ".join(Path(word).name for word in command[:3])
    return any(name in program for name in RAY_DAEMONS)


def _high_water(pid: int) -> int:
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def run_once(side: Side, out: Path | None) -> Run:
    """One run that begins with an idle disk and its source in the page cache, whatever the side before left behind.

    Raises SideFailedError.
    """
    os.sync()
    if side.source:
        messages.read_all(side.source)
    command = [*side.command, *(["--out", str(out)] if out else [])]
    limit = None
    if side.processors:
        chosen = sorted(os.sched_getaffinity(0))[: side.processors]

        def limit() -> None:
            os.sched_setaffinity(0, chosen)

    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **side.environment},
            preexec_fn=limit,
            start_new_session=True,
        )
        wall, tree = _watch(process, begun)
        stdout.seek(0)
        stderr.seek(0)
        lines = [line for line in stdout.read().splitlines() if line.startswith("{")]
        errors = stderr.read()
    if process.returncode != 0 or not lines:
        raise SideFailedError(f"{side.name} ended with {process.returncode}: {errors[-2000:]}")
    said = json.loads(lines[-1])
    seconds = float(said.get("seconds", wall))
    return Run(seconds, wall, tree.cpu, tree.peak_bytes, said, float(said.get("first_seconds", seconds)))


def _watch(process: subprocess.Popen[bytes], begun: float) -> tuple[float, Tree]:
    """Wall seconds until the process ends, and what was seen of its tree."""
    tree = Tree(process.pid)
    try:
        while True:
            tree.sample()
            try:
                process.wait(SAMPLE_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return time.perf_counter() - begun, tree
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def alternate(sides: Sequence[Side], runs: int, folder: Path) -> dict[str, list[Run]]:
    """`runs` rounds of every side in turn. The last output of each stays in folder/<name>."""
    measured: dict[str, list[Run]] = {side.name: [] for side in sides}
    for _ in range(runs):
        for side in sides:
            out = folder / side.name
            remove(out)
            measured[side.name].append(run_once(side, out))
    return measured


def remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def median(runs: Iterable[Run], what: str = "seconds") -> float:
    return statistics.median(float(getattr(run, what)) for run in runs)


def spread(peer: Sequence[Run], ours: Sequence[Run], what: str = "seconds") -> tuple[float, float]:
    """The smallest and the largest ratio of a round."""
    ratios = [getattr(p, what) / getattr(o, what) for p, o in zip(peer, ours, strict=True)]
    return min(ratios), max(ratios)
