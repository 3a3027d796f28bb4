"""What writes builds on no last entry whose signature does not hold, and leaves every file as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import file_of, run, write
from typer.testing import CliRunner

from connectors.lake import Lake
from connectors.lake.canonical import canonical
from connectors.lake.layout import entry_key
from connectors.lake.verify import verify
from jobs.__main__ import app

WRITING = [
    "ingest --source {0}/in --lake {0}/lake --policy identified --allow-identified --cpus 0",
    "quarantine retry --source {0}/in --lake {0}/lake --policy identified --allow-identified --cpus 0",
    "validate {0}/lake --cpus 0",
    "deidentify {0}/lake --from identified --policy pseudonymised --cpus 0",
    "vacuum {0}/lake --older-than-hours 0",
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A lake of one entry, with a file that none names; a second object came since."""
    source = write(tmp_path / "in", {"a.hl7": file_of("1") + b"MSH|^~\\&|LAB||||||ORU^R01|x|P|2.5||||||KLINGON\r"})
    run(source, tmp_path / "lake", tmp_path / "keys", policy="identified", allow_identified=True, stages=())
    (tmp_path / "lake" / "_runs" / f"leaves-{'0' * 64}.parquet").write_bytes(b"of a run that died")
    write(source, {"b.hl7": file_of("2")})
    return tmp_path


def forge(place: Path, **changes: object) -> None:
    """The last entry with other members, and the signature that it had."""
    file = place / "lake" / entry_key(1)
    file.write_bytes(canonical({**json.loads(file.read_bytes()), **changes}))


def refused(place: Path, words: str) -> str:
    """The code of the error of a command that changed nothing and exits 1."""
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    said = CliRunner().invoke(app, [*words.format(place).split(), "--keys", str(place / "keys"), "--json"])
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert said.exit_code == 1
    return str(json.loads(said.stdout)["error"]["code"])


@pytest.mark.parametrize("dry", ["", " --dry-run"])
@pytest.mark.parametrize("words", WRITING)
def test_nothing_is_written_upon_an_entry_that_was_changed(place: Path, words: str, dry: str) -> None:
    forge(place, code_version="0.0.9")
    assert refused(place, words + dry) == "SIGNATURE"


def test_nor_where_keys_would_be_made_first(place: Path) -> None:
    forge(place, code_version="0.0.9")
    (place / "keys" / "signing-key.pem").unlink()
    assert refused(place, WRITING[0]) == "SIGNATURE"


def test_nor_upon_an_entry_of_another_lake(place: Path) -> None:
    forge(place, lake="0" * 32)
    assert refused(place, WRITING[0]) == "ENTRY_LAKE"


def test_nor_upon_one_of_a_key_that_nobody_has(place: Path) -> None:
    forge(place, signed_by="0" * 32)
    assert refused(place, WRITING[0]) == "SIGNER_KEY_MISSING"


def test_a_stage_apart_that_has_keys_of_its_own_leaves_its_public_key(place: Path) -> None:
    other = place / "other"
    assert CliRunner().invoke(app, ["keys", "init", "--keys", str(other)]).exit_code == 0
    said = CliRunner().invoke(app, ["validate", str(place / "lake"), "--keys", str(other), "--cpus", "0"])
    assert said.exit_code == 0
    assert [f.code for f in verify(str(place / "lake")).findings] == []
    assert run(place / "in", place / "lake", place / "keys", policy="identified", allow_identified=True, stages=())[
        "entries"
    ] == [3]
    assert Lake.open(str(place / "lake")).head()[0] == 3
