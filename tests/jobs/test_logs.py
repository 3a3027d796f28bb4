"""The log on standard error: one JSON object a line, codes and counts in it and nothing that was read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import file_of, write
from typer.testing import CliRunner

from jobs.__main__ import app


def said(place: Path, *more: object) -> tuple[int, str, str]:
    places = ("--source", place / "in", "--lake", place / "lake", "--keys", place / "keys", "--cpus", 0)
    words = ("ingest", *places, "--policy", "pseudonymised", *more)
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.stdout, result.stderr


def logged(place: Path, *more: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(place, *more, "--log-format", "json")[2].splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "in", {"DOE.hl7": file_of("1"), "b.hl7": b"{}"})
    return tmp_path


def test_a_run_tells_its_plan_each_entry_and_its_end(place: Path) -> None:
    plan, entry, end = logged(place)
    assert {name: plan[name] for name in plan if name != "time"} == {
        "level": "info",
        "event": "planned",
        "listed": 2,
        "done": 0,
        "bytes": len(file_of("1")) + 2,
        "bundles": 1,
    }
    assert (entry["event"], entry["entry"], entry["objects"]["quarantined"], entry["records"]["read"]) == (
        "committed",
        1,
        1,
        2,
    )
    assert (end["event"], end["entries"], end["exit_code"], len(end["run_id"])) == ("ended", [1], 0, 64)


def test_what_is_deferred_is_told_by_code(place: Path) -> None:
    (place / "list.txt").write_text(f"{place}/in/DOE.hl7\n{place}/in/gone.hl7\n")
    _, entry, end = logged(place, "--objects", place / "list.txt")
    assert (entry["deferred"], end["exit_code"]) == ({"OBJECT_GONE": 1}, 3)


def test_neither_content_nor_the_name_of_an_object_is_logged(place: Path) -> None:
    lines = said(place, "--log-format", "json")[2]
    assert lines != ""
    assert [word for word in ("DOE", "JANE", "ELM", "GEN", "Glucose", str(place)) if word in lines] == []


def test_a_person_at_a_console_is_told_by_the_report_alone(place: Path) -> None:
    code, out, err = said(place)
    assert (code, err) == (0, "")
    assert "log head 1:" in out
