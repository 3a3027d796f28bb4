"""Values planted in every position that tells about a person are found nowhere: tables, log, Ray's logs, output."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from running import file_of, run, write

from connectors.hl7v2.generate import canary_message
from connectors.storage import StorageOptions
from jobs.leaks import Leak, find_leaks

CODES = {
    *("PID-2.5", "PID-3.5", "PID-4.5", "PID-18.5", "PID-21.5"),  # CX-5, table 0203: the kind of an identifier
    *("PID-5.7", "PID-11.7"),  # tables 0200 and 0190: the kind of a name and of an address
    "MSH-21.1",  # the profile that the message follows
}
STATES = {
    *("NK1-4.4", "GT1-5.4", "IN1-19.4", "PID-11.4", "PID-20.2"),  # 45 CFR 164.514(b)(2)(i)(B) lets the state stand
    *("NK1-4.6", "GT1-5.6", "IN1-19.6", "PID-11.6"),  # the country
}
"""What the policy `pseudonymised` keeps of the positions that the reference calls identifying."""


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Where Ray of the run under test puts its session; short, because sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def identifying(corpus: Path) -> list[tuple[str, int, str]]:
    """(segment, field, data type) of the positions that the reference table calls more than 'none'."""
    with (corpus / "reference" / "hl7_phi_fields.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["field"].isdigit() and len(row["segment"]) == 3]
    return [
        (r["segment"], int(r["field"]), r["datatype"]) for r in rows if not r["identifier_class"].startswith("none")
    ]


@pytest.mark.corpus
def test_planted_values_are_found_nowhere(corpus: Path, tmp_path: Path, ray_folder: Path) -> None:
    message, planted = canary_message("ZQ", identifying(corpus))
    assert len(planted) > 5_000
    broken = message.replace(b"|P|2.5", b"|P|2.5||||||KLINGON", 1)
    source = write(tmp_path / "in", {"ok.hl7": message, "broken.hl7": broken})
    command = [sys.executable, "-m", "jobs", "ingest", "--source", str(source), "--lake", str(tmp_path / "lake")]
    command += ["--policy", "pseudonymised", "--keys", str(tmp_path / "keys"), "--cpus", "1", "--log-format", "json"]
    environment = {**os.environ, "RAY_TMPDIR": str(ray_folder)}
    said = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert said.returncode == 0, said.stderr[-500:]
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "said").write_bytes(said.stdout + said.stderr)

    survivors = CODES | STATES
    values = sorted({value for place, value in planted.items() if place not in survivors})
    found = find_leaks(str(tmp_path / "lake"), StorageOptions(), values, [ray_folder, tmp_path / "output"])

    places: dict[str, list[str]] = {}
    for place, value in planted.items():
        places.setdefault(value, []).append(place)
    assert {(p, leak.place, leak.column) for leak in found for p in places[values[leak.line - 1]]} == set()
    assert any(ray_folder.rglob("*.log"))


def test_a_value_that_stands_in_the_lake_is_found_with_the_rows_that_hold_it(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1", "2", observations=3)})
    run(source, tmp_path / "lake", tmp_path / "keys")
    found = find_leaks(str(tmp_path / "lake"), StorageOptions(), ["2345-7", "JANE-NOT-HERE"], [])
    assert [(leak.line, leak.column, leak.rows) for leak in found if leak.column] == [(1, "code", 6)]


def test_rows_are_counted_in_text_in_bytes_and_in_lists(tmp_path: Path) -> None:
    run(write(tmp_path / "in", {"a.hl7": file_of("1")}), tmp_path / "lake", tmp_path / "keys")
    columns = {
        "text": pa.array(["of SECRET", None, "SECRET", "x"]),
        "bytes": pa.array([b"SECRET", b"\xff", None, b""]),
        "several": pa.array([["SECRET", "SECRET"], [], None, ["a", "SECRETS"]]),
        "number": pa.array([1, 2, 3, 4]),
    }
    path = tmp_path / "lake" / "deidentified" / "extra.parquet"
    pq.write_table(pa.table(columns), path, compression="gzip")
    found = find_leaks(str(tmp_path / "lake"), StorageOptions(), ["SECRET"], [])
    counted = {leak.column: leak.rows for leak in found if leak.column}
    assert counted == {"text": 2, "bytes": 1, "several": 2}


def test_a_value_in_a_log_has_no_column(tmp_path: Path) -> None:
    run(write(tmp_path / "in", {"a.hl7": file_of("1")}), tmp_path / "lake", tmp_path / "keys")
    logs = write(tmp_path / "logs", {"worker.out": b"said SECRET twice: SECRET"})
    found = find_leaks(str(tmp_path / "lake"), StorageOptions(), ["SECRET"], [logs])
    assert found == [Leak(1, str(logs / "worker.out"), "", 0)]
    assert find_leaks(str(tmp_path / "lake"), StorageOptions(), ["SECRET"], [logs / "worker.out"]) == found
