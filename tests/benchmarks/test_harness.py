"""The harness measures a process and its descendants, and the rows say what was reached."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks import harness, report
from benchmarks.rows import Row, not_run

CHILD = """
import time
kept, end = bytearray(80_000_000), time.process_time() + 0.5
while time.process_time() < end: pass
"""
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
print('{{"seconds": 0.125, "rows": 3}}')
"""


def test_a_run_counts_the_memory_and_cpu_of_descendants() -> None:
    run = harness.run_once(harness.Side("parent", (sys.executable, "-c", PARENT)), None)
    assert run.seconds == 0.125
    assert run.said["rows"] == 3
    assert run.peak_bytes > 80_000_000
    assert 0.2 < run.cpu <= 2 * run.wall


def test_a_side_that_fails_is_an_error_with_its_last_words() -> None:
    side = harness.Side("broken", (sys.executable, "-c", "import sys; sys.exit('no such thing')"))
    with pytest.raises(harness.SideFailedError, match="broken ended with 1: no such thing"):
        harness.run_once(side, None)


def test_sides_run_in_alternation(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"import sys; open({str(log)!r}, 'a').write(sys.argv[1]); print('{{}}')"
    sides = [harness.Side(name, (sys.executable, "-c", program, name)) for name in "ab"]
    measured = harness.alternate(sides, 2, tmp_path / "out")
    assert log.read_text() == "abab"
    assert [len(measured[name]) for name in "ab"] == [2, 2]


def test_a_side_finds_its_source_in_the_page_cache(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    path = source / "messages.hl7"
    with path.open("wb") as made:
        made.write(bytes(1 << 20))
        made.flush()
        os.fsync(made.fileno())
        os.posix_fadvise(made.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    cached = f"os.preadv(os.open({str(path)!r}, os.O_RDONLY), [bytearray(1 << 20)], 0, os.RWF_NOWAIT)"
    program = f"import json, os; print(json.dumps({{'cached': {cached}}}))"
    side = harness.Side("reader", (sys.executable, "-c", program), source=source)
    assert harness.run_once(side, None).said["cached"] == 1 << 20


def test_rows_know_whether_they_reach() -> None:
    assert Row("w", "p", 3.0, 3).reached is True
    assert Row("w", "p", 2.9, 3).reached is False
    assert Row("w", "p", 1.3, 1.2, at_most=True).reached is False
    assert not_run("w", "p", 8, "no Java").reached is None


def test_the_page_names_what_is_not_reached_and_by_how_much() -> None:
    page = report.page([Row("some work", "a peer", 2.0, 8, (1.9, 2.1), 4.0, 8.0)], "full", {}, {"some": "The disk."})
    assert "| some work | a peer | 2.00 | 8 | no | 1.90 to 2.10 |" in page
    assert "2.00 of 8, 25 % of the way. The disk." in page


def test_a_folder_of_results_has_causes_of_its_own(tmp_path: Path) -> None:
    rows = [Row("some work", "a peer", 2.0, 8)]
    report.write(rows, "full", tmp_path)
    assert "Not profiled in this run." in (tmp_path / "RESULTS.md").read_text()
    (tmp_path / "held_back.json").write_text('{"some": "The disk."}')
    report.write(rows, "full", tmp_path)
    assert "25 % of the way. The disk." in (tmp_path / "RESULTS.md").read_text()


def test_the_plot_has_a_bar_for_each_measured_row() -> None:
    rows = [Row("one", "p", 2.0, 1), Row("two", "p", 1.0, 4), not_run("three", "p", 8, "no Java")]
    assert report.plot(rows).count("<rect") == 1 + 2
