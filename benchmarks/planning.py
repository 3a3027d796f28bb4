"""1,000 new objects among 1,000,000 in the log: seconds and peak memory of planning alone.

The lake's log is filled by the lake's own commits, without parts. Planning is `clinray ingest --dry-run` in a process
of its own over an inventory of all objects: its start, reading the log, what is done, sorting, and packing are counted.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.rows import Row

SOURCE = "s3://raw-messages/interface-engine/2025"
BYTES = 2000
RECORD = """MSH|^~\\&|LAB|GENERAL|EHR|GENERAL|20250101120000||ADT^A08|1|P|2.5\rPID|1||1^^^GENERAL^MR||DOE^JANE\r"""
ENTRIES = 100
WATCH = """
import json, os, subprocess, sys, tempfile, time
with tempfile.TemporaryFile() as output:
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=output)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    output.seek(0)
    said = output.read().decode()
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss, said]))
"""
"""A small program that runs another one and says how it ended, after how long, its peak memory in kB and its output.
What a process had in memory when it began another one counts in the other's peak: so it has little."""


def rows(done: int = 1_000_000, new: int = 1_000, rounds: int = 3) -> list[Row]:
    """Two rows: seconds, and the high-water of resident memory in GB (10^9 bytes)."""
    with tempfile.TemporaryDirectory(prefix="clinray-planning-") as name:
        folder = Path(name)
        command = prepare(folder, done, new)
        measured = [plan(command, new) for _ in range(rounds)]
    work = f"{new:,} new objects among {done:,} in the log, planning alone"
    note = f"log of {ENTRIES} entries; the whole process of ingest --dry-run over an inventory, one processor"
    seconds, memory = zip(*measured, strict=True)
    return [
        _row(f"{work}: seconds", seconds, 30, "s", note),
        _row(f"{work}: peak memory", memory, 1, "GB", note),
    ]


def _row(work: str, values: tuple[float, ...], reach: float, unit: str, note: str) -> Row:
    spread = (min(values), max(values))
    middle = statistics.median(values)
    return Row(work, f"1 {unit}", middle, reach, spread, middle, 1.0, unit, note, at_most=True)


def prepare(folder: Path, done: int, new: int) -> list[str]:
    """A lake with `done` objects in its log, an inventory of them and of `new` more; the command that plans."""
    (folder / "raw").mkdir()
    (folder / "raw" / "one.hl7").write_text(RECORD)
    start = [sys.executable, "-m", "jobs", "ingest", "--lake", str(folder / "lake"), "--policy", "pseudonymised"]
    start += ["--keys", str(folder / "keys"), "--json", "--cpus", "0"]
    subprocess.run([*start, "--source", str(folder / "raw")], check=True, stdout=subprocess.DEVNULL)
    fill_log(folder / "lake", done)
    inventory = folder / "inventory.parquet"
    listed = objects(0, done + new)
    pq.write_table(listed.append_column("modified", pa.array([0] * listed.num_rows)), inventory)
    return [*start, "--source", SOURCE, "--objects", str(inventory), "--dry-run"]


def objects(first: int, end: int) -> pa.Table:
    """uri, etag and size of objects by number."""
    numbers = range(first, end)
    columns = {
        "uri": [f"{SOURCE}/{n % 365:03d}/message-{n:012d}.hl7" for n in numbers],
        "etag": [f'"{n:032x}"' for n in numbers],
        "size": [BYTES] * len(numbers),
    }
    return pa.table(columns)


def fill_log(uri: Path, done: int) -> None:
    """Entries of equal size that say of `done` objects that they are written."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from connectors.lake import Lake

    lake = Lake.create_or_open(str(uri), signer=Ed25519PrivateKey.generate())
    edges = [done * n // ENTRIES for n in range(ENTRIES + 1)]
    for first, end in itertools.pairwise(edges):
        lake.commit(_draft(objects(first, end)))


def _draft(listed: pa.Table):
    from connectors.lake import INPUTS, Draft

    count = listed.num_rows
    zeros = pa.array([0] * count)
    constants = {"outcome": "written", "code": "", "zone": "deidentified", "sha256": "0" * 64}
    numbers = {"modified_us": 0, "records_read": 1, "records_written": 1, "bytes_record": BYTES}
    columns = {"key": listed["uri"], "version": listed["etag"], "size": listed["size"]}
    columns |= {name: pa.repeat(value, count) for name, value in (constants | numbers).items()}
    moment = datetime.now(UTC)
    return Draft(
        zone="deidentified",
        run_id="0" * 64,
        parts=(),
        inputs=pa.table({name: columns.get(name, zeros) for name in INPUTS.names}, schema=INPUTS),
        counts={
            "objects": {"listed": count, "written": count, "done": 0, "quarantined": 0, "deferred": 0},
            "records": {"read": count, "written": count, "quarantined": 0, "duplicate": 0},
            "bytes": {"read": count * BYTES, "records": count * BYTES, "quarantined": 0, "envelope": 0},
        },
        tables={},
        started=moment,
        ended=moment,
    )


def plan(command: list[str], new: int) -> tuple[float, float]:
    """Seconds and peak GB of one run. Raises ValueError if it planned anything else than the new objects."""
    watched = subprocess.run([sys.executable, "-c", WATCH, *command], capture_output=True, check=True)
    code, seconds, kilobytes, said = json.loads(watched.stdout)
    planned = json.loads(said)["objects"] if code == 0 else {}
    if planned.get("listed", 0) - planned.get("done", 0) != new:
        raise ValueError(f"the dry run ended with {code} and planned {planned}")
    return seconds, kilobytes * 1024 / 1e9


if __name__ == "__main__":
    for row in rows():
        print(json.dumps(row.as_json()))
