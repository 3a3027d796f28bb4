"""The rows about whole ingests: against other ways, one large file, one processor, memory, the price of the audit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks import compare, harness, messages
from benchmarks.harness import Run, Side
from benchmarks.rows import Row, not_run

WHOLE = "whole ingest with validation, de-identification and audit, {count:,} messages in {files:,} files, 2 CPUs, warm"
COLUMNS = compare.TEXTS + compare.TIMES
IDENTIFIED_MESSAGES = 20_000


@dataclass(frozen=True)
class Peer:
    """module: of benchmarks.peers. spark: wants the Python that has pyspark. slow: runs in the first round only."""

    title: str
    module: str
    reach: float
    spark: bool = False
    slow: bool = False

    def side(self, source: Path, *flags: str) -> Side:
        python = spark_python() if self.spark else sys.executable
        command = (python, "-m", f"benchmarks.peers.{self.module}", "--source", str(source), "--cpus", "2")
        return Side(self.module, (*command, *flags), source=source)


PEERS = (
    Peer("the careful engineer's own script (process pool, str.split, HMAC, pyarrow)", "careful", 3),
    Peer("Spark SQL split()", "spark_split", 8, spark=True),
    Peer("Ray the tutorial way (FileBasedDatasource, map_batches pandas, write_parquet)", "ray_tutorial", 12),
    Peer("PySpark mapInPandas with python-hl7", "spark_hl7", 40, spark=True, slow=True),
)


@dataclass
class Bench:
    """What the rows share: the folder of data and outputs, the number of messages and of rounds, the scale."""

    folder: Path
    count: int
    runs: int
    full: bool = True

    @cached_property
    def missing(self) -> Mapping[str, str]:
        return missing_peers()

    @cached_property
    def source(self) -> Path:
        return messages.write_files(self.folder / "source", self.count)

    @cached_property
    def small_source(self) -> Path:
        files = max(1, min(self.count, IDENTIFIED_MESSAGES) // messages.MESSAGES_OF_A_FILE)
        return messages.link_first(self.source, self.folder / "small", files)

    def measure(self, sides: Sequence[Side], slow: Sequence[str] = ()) -> dict[str, list[Run]]:
        """The sides in alternation, the slow ones in the first round only."""
        out = self.folder / "out"
        measured = harness.alternate(sides, 1, out)
        if self.runs > 1:
            quick = [side for side in sides if side.name not in slow]
            for name, runs in harness.alternate(quick, self.runs - 1, out).items():
                measured[name] += runs
        return measured


def spark_python() -> str:
    return os.environ.get("CLINRAY_SPARK_PYTHON") or sys.executable


def missing_peers() -> dict[str, str]:
    """Peers that cannot run here, and why."""
    probe = subprocess.run([spark_python(), "-c", "import pyspark, hl7, pandas"], capture_output=True, check=False)
    why = "" if shutil.which("java") else "Java is not installed"
    if probe.returncode:
        why = "pyspark is not installed (pip install '.[bench]', or name a Python that has it in CLINRAY_SPARK_PYTHON)"
    return {peer.module: why for peer in PEERS if peer.spark} if why else {}


def ours(source: Path, *flags: str, name: str = "ours", processors: int = 0, cpus: int = 2) -> Side:
    command = (sys.executable, "-m", "benchmarks.ours", "--source", str(source), "--cpus", str(cpus), *flags)
    return Side(name, command, processors=processors, source=source)


def warm(bench: Bench) -> None:
    """Compiles what is compiled once on a machine."""
    harness.alternate([ours(bench.small_source, name="warm")], 1, bench.folder / "out")


def identified_values(bench: Bench, peers: Sequence[Peer]) -> dict[str, str]:
    """Every value of every column that both have, on a run that keeps identities. Peer → what differs, or nothing."""
    sides = [ours(bench.small_source, "--identified"), *(p.side(bench.small_source, "--identified") for p in peers)]
    out = bench.folder / "identified"
    harness.alternate(sides, 1, out)
    mine = compare.our_relation(out / "ours" / "lake", identified=True)
    return {p.module: _difference(compare.identified, mine, out / p.module) for p in peers}


def _difference(check: compare.Check, mine: str, folder: Path) -> str:
    try:
        check(mine, compare.peer_relation(folder), COLUMNS)
    except compare.ValuesDifferError as error:
        return str(error)
    return ""


def against_peers(bench: Bench, peers: Sequence[Peer], source: Path, work: str) -> list[Row]:
    """A row a peer: seconds of the second time that each process does the work; of the first time in the note."""
    present = [p for p in peers if p.module not in bench.missing]
    differ = identified_values(bench, present)
    sides = [ours(source, "--warm"), *(p.side(source, "--warm") for p in present)]
    measured = bench.measure(sides, slow=[p.module for p in present if p.slow])
    mine = compare.our_relation(bench.folder / "out" / "ours" / "lake", identified=False)
    rows = []
    for p in peers:
        if p.module in bench.missing:
            rows.append(not_run(work, p.title, p.reach, bench.missing[p.module]))
            continue
        wrong = differ[p.module] or _difference(compare.deidentified, mine, bench.folder / "out" / p.module)
        rows.append(_row(work, p, measured, wrong))
    return rows


def _row(work: str, peer: Peer, measured: Mapping[str, list[Run]], wrong: str) -> Row:
    theirs, mine = measured[peer.module], measured["ours"]
    if wrong:
        return Row(work, peer.title, None, peer.reach, note=f"failed: the values differ: {wrong}")
    low_high = harness.spread(theirs, mine[: len(theirs)])
    a, b = harness.median(mine), harness.median(theirs)
    note = (
        f"rounds: {len(theirs)}; every common column equal; the second time in the same processes, the first time: "
        f"{harness.median(mine, 'first'):.2f} against {harness.median(theirs, 'first'):.2f} s; "
        f"whole processes with start and both times: {harness.median(mine, 'wall'):.1f} against "
        f"{harness.median(theirs, 'wall'):.1f} s, CPU {harness.median(mine, 'cpu'):.1f} against "
        f"{harness.median(theirs, 'cpu'):.1f} s"
    )
    return Row(work, peer.title, b / a, peer.reach, low_high, a, b, "s", note)


def whole(bench: Bench) -> list[Row]:
    files = len(list(bench.source.iterdir()))
    return against_peers(bench, PEERS, bench.source, WHOLE.format(count=bench.count, files=files))


def single_file(bench: Bench) -> list[Row]:
    source = messages.join(bench.source, bench.folder / "joined")
    size = messages.read_all(source)
    spark = Peer("Spark SQL split()", "spark_split", 5, spark=True)
    return against_peers(bench, [spark], source, f"one file of {size / 1e6:.0f} MB of messages, 2 CPUs")


def processors(bench: Bench) -> list[Row]:
    one = ours(bench.source, "--warm", name="one", processors=1, cpus=1)
    two = ours(bench.source, "--warm", name="two", processors=2)
    measured = bench.measure([two, one])
    low_high = harness.spread(measured["one"], measured["two"])
    a, b = harness.median(measured["two"]), harness.median(measured["one"])
    note = f"rounds: {bench.runs}; processes bound to one processor and to two"
    return [Row(f"2 CPUs against 1, {bench.count:,} messages", "itself", b / a, 1.7, low_high, a, b, "s", note)]


def memory(bench: Bench) -> list[Row]:
    fewer = messages.link_first(bench.source, bench.folder / "tenth", max(1, len(list(bench.source.iterdir())) // 10))
    measured = bench.measure([ours(bench.source, name="all"), ours(fewer, name="tenth")])
    low_high = harness.spread(measured["all"], measured["tenth"], "peak_bytes")
    a, b = (harness.median(measured[name], "peak_bytes") / 1e6 for name in ("all", "tenth"))
    work = f"peak memory, {bench.count:,} against {bench.count // 10:,} messages"
    note = f"rounds: {bench.runs}; sum of the high-water marks (VmHWM) of driver and workers, Ray's daemons left out"
    return [Row(work, "itself", a / b, 1.2, low_high, a, b, "MB", note, at_most=True)]


def audit(bench: Bench) -> list[Row]:
    names = ("with", "without")
    measured = bench.measure([ours(bench.source, "--warm", "--audit", name, name=name) for name in names])
    low_high = harness.spread(measured["with"], measured["without"])
    a, b = (harness.median(measured[name]) for name in names)
    note = (
        f"rounds: {bench.runs}; CPU {harness.median(measured['with'], 'cpu'):.1f} s against "
        f"{harness.median(measured['without'], 'cpu'):.1f} s of the whole process tree"
    )
    work = "audit (hashes, log, signature, commits)"
    return [Row(work, "the same code without it", a / b, 1.1, low_high, a, b, "s", note, at_most=True)]
