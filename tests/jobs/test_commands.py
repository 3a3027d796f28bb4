"""The commands as a user meets them: exit codes, one object on standard output, one sentence for a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import file_of, write

from jobs.__main__ import main

Said = subprocess.CompletedProcess[str]


def clinray(*arguments: object, cwd: Path) -> Said:
    command = [sys.executable, "-m", "jobs", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The whole program as `clinray` starts it, but in this process: each start of a Python takes as long as twenty
    such calls. That a process says and ends the same is held by the tests that start one."""

    def call(*arguments: object, cwd: Path) -> Said:
        words = ["clinray", *map(str, arguments)]
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        return Said(words, ended.value.code, *capfd.readouterr())

    return call


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, a lake and keys, made by one ingest."""
    folder = tmp_path_factory.mktemp("commands")
    broken = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\r"
    write(folder / "in", {"a.hl7": file_of("1", "2") + broken})
    said = clinray(*INGEST, "--json", cwd=folder)
    assert said.returncode == 0, said.stderr
    (folder / "report.json").write_text(said.stdout)
    return folder


ROOT = Path(__file__).parents[2]
INGEST = ("ingest", "--source", "in", "--lake", "lake", "--policy", "pseudonymised", "--keys", "keys", "--cpus", "0")


def test_ingest_says_one_object_with_the_documented_keys(lake: Path) -> None:
    report = json.loads((lake / "report.json").read_text())
    assert {"run_id", "objects", "records", "bytes", "tables", "seconds"} <= set(report)
    assert report["objects"] == {"listed": 1, "written": 1, "done": 0, "quarantined": 0, "deferred": 0}
    assert report["records"] == {"read": 3, "written": 2, "quarantined": 1, "duplicate": 0}
    assert len(report["run_id"]) == 64


def test_verify_proves_the_lake_and_the_head_that_the_run_printed(lake: Path) -> None:
    report = json.loads((lake / "report.json").read_text())
    head = f"{report['head']['number']}:{report['head']['sha256']}"
    said = clinray("verify", "lake", "--head", head, "--trust", "keys/signing-key.pub.pem", cwd=lake)
    assert (said.returncode, said.stderr) == (0, "")
    assert "the lake is what its log says" in said.stdout


def test_verify_exits_1_for_a_log_that_was_cut(lake: Path) -> None:
    said = clinray("verify", "lake", "--head", f"2:{'0' * 64}", "--json", cwd=lake)
    assert said.returncode == 1
    assert json.loads(said.stdout)["ok"] is False


def test_verify_finds_a_value_that_leaked_and_does_not_say_it(lake: Path) -> None:
    (lake / "values.txt").write_text("2345-7\nSPRINGFIELD\n")
    said = clinray("verify", "lake", "--leaks", "values.txt", cwd=lake)
    assert said.returncode == 1
    assert "the value of line 1 stands in deidentified/hl7v2_observations/" in said.stdout
    assert "line 2" not in said.stdout
    assert "2345-7" not in said.stdout


def test_runs_lists_the_entries(lake: Path) -> None:
    said = json.loads(clinray("runs", "lake", "--json", cwd=lake).stdout)
    assert [(e["kind"], e["zone"], e["counts"]["records"]["written"]) for e in said["entries"]] == [
        ("ingest", "deidentified", 2)
    ]
    assert said["head"]["number"] == 1


def test_quarantine_lists_codes_and_places(lake: Path, inside: Callable[..., Said]) -> None:
    codes = json.loads(inside("quarantine", "list", "lake", "--json", cwd=lake).stdout)
    spans = json.loads(inside("quarantine", "show", "lake", "--json", cwd=lake).stdout)
    assert codes == {"codes": [{"code": "HL7_CHARSET_UNKNOWN", "spans": 1, "records": 1, "objects": 1, "resolved": 0}]}
    assert [(s["object"], s["offset"]) for s in spans["spans"]] == [
        (str(lake / "in" / "a.hl7"), len(file_of("1", "2")))
    ]


def test_show_prints_a_message_only_when_that_is_allowed(lake: Path) -> None:
    place = ("show", "in/a.hl7", "--at", len(file_of("1")))
    refused = clinray(*place, cwd=lake)
    shown = clinray(*place, "--allow-identified", cwd=lake)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert shown.returncode == 0
    assert "DOE" in shown.stdout


def test_keys_are_made_once(tmp_path: Path) -> None:
    first = json.loads(clinray("keys", "init", "--keys", "k", "--json", cwd=tmp_path).stdout)
    again = json.loads(clinray("keys", "init", "--keys", "k", "--json", cwd=tmp_path).stdout)
    assert [Path(p).name for p in first["created"]] == ["data-key.json", "signing-key.pem", "signing-key.pub.pem"]
    assert again["created"] == []
    assert (tmp_path / "k" / "data-key.json").stat().st_mode & 0o777 == 0o600


def test_policies_and_tables_are_shown(tmp_path: Path, inside: Callable[..., Said]) -> None:
    listed = json.loads(inside("policy", "list", "--json", cwd=tmp_path).stdout)
    shown = inside("policy", "show", "hipaa-limited-data-set", cwd=tmp_path)
    tables: dict[str, Any] = json.loads(inside("tables", "--json", cwd=tmp_path).stdout)["tables"]
    assert {p["name"] for p in listed["policies"]} == {"identified", "pseudonymised", "hipaa-limited-data-set"}
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "164.514(e)" in shown.stdout
    assert any(line.startswith("ssn ") and "drop" in line for line in shown.stdout.splitlines())
    assert "hl7v2_observations" in tables


def test_an_unknown_table_is_told_with_those_there_are(tmp_path: Path, inside: Callable[..., Said]) -> None:
    held = json.loads(inside("tables", "--json", cwd=tmp_path).stdout)["tables"]
    said = inside("tables", "nothing", cwd=tmp_path)
    assert said.stderr == f"clinray: TABLE_UNKNOWN: hl7v2 has no table nothing; it has {', '.join(held)}\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ingest", "--source", "in", "--lake", "l2", "--policy", "nobody"), "POLICY"),
        (("ingest", "--source", "in", "--lake", "l2", "--policy", "pseudonymised", "--format", "fax"), "FORMAT"),
        (("ingest", "--source", "none", "--lake", "l2", "--policy", "pseudonymised"), "SOURCE_MISSING"),
        (("ingest", "--source", "gopher://x", "--lake", "l2", "--policy", "pseudonymised"), "STORE_URI"),
        (("ingest", "--source", "in", "--lake", "l2", "--policy", "identified"), "IDENTIFIED_NOT_ALLOWED"),
        (("ingest", "--source", "in", "--lake", "l2"), "PIPELINE_INVALID"),
        (("ingest", "none.yaml"), "PIPELINE_UNREADABLE"),
        (("ingest", "--source", "in", "--lake", "lake", "--policy", "hipaa-limited-data-set"), "ZONE_BOUND"),
        (("ingest", "--source", "in", "--lake", "l3", "--policy", "pseudonymised", "--no-create-keys"), "KEYS_MISSING"),
        (("verify", "nowhere"), "LAKE_MISSING"),
        (("verify", "lake", "--head", "seven"), "HEAD_FORM"),
        (("verify", "lake", "--trust", "nowhere.pem"), "TRUST_UNREADABLE"),
        (("verify", "lake", "--logs", "in"), "LEAK_LOGS"),
        (("verify", "lake", "--logs", "nowhere", "--leaks", "keys/signing-key.pub.pem"), "LEAK_LOGS"),
        (("ingest", "--source", "in", "--lake", "keys/data-key.json", "--policy", "pseudonymised"), "STORE_PATH"),
        (("ingest", "--source", "in", "--lake", "keys/data-key.json/l", "--policy", "pseudonymised"), "STORE_PATH"),
        (("generate", "hl7v2", "--messages", "1", "--out", "keys/data-key.json"), "STORE_PATH"),
        (("demo", "--out", "keys/data-key.json"), "DEMO_FOLDER"),
        (("demo", "--out", "keys/data-key.json/demo"), "DEMO_FOLDER"),
        (("tables", "nothing"), "TABLE_UNKNOWN"),
        (
            ("ingest", "--source", "in", "--lake", "l2", "--policy", "pseudonymised", "--log-format", "wrong"),
            "LOG_FORMAT",
        ),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_2(
    lake: Path, inside: Callable[..., Said], arguments: tuple[str, ...], code: str
) -> None:
    folder = "empty-keys" if "--no-create-keys" in arguments else "keys"
    more = ("--keys", folder, "--cpus", "0") if arguments[0] == "ingest" else ()
    said = inside(*arguments, *more, cwd=lake)
    assert said.returncode == 2, said.stderr
    assert said.stderr.startswith(f"clinray: {code}")
    assert said.stderr.count("\n") == 1
    assert "Traceback" not in said.stderr
    assert not (lake / "l2").exists() or not list((lake / "l2").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ingest", "--zzz"], "no such option: --zzz; see python -m jobs ingest --help"),
        (
            ["ingest", "--polcy", "x"],
            "no such option: --polcy (Possible options: --policy); see python -m jobs ingest --help",
        ),
        (["frobnicate"], "no such command 'frobnicate'; see python -m jobs --help"),
        (["verify"], "missing argument 'lake'; see python -m jobs verify --help"),
        (["keys", "rewrap", "--frobnicate"], "no such option: --frobnicate; see python -m jobs keys rewrap --help"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    said = clinray(*arguments, cwd=tmp_path)
    assert (said.returncode, said.stdout, said.stderr) == (2, "", f"clinray: USAGE: {sentence}\n")
    assert json.loads(clinray(*arguments, "--json", cwd=tmp_path).stdout)["error"]["code"] == "USAGE"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["keys"]])
def test_without_a_command_the_help_is_shown(tmp_path: Path, arguments: list[str]) -> None:
    said = clinray(*arguments, cwd=tmp_path)
    assert said.returncode == 2
    assert "Commands:" in said.stdout + said.stderr


def test_a_mistake_with_json_is_an_object_too_and_the_program_ends_with_2(tmp_path: Path) -> None:
    said = clinray("verify", "nowhere", "--json", cwd=tmp_path)
    assert json.loads(said.stdout)["error"]["code"] == "LAKE_MISSING"
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert said.stderr.startswith("clinray: LAKE_MISSING: ")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("qua", ["quarantine"]), ("quarantine re", ["retry"]), ("ingest --pol", ["--policy"]), ("keys ", None)],
)
def test_a_shell_completes_commands_and_flags(typed: str, completed: list[str] | None) -> None:
    words = f"clinray {typed}"
    asked = {"_CLINRAY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = "import sys; from jobs.__main__ import main; sys.argv = ['clinray']; main()"
    command, environment = [sys.executable, "-c", program], {**os.environ, **asked}
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert said.stdout.split() == (completed or ["init", "show", "rewrap"])


def test_a_retry_takes_the_time_zone_that_the_lake_is_bound_to(tmp_path: Path, inside: Callable[..., Said]) -> None:
    broken = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\r"
    write(tmp_path / "in", {"a.hl7": file_of("1") + broken})
    inside(*INGEST, "--time-zone", "Asia/Tokyo", cwd=tmp_path)
    retry = ("quarantine", "retry", *INGEST[1:])
    refused = inside(*retry, cwd=tmp_path)
    taken = inside(*retry, "--time-zone", "Asia/Tokyo", "--json", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.split(":")[1].strip()) == (2, "ZONE_BOUND")
    assert (taken.returncode, json.loads(taken.stdout)["quarantine"]) == (0, {"still_quarantined": 1, "resolved": 0})


def test_a_path_that_is_not_utf8_is_said_in_an_object_of_utf8(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs", "verify", b"caf\xe9", "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    said = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, check=False)
    assert said.returncode == 2
    message = json.loads(said.stdout.decode("utf-8"))["error"]["message"]
    assert message == f"{tmp_path}/caf\udce9 is no lake; give the folder or prefix that ingest wrote to"
