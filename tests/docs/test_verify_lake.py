"""docs/examples/verify_lake.py: another program proves a lake with docs/lake.md alone, and finds what was changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from running import file_of, run, write
from typer.testing import CliRunner

from connectors.lake import Lake
from jobs.__main__ import app

PROGRAM = Path(__file__).parents[2] / "docs" / "examples" / "verify_lake.py"


def verified(lake: str, *flags: str) -> tuple[int, list[str]]:
    """Its exit code, and what it found."""
    said = subprocess.run([sys.executable, PROGRAM, lake, *flags], capture_output=True, text=True, check=False)
    assert said.stderr == ""
    return said.returncode, said.stdout.splitlines()[:-1]


def part(lake: Path) -> Path:
    return lake / next(p.path for p in Lake.open(str(lake)).parts("deidentified") if p.table == "hl7v2_messages")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake of two entries, one of them with a quarantined message and a key that came again."""
    broken = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\r"
    for files in ({"a.hl7": file_of("1"), "b.hl7": file_of("2")}, {"a.hl7": file_of("1", "3") + broken}):
        run(write(tmp_path / "in", files), tmp_path / "lake", tmp_path / "keys")
    return tmp_path / "lake"


def test_a_lake_is_proved_with_its_head_and_key(lake: Path) -> None:
    number, sha256 = Lake.open(str(lake)).head()
    key = lake.parent / "keys" / "signing-key.pub.pem"
    assert verified(str(lake), "--head", f"{number}:{sha256}", "--trust", str(key)) == (0, [])


def test_a_lake_in_a_bucket_is_proved(s3, tmp_path: Path) -> None:
    run(write(tmp_path / "in", {"a.hl7": file_of("1")}), f"{s3.uri}/lake", tmp_path / "keys")
    assert verified(f"{s3.uri}/lake") == (0, [])


def test_stages_apart_a_vacuum_and_checkpoints_are_proved(tmp_path: Path) -> None:
    for n in range(11):
        source = write(tmp_path / "in", {f"{n}.hl7": file_of(str(n))})
        run(source, tmp_path / "lake", tmp_path / "keys", policy="identified", allow_identified=True, stages=())
    common = [str(tmp_path / "lake"), "--keys", str(tmp_path / "keys")]
    for command in (["validate", "--cpus", "0"], ["deidentify", "--policy", "pseudonymised", "--cpus", "0"]):
        assert CliRunner().invoke(app, [*command, *common]).exit_code == 0
    (tmp_path / "lake/deidentified/hl7v2_messages/part-of-a-run-that-died.zstd.parquet").write_bytes(b"")
    assert CliRunner().invoke(app, ["vacuum", "--older-than-hours", "0", *common]).exit_code == 0
    kinds = [entry.kind for entry in Lake.open(str(tmp_path / "lake")).entries()]
    assert kinds == ["ingest"] * 11 + ["validate", "deidentify", "vacuum"]
    assert verified(str(tmp_path / "lake")) == (0, [])


@pytest.mark.parametrize("change", ["a file is left out", "it is torn"])
def test_a_checkpoint_that_lists_other_files_is_found(tmp_path: Path, change: str) -> None:
    for n in range(10):
        run(write(tmp_path / "in", {f"{n}.hl7": file_of(str(n))}), tmp_path / "lake", tmp_path / "keys")
    log = tmp_path / "lake/deidentified/hl7v2_messages/_delta_log"
    checkpoint = next(log.glob("*.checkpoint.parquet"))
    rows = pq.read_table(checkpoint)
    added = [place for place, add in enumerate(rows["add"].to_pylist()) if add is not None]
    if change == "it is torn":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    else:
        pq.write_table(rows.take([place for place in range(rows.num_rows) if place != added[0]]), checkpoint)
    told = f"deidentified/hl7v2_messages: {checkpoint.name} does not hold the files of the commits up to it"
    assert verified(str(tmp_path / "lake")) == (1, [told])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def recount(lake: Path) -> None:
    entry = lake / "_runs" / f"{2:020}.json"
    content = json.loads(entry.read_text())
    content["counts"]["records"]["written"] += 1
    entry.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")))


def append(lake: Path) -> None:
    log = part(lake).parent / "_delta_log"
    (log / f"{9:020}.json").write_text('{"add":{"path":"foreign.parquet","size":1,"stats":"{\\"numRecords\\":1}"}}\n')


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a part": (lambda lake: flip(part(lake)), "is missing or changed"),
    "a part is gone": (lambda lake: part(lake).unlink(), "is missing or changed"),
    "a count": (recount, "has a wrong signature"),
    "an entry in the middle": (lambda lake: (lake / "_runs" / f"{1:020}.json").unlink(), "does not follow"),
    "leaves": (lambda lake: flip(next((lake / "_runs").glob("leaves-*"))), "has another hash"),
    "inputs": (lambda lake: flip(next((lake / "restricted").glob("inputs-*"))), "has another hash"),
    "the binding": (lambda lake: flip(lake / "_runs/zone-deidentified.json"), "was bound otherwise"),
    "a Delta table": (append, "its commits are not those of the log"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_found(lake: Path, change: str) -> None:
    make, told = CHANGES[change]
    make(lake)
    code, faults = verified(str(lake))
    assert code == 1
    assert any(told in fault for fault in faults), faults


@pytest.mark.parametrize("content", ["half", "nothing", "[]", "{}", '{"number":2}', "not UTF-8"])
def test_an_entry_that_is_none_is_named_in_one_line(lake: Path, content: str) -> None:
    entry = lake / "_runs" / f"{2:020}.json"
    whole = entry.read_bytes()
    held = {"half": whole[: len(whole) // 2], "nothing": b"", "not UTF-8": b"\xff" + whole}
    entry.write_bytes(held.get(content, content.encode()))
    assert verified(str(lake)) == (1, ["entry 2: is not of the form of an entry"])


def test_the_entries_behind_one_that_is_none_are_checked(lake: Path) -> None:
    entry = lake / "_runs" / f"{1:020}.json"
    entry.write_bytes(entry.read_bytes()[:-9])
    told = ["entry 1: is not of the form of an entry", "entry 2: does not follow the entry before"]
    assert verified(str(lake)) == (1, told)


def test_a_log_cut_short_and_a_key_of_somebody_else_are_found(lake: Path) -> None:
    run(write(lake.parent / "in", {"c.hl7": file_of("9")}), lake.parent / "other", lake.parent / "keys2")
    key = lake.parent / "keys2" / "signing-key.pub.pem"
    untrusted = [f"entry {number}: is signed by a key that is not trusted" for number in (1, 2)]
    assert verified(str(lake), "--trust", str(key)) == (1, untrusted)
    assert verified(str(lake), "--head", f"3:{'0' * 64}") == (1, ["the log does not hold the head that was kept"])
