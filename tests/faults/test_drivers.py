"""Several drivers on one lake: all end, and nothing is there twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from running import file_of, rows, run, write

from connectors.lake.verify import verify

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def driver(source: Path, lake: Path, keys: Path, **settings: Any) -> subprocess.Popen[bytes]:
    """An ingest in a process of its own, without Ray, so that many fit on the machine."""
    file = lake.parent / f"{source.name}-{len(list(lake.parent.glob('*.yaml')))}.yaml"
    chosen = {"source": source, "lake": lake, "policy": "pseudonymised", **settings}
    file.write_text("".join(f"{name}: {value}\n" for name, value in chosen.items()))
    command = [sys.executable, "-m", "jobs", "ingest", str(file), "--keys", str(keys), "--cpus", "0", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    said, _ = process.communicate()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(said)
    return report


def messages(lake: Path) -> Counter[bytes]:
    return Counter(rows(lake, "hl7v2_messages")["_record_id"].to_pylist())


def test_two_drivers_with_the_same_objects_write_each_once(tmp_path: Path) -> None:
    lake, keys = tmp_path / "lake", tmp_path / "keys"
    source = write(tmp_path / "in", {f"{n:02}.hl7": file_of(*(f"{n}-{k}" for k in range(20))) for n in range(30)})
    run(write(tmp_path / "first", {"z.hl7": file_of("z")}), lake, keys)
    both = [driver(source, lake, keys, commit_every=5, bundle_bytes=8_000) for _ in range(2)]
    reports = [ended(process) for process in both]
    assert sum(r["records"]["written"] for r in reports) == 600
    assert all(r["objects"]["written"] + r["objects"]["done"] == 30 for r in reports)
    assert set(messages(lake).values()) == {1}
    assert messages(lake).total() == 601
    assert not verify(str(lake)).findings


def test_a_long_run_beside_many_short_ones_ends(tmp_path: Path) -> None:
    lake, keys = tmp_path / "lake", tmp_path / "keys"
    run(write(tmp_path / "first", {"z.hl7": file_of("z")}), lake, keys)
    source = write(tmp_path / "long", {f"{n:03}.hl7": file_of(*(f"{n}-{k}" for k in range(60))) for n in range(60)})
    long_run = driver(source, lake, keys)
    for n in range(4):
        short = write(tmp_path / f"short{n}", {"a.hl7": file_of(f"s{n}")})
        assert ended(driver(short, lake, keys))["records"]["written"] == 1
    assert ended(long_run)["records"]["written"] == 3600
    assert messages(lake).total() == 3605
    assert set(messages(lake).values()) == {1}
    assert not verify(str(lake)).findings


def test_two_drivers_that_take_versions_of_one_growing_file_write_each_message_once(tmp_path: Path) -> None:
    lake, keys = tmp_path / "lake", tmp_path / "keys"
    run(write(tmp_path / "first", {"z.hl7": file_of("z")}), lake, keys)
    source = write(tmp_path / "in", {"daily.hl7": file_of(*(str(n) for n in range(300)))})
    one = driver(source, lake, keys)
    ended(one)
    write(source, {"daily.hl7": file_of(*(str(n) for n in range(400)))})
    both = [driver(source, lake, keys) for _ in range(2)]
    reports = [ended(process) for process in both]
    assert sum(r["records"]["written"] for r in reports) == 100
    assert messages(lake).total() == 401
    assert set(messages(lake).values()) == {1}
