"""A small run does without a Ray of its own; what it writes does not show it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import file_of, parts, run, write

from jobs.run import SMALL_BYTES, SMALL_OBJECTS, workers

INGESTS = """
import sys
from jobs.__main__ import app
try:
    app(sys.argv[1:])
finally:
    print("ray" in sys.modules)
"""


@pytest.fixture(autouse=True)
def told_of_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize(
    ("objects", "size", "expected"),
    [
        (0, 0, 0),
        (1, 1, 0),
        (SMALL_OBJECTS, SMALL_BYTES, 0),
        (SMALL_OBJECTS + 1, SMALL_BYTES, None),
        (SMALL_OBJECTS, SMALL_BYTES + 1, None),
    ],
)
def test_without_being_told_a_run_begins_a_ray_where_there_is_much_to_do(
    objects: int, size: int, expected: int | None
) -> None:
    assert workers(None, objects, size) == expected


def test_what_is_asked_for_is_given() -> None:
    assert (workers(2, 1, 1), workers(0, 1, 1 << 40)) == (2, 0)


def test_a_ray_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert workers(None, 1, 1) is None


def test_a_small_ingest_never_loads_ray_and_writes_the_same_parts(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1", "2"), "b.hl7": file_of("3")})
    run(source, tmp_path / "one", tmp_path / "keys", cpus=1)
    flags = ("--source", source, "--lake", tmp_path / "small", "--policy", "pseudonymised", "--keys", tmp_path / "keys")
    command = [sys.executable, "-c", INGESTS, "ingest", *map(str, flags), "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "False"
    assert parts(tmp_path / "small") == parts(tmp_path / "one") != {}
