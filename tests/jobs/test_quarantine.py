"""The quarantine over time: what a later run read again is resolved or still there, and nothing is said twice."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from running import file_of, message, rows, run, write

from connectors.lake import Lake
from connectors.lake.verify import verify
from jobs.quarantined import by_code, open_objects, spans

BROKEN = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\r"
POOR = b"MSH|^~\\&|||||||ORU^R01||P\r"
"""Readable, and of a score that no message with its segments has."""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def retry(source: Path, lake: Path, keys: Path, **settings: Any) -> dict[str, Any]:
    held = open_objects(Lake.open(str(lake)), "deidentified")
    return run(source, lake, keys, retry=frozenset(held), **settings)


def listed(lake: Path, *, everything: bool = False) -> list[dict[str, Any]]:
    return by_code(Lake.open(str(lake)), everything=everything)


def test_what_is_still_bad_stays_open_and_is_no_second_row(tmp_path: Path, keys: Path) -> None:
    source, lake = write(tmp_path / "in", {"a.hl7": file_of("1") + BROKEN}), tmp_path / "lake"
    run(source, lake, keys)
    report = retry(source, lake, keys)
    assert report["records"] == {"read": 2, "written": 0, "quarantined": 0, "duplicate": 2}
    assert report["quarantine"] == {"still_quarantined": 1, "resolved": 0}
    assert listed(lake) == [{"code": "HL7_CHARSET_UNKNOWN", "spans": 1, "records": 1, "objects": 1, "resolved": 0}]
    assert rows(lake, "quarantine").num_rows == 1
    assert not verify(str(lake)).findings


def test_what_became_readable_is_written_and_closed_by_that_entry(tmp_path: Path, keys: Path) -> None:
    source, lake = write(tmp_path / "in", {"a.hl7": file_of("1") + POOR + BROKEN}), tmp_path / "lake"
    run(source, lake, keys, min_score=60)
    report = retry(source, lake, keys)
    assert report["records"] == {"read": 3, "written": 1, "quarantined": 0, "duplicate": 2}
    assert report["quarantine"] == {"still_quarantined": 1, "resolved": 1}
    assert report["tables"] == {"hl7v2_findings": report["tables"]["hl7v2_findings"], "hl7v2_messages": 1} | {
        "quarantine": 1
    }
    assert [row["code"] for row in listed(lake)] == ["HL7_CHARSET_UNKNOWN"]
    assert open_objects(Lake.open(str(lake)), "deidentified") == [str(source / "a.hl7")]
    assert not verify(str(lake)).findings


def test_all_rows_say_their_state_and_the_entry_that_resolved_them(tmp_path: Path, keys: Path) -> None:
    source, lake = write(tmp_path / "in", {"a.hl7": file_of("1") + POOR + BROKEN}), tmp_path / "lake"
    run(source, lake, keys, min_score=60)
    retry(source, lake, keys)
    opened = Lake.open(str(lake))
    shown = spans(opened, None, 100, everything=True)
    assert [(s["code"], s["offset"], s["state"], s["entry"], s["resolved_by"]) for s in shown] == [
        ("RECORD_BELOW_SCORE", len(file_of("1")), "resolved", 1, 2),
        ("HL7_CHARSET_UNKNOWN", len(file_of("1") + POOR), "quarantined", 1, None),
    ]
    assert [s["code"] for s in spans(opened, None, 100)] == ["HL7_CHARSET_UNKNOWN"]
    assert [row["code"] for row in listed(lake, everything=True)] == ["HL7_CHARSET_UNKNOWN", "RECORD_BELOW_SCORE"]


def test_an_object_that_was_quarantined_whole_stays_so_when_it_is_read_again(tmp_path: Path, keys: Path) -> None:
    damaged = gzip.compress(file_of("1"))[:-12]
    source = write(tmp_path / "in", {"a.hl7": BROKEN, "b.hl7.gz": damaged, "c.hl7": b"{}"})
    lake = tmp_path / "lake"
    run(source, lake, keys)
    report = retry(source, lake, keys)
    assert report["objects"] == {"listed": 3, "written": 0, "done": 0, "quarantined": 3, "deferred": 0}
    assert report["records"] == {"read": 3, "written": 0, "quarantined": 0, "duplicate": 3}
    assert report["quarantine"] == {"still_quarantined": 3, "resolved": 0}
    assert rows(lake, "quarantine").num_rows == 3
    assert not verify(str(lake)).findings


def test_an_object_that_can_be_decoded_now_is_resolved(tmp_path: Path, keys: Path) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    good = gzip.compress(file_of("1", "2"))
    run(write(source, {"a.hl7.gz": good[:-12]}), lake, keys)
    report = run(write(source, {"a.hl7.gz": good}), lake, keys)
    assert report["records"] == {"read": 2, "written": 2, "quarantined": 0, "duplicate": 0}
    assert report["quarantine"] == {"still_quarantined": 0, "resolved": 2}
    assert listed(lake) == []


def test_a_fault_that_comes_back_is_open_again(tmp_path: Path, keys: Path) -> None:
    source, lake = write(tmp_path / "in", {"a.hl7": BROKEN}), tmp_path / "lake"
    for content in (BROKEN, b"MSH|^~\\&|A|B|C|D|20240102||ORU^R01|y|P|2.5\r", BROKEN, BROKEN + b"\r"):
        run(write(source, {"a.hl7": content}), lake, keys)
    states = [(s["state"], s["entry"], s["resolved_by"]) for s in spans(Lake.open(str(lake)), None, 9, everything=True)]
    assert states == [("resolved", 1, 2), ("quarantined", 3, None)]
    assert not verify(str(lake)).findings


def test_of_equal_faults_as_many_are_open_as_came_again(tmp_path: Path, keys: Path) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    run(write(source, {"a.hl7": BROKEN * 3}), lake, keys)
    report = run(write(source, {"a.hl7": message("1") + b"\r" + BROKEN}), lake, keys)
    assert report["quarantine"] == {"still_quarantined": 1, "resolved": 2}
    assert [row["spans"] for row in listed(lake)] == [1]


def test_retries_of_an_object_of_which_records_vanished_name_no_part_twice(tmp_path: Path, keys: Path) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    run(write(source, {"a.hl7": file_of("1", "2") + BROKEN}), lake, keys)
    run(write(source, {"a.hl7": file_of("2") + BROKEN}), lake, keys)
    retry(source, lake, keys)
    retry(source, lake, keys)
    assert not verify(str(lake)).findings


def test_what_could_not_be_read_this_time_is_neither_vanished_nor_resolved(tmp_path: Path, keys: Path) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    good = gzip.compress(file_of("1") + BROKEN)
    run(write(source, {"a.hl7.gz": good}), lake, keys)
    report = run(write(source, {"a.hl7.gz": good[:-12]}), lake, keys)
    assert report["quarantine"] == {"still_quarantined": 0, "resolved": 0}
    assert [(row["code"], row["spans"]) for row in listed(lake)] == [
        ("COMPRESSION_DAMAGED", 1),
        ("HL7_CHARSET_UNKNOWN", 1),
    ]
    found = rows(lake, "hl7v2_findings")
    assert found.num_rows == 0 or "RECORD_VANISHED" not in found["code"].to_pylist()


def test_a_retry_of_an_empty_quarantine_reads_nothing_and_says_the_object_of_a_run(tmp_path: Path, keys: Path) -> None:
    source, lake = write(tmp_path / "in", {"a.hl7": file_of("1")}), tmp_path / "lake"
    first = run(source, lake, keys)
    write(source, {"b.hl7": file_of("2")})
    report = retry(source, lake, keys)
    assert report.keys() == first.keys()
    assert report["objects"] == {"listed": 0, "written": 0, "done": 0, "quarantined": 0, "deferred": 0}
    assert (report["entries"], report["head"]) == ([], first["head"])
