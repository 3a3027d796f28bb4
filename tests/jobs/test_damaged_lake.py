"""A lake whose own files are damaged or gone: commands exit 1 with one sentence, and leave every file as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import file_of, run, write
from typer.testing import CliRunner

from connectors.lake import Lake
from connectors.lake.layout import MARKER, entry_key, inputs_key, leaves_key
from jobs.__main__ import app

INGEST = "ingest --source {0}/in --lake {0}/lake --policy identified --allow-identified --cpus 0 --keys {0}/keys"
DRY = f"{INGEST} --dry-run"
VACUUM = "vacuum {0}/lake --older-than-hours 0 --keys {0}/keys"
LIST = "quarantine list {0}/lake"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A lake of one entry; a second object came since."""
    source = write(tmp_path / "in", {"a.hl7": file_of("1") + b"MSH|^~\\&|LAB||||||ORU^R01|x|P|2.5||||||KLINGON\r"})
    run(source, tmp_path / "lake", tmp_path / "keys", policy="identified", allow_identified=True, stages=())
    write(source, {"b.hl7": file_of("2")})
    return tmp_path


def refused(place: Path, words: str) -> str:
    """The code of the one sentence of a command that changed nothing and exits 1."""
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    said = CliRunner().invoke(app, words.format(place).split())
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert (said.exit_code, said.stdout, said.stderr.count("\n")) == (1, "", 1)
    return said.stderr.split(": ")[1]


def test_inputs_and_leaves(place: Path) -> None:
    entry = Lake.open(str(place / "lake")).entries()[0]
    inputs, leaves = (place / "lake" / key for key in (inputs_key(str(entry.inputs)), leaves_key(entry.leaves)))
    for kind, file, commands in (("INPUTS", inputs, (INGEST, DRY)), ("LEAVES", leaves, (LIST, VACUUM))):
        whole = file.read_bytes()
        file.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
        assert {refused(place, words) for words in commands} == {f"{kind}_CHANGED"}
        file.unlink()
        assert {refused(place, words) for words in commands} == {f"{kind}_MISSING"}
        file.write_bytes(whole)


def test_a_marker_that_is_gone(place: Path) -> None:
    (place / "lake" / MARKER).unlink()
    commands = (INGEST, DRY, VACUUM, LIST, "verify {0}/lake", "runs {0}/lake")
    assert {refused(place, words) for words in commands} == {"LAKE_MISSING"}
    for key in (place / "keys").iterdir():
        key.unlink()
    assert refused(place, INGEST) == "LAKE_MISSING"


def test_a_log_that_was_cut_behind_its_tables(place: Path) -> None:
    flags = {"policy": "identified", "allow_identified": True, "stages": ()}
    assert run(place / "in", place / "lake", place / "keys", **flags)["entries"] == [2]
    (place / "lake" / entry_key(2)).unlink()
    write(place / "in", {"c.hl7": file_of("3")})
    assert {refused(place, words) for words in (INGEST, DRY, VACUUM)} == {"TABLE_AHEAD"}
