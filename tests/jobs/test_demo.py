"""The demo: one command makes, reads, reads again, verifies and draws; its object is the documented one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a small demo ran, with what it said."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "jobs", "demo", "--messages", "400", "--cpus", "0", "--json"]
    said = subprocess.run([*command, "--out", folder / "demo"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (said.returncode, said.stderr, said.stdout.count("\n")) == (0, "", 1)
    (folder / "said.json").write_text(said.stdout)
    return folder


@pytest.fixture
def said(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "said.json").read_text())


def test_its_object_has_the_documented_keys(said: dict[str, Any]) -> None:
    section = (ROOT / "docs" / "commands.md").read_text().split("\n## clinray demo\n", 1)[1].split("\n## ", 1)[0]
    assert list(said) == re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE)


def test_the_run_again_adds_nothing(said: dict[str, Any]) -> None:
    assert said["first"]["records"]["read"] == 400
    assert said["second"]["objects"] == {"listed": 4, "written": 0, "done": 4, "quarantined": 0, "deferred": 0}
    assert (said["second"]["entries"], said["second"]["head"]) == ([], said["first"]["head"])


def test_the_lake_is_proved(said: dict[str, Any]) -> None:
    assert (said["verified"]["ok"], said["verified"]["findings"]) == (True, [])


def test_the_report_stands_alone(said: dict[str, Any]) -> None:
    page = Path(said["report"]).read_text("utf-8")
    assert re.findall(r"<(?:script|link|iframe)[^>]*\s(?:src|href)=", page) == []
    assert "plotly" in page


def test_the_query_runs(said: dict[str, Any]) -> None:
    rows = duckdb.sql(said["query"]).fetchall()
    assert sum(row[1] for row in rows) > 100
