"""`--dry-run` of every command that has it says what would be done, and leaves every file as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import file_of, run, write
from typer.main import get_command
from typer.testing import CliRunner

from jobs.__main__ import app

BROKEN = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\r"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake over one of two objects, one of the identified zone, and an unnamed part in the first."""
    folder = tmp_path_factory.mktemp("dry")
    source = write(folder / "in", {"a.hl7": file_of("1") + BROKEN})
    run(source, folder / "lake", folder / "keys")
    run(source, folder / "apart", folder / "keys", policy="identified", allow_identified=True, stages=())
    (folder / "lake" / "deidentified" / "hl7v2_messages" / "left.parquet").write_bytes(b"of a run that died")
    write(source, {"b.hl7": file_of("2", "3")})
    return folder


def dry(place: Path, name: str, *words: object) -> dict[str, Any]:
    """The object of a dry run that changed nothing."""
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in place.rglob("*")}
    flags = ["--keys", place / "keys", "--dry-run", "--json"]
    said = CliRunner().invoke(app, [str(word) for word in (*name.split(), *words, *flags)])
    assert (said.exit_code, said.stderr) == (0, "")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in place.rglob("*")} == before
    report = json.loads(said.stdout)
    assert report["dry_run"] is True
    if "objects" in report:
        counted = report["objects"]
        assert counted["listed"] == counted["done"] + counted["planned"]
        assert counted["planned"] == report["planned"]["objects"]
    return report


def flags(place: Path, lake: str) -> list[object]:
    return ["--source", place / "in", "--lake", place / lake, "--policy", "pseudonymised"]


def test_the_commands_that_have_it_are_those_that_write_to_a_lake() -> None:
    top = get_command(app).commands  # type: ignore[attr-defined]
    named = {**top, **{f"quarantine {name}": below for name, below in top["quarantine"].commands.items()}}
    having = {name for name, command in named.items() if "--dry-run" in {o for p in command.params for o in p.opts}}
    assert having == {"ingest", "validate", "deidentify", "vacuum", "quarantine retry"}


def test_ingest_counts_what_is_new(place: Path) -> None:
    size = len(file_of("2", "3"))
    report = dry(place, "ingest", *flags(place, "lake"))
    assert report["planned"] == {"objects": 1, "bytes": size, "bundles": 1}
    assert (report["objects"]["listed"], report["objects"]["done"]) == (2, 1)


def test_ingest_into_a_new_lake_makes_none(place: Path) -> None:
    assert dry(place, "ingest", *flags(place, "new"))["planned"]["objects"] == 2
    assert not (place / "new").exists()


def test_a_retry_counts_the_objects_of_the_quarantine(place: Path) -> None:
    size = len(file_of("1") + BROKEN)
    report = dry(place, "quarantine retry", *flags(place, "lake"))
    assert report["planned"] == {"objects": 1, "bytes": size, "bundles": 1}


@pytest.mark.parametrize("name", ["validate", "deidentify --from identified --policy pseudonymised"])
def test_a_stage_apart_counts_the_bundles_of_the_zone_before(place: Path, name: str) -> None:
    report = dry(place, name, place / "apart")
    assert (report["planned"]["bundles"], report["zone"]) == (1, "validated" if name == "validate" else "deidentified")


def test_vacuum_names_what_it_would_remove(place: Path) -> None:
    report = dry(place, "vacuum", place / "lake", "--older-than-hours", 0)
    assert report["paths"] == ["deidentified/hl7v2_messages/left.parquet"]
    assert (report["files"], report["bytes"]) == (1, len(b"of a run that died"))
