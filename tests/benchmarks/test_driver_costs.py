"""What the driver costs: a small run of the benchmark, and the page that quotes the large one."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import driver

ROOT = Path(__file__).parents[2]


def test_a_run_of_objects_that_are_made_up_commits_every_part(tmp_path: Path) -> None:
    said = driver.measure(200, tmp_path)
    assert (said["objects"], said["bundles"], said["parts"], said["commits"]) == (200, 20, 200, 1)
    assert said["delta_log_files_of_a_table"] == 2


def test_the_page_on_scale_quotes_what_was_measured() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    steps = json.loads(driver.FILE.read_text())["steps"]
    rows = [f"| {name} | {cost['seconds']:.1f} | {cost['peak_mb']:,.0f} |" for name, cost in steps.items()]
    assert [row for row in rows if row not in page] == []
