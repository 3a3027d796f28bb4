"""What a run counts for those who watch it."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from running import file_of, run, write

from jobs import run as runs
from jobs.metrics import Measure, metrics


class Kept:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.measures: list[Measure] = []

    def record(self, measures: Iterable[Measure]) -> None:
        self.measures += measures

    def sums(self, name: str, label: str) -> dict[str, float]:
        sums: Counter[str] = Counter()
        for measure in self.measures:
            if measure.name == name and measure.value:
                sums[measure.labels[label]] += measure.value
        return dict(sums)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    made = Kept()
    monkeypatch.setattr(runs, "meters", lambda: made)
    return made


def test_what_is_counted_is_what_the_report_says(kept: Kept, tmp_path: Path) -> None:
    files = {"a.hl7": file_of("1", "2"), "b.hl7": file_of("3"), "junk.hl7": b"no message"}
    report = run(write(tmp_path / "in", files), tmp_path / "lake", tmp_path / "keys")
    records, size = dict(report["records"]), dict(report["bytes"])
    assert kept.sums("clinray_records_total", "outcome") == {
        name: count for name, count in records.items() if name != "read" and count
    }
    assert kept.sums("clinray_bytes_total", "kind") == {n: count for n, count in size.items() if n != "read" and count}
    assert kept.sums("clinray_rows_total", "table") == report["tables"]
    assert kept.sums("clinray_objects_total", "outcome") == {"written": 2, "quarantined": 1}
    assert kept.sums("clinray_commits_total", "format") == {"hl7v2": 1}
    newest = max((tmp_path / "in" / name).stat().st_mtime_ns // 1000 for name in files) / 1e6
    assert kept.sums("clinray_newest_object_timestamp_seconds", "format") == {"hl7v2": newest}
    assert set(kept.sums("clinray_stage_seconds_total", "stage")) <= {"read", "validate", "deidentify", "write"}


def test_a_wave_whose_objects_are_all_deferred_is_counted(kept: Kept, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.hl7": file_of("1")})
    (tmp_path / "list.csv").write_text(f"uri,size,etag,modified\n{folder}/gone.hl7,5,5-1,1970-01-01T00:00:01Z\n")
    report = run(folder, tmp_path / "lake", tmp_path / "keys", objects=str(tmp_path / "list.csv"))
    assert report["objects"]["deferred"] == 1
    assert kept.sums("clinray_objects_total", "outcome") == {"deferred": 1}
    assert kept.sums("clinray_commits_total", "format") == {}


def test_measures_carry_the_labels_of_their_row_and_no_other(kept: Kept, tmp_path: Path) -> None:
    run(write(tmp_path / "in", {"JOHN^DOE.hl7": file_of("1")}), tmp_path / "lake", tmp_path / "keys")
    assert {m.name for m in kept.measures} == set(metrics())
    assert all(set(m.labels) == set(metrics()[m.name].labels) for m in kept.measures)
    assert not any("JOHN" in label for m in kept.measures for label in m.labels.values())


SCRAPED = """
    import logging, sys, urllib.request
    import ray
    from jobs.metrics import Measure
    from jobs.pipeline import RayMeters

    port = int(sys.argv[1])
    often = {"metrics_report_interval_ms": 500}
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
             _metrics_export_port=port, _system_config=often)
    meters = RayMeters()
    own = {"format": "hl7v2"}
    meters.record([Measure("clinray_records_total", 3, {**own, "outcome": "written"}),
                   Measure("clinray_records_total", 0, {**own, "outcome": "duplicate"})])
    meters.record([Measure("clinray_newest_object_timestamp_seconds", 1.6e9, own)])
    meters.record([Measure("clinray_records_total", 4, {**own, "outcome": "written"}),
                   Measure("clinray_newest_object_timestamp_seconds", 1.5e9, own)])
    ready = lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    import time
    until = time.monotonic() + 90
    while time.monotonic() < until:
        time.sleep(0.5)
        try:
            lines = [l for l in ready().splitlines() if l.startswith("ray_clinray")]
        except OSError:
            continue
        if len(lines) == 2 and any(l.endswith(" 7.0") for l in lines):
            break
    print("\\n".join(f"{l.split('{')[0]} {l.rsplit(' ', 1)[1]}" for l in lines))
    ray.shutdown()
"""


def test_ray_shows_them_to_a_scraper() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = textwrap.dedent(SCRAPED)
    said = subprocess.run([sys.executable, "-c", program, str(port)], capture_output=True, text=True, timeout=200)
    assert sorted(said.stdout.splitlines()) == [
        "ray_clinray_newest_object_timestamp_seconds 1.6e+09",
        "ray_clinray_records_total 7.0",
    ], said.stderr[-2000:]
