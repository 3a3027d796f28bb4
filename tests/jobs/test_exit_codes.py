"""Exit codes mean what the documents say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from running import file_of, run, write
from typer.testing import CliRunner

from connectors import errors
from connectors.errors import ClinrayError, ExitCode
from jobs.__main__ import app
from jobs.console import command

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")

CODES = {
    errors.ConfigError: 2,
    errors.AccessError: 2,
    errors.LakeError: 1,
    errors.FaultError: 70,
    errors.TransientError: 3,
    errors.ObjectChanged: 3,
    errors.ObjectRefused: 3,
    errors.RecordError: 2,
    errors.LimitExceeded: 4,
}


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.stderr


def ingest(folder: Path, *more: object) -> tuple[int, str]:
    places = ("--source", folder / "in", "--lake", folder / "lake", "--keys", folder / "keys")
    return invoke("ingest", *places, "--policy", "pseudonymised", "--cpus", 0, *more)


def test_every_exit_code_is_documented_and_no_other() -> None:
    table = PAGE.split("\n## Exit codes\n", 1)[1].split("\n## ", 1)[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [int(code) for code in ExitCode]


def test_every_kind_of_error_has_its_exit_code() -> None:
    kinds = {k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, ClinrayError)}
    assert {kind: int(kind.exit_code) for kind in kinds - {ClinrayError}} == CODES


@pytest.mark.parametrize(
    ("raised", "code"), [*CODES.items(), (KeyboardInterrupt, 130), (ZeroDivisionError, 70)], ids=lambda v: str(v)
)
def test_what_a_command_raises_decides_its_exit_code(raised: type[BaseException], code: int) -> None:
    def stops() -> int:
        raise raised("CODE", "a sentence")

    program = typer.Typer()
    program.command()(command(stops))
    assert CliRunner().invoke(program, []).exit_code == code


def test_an_object_that_is_gone_is_deferred_and_the_others_are_written(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    (tmp_path / "list.txt").write_text(f"{source}/a.hl7\n{source}/gone.hl7\n")
    assert ingest(tmp_path, "--objects", tmp_path / "list.txt") == (3, "")
    assert ingest(tmp_path) == (0, "")


def test_a_run_adds_nothing_to_a_lake_whose_log_is_damaged(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, tmp_path / "lake", tmp_path / "keys")
    write(source, {"b.hl7": file_of("2")})
    entry = tmp_path / "lake" / "_runs" / f"{1:020}.json"
    entry.write_bytes(b"{}")
    before = sorted(tmp_path.rglob("*"))
    code, said = ingest(tmp_path)
    assert (code, said.split(":")[1].strip()) == (1, "ENTRY_FORM")
    assert sorted(tmp_path.rglob("*")) == before
    assert invoke("verify", tmp_path / "lake")[0] == 1


def test_over_the_limit_is_4(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a.hl7": file_of("1"), "b.hl7": b"{}"})
    assert ingest(tmp_path, "--max-quarantine", 0.1)[0] == 4


def test_a_setting_that_is_wrong_is_2(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a.hl7": file_of("1")})
    assert ingest(tmp_path, "--min-score", 101)[0] == 2


def test_a_reader_that_goes_away_is_no_fault() -> None:
    shown = [sys.executable, "-m", "jobs", "tables", "hl7v2_observations"]
    with subprocess.Popen(shown, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 141
