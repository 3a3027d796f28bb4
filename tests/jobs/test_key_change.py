"""What a person does when a signing key is lost or changed: docs/operating.md says it, step by step."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from running import file_of, run, write
from typer.testing import CliRunner

from jobs.__main__ import app


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A lake of two entries, each signed by a key of its own, of which old.pem and new.pem are the public sides."""
    source, keys = write(tmp_path / "in", {"a.hl7": file_of("1")}), tmp_path / "keys"
    run(source, tmp_path / "lake", keys)
    shutil.move(keys / "signing-key.pub.pem", tmp_path / "old.pem")
    (keys / "signing-key.pem").unlink()
    write(source, {"b.hl7": file_of("2")})
    assert CliRunner().invoke(app, ["keys", "init", "--keys", str(keys)]).exit_code == 0
    run(source, tmp_path / "lake", keys)
    shutil.copy(keys / "signing-key.pub.pem", tmp_path / "new.pem")
    return tmp_path


@pytest.mark.parametrize(("trusted", "code"), [(("old", "new"), 0), (("new",), 1), (("old",), 1), ((), 0)])
def test_each_entry_is_held_against_all_keys_that_are_trusted(place: Path, trusted: tuple[str, ...], code: int) -> None:
    flags = [word for name in trusted for word in ("--trust", str(place / f"{name}.pem"))]
    said = CliRunner().invoke(app, ["verify", str(place / "lake"), *flags])
    assert said.exit_code == code
    assert said.stdout.count("SIGNER_UNTRUSTED") == code


def test_of_each_key_file_that_is_made_a_run_says_what_to_do_with_it(tmp_path: Path) -> None:
    source, keys = write(tmp_path / "in", {"a.hl7": file_of("1")}), tmp_path / "keys"
    flags = ["--source", str(source), "--lake", str(tmp_path / "lake"), "--policy", "pseudonymised", "--cpus", "0"]
    said = CliRunner().invoke(app, ["ingest", *flags, "--keys", str(keys)]).stdout.splitlines()
    assert said[:3] == [
        f"made {keys}/data-key.json: keep a copy where only you can read it; without it no run can add to this lake",
        f"made {keys}/signing-key.pem: keep a copy where only you can read it; it signs the log",
        f"made {keys}/signing-key.pub.pem: keep a copy away from the lake; clinray verify --trust wants it",
    ]
