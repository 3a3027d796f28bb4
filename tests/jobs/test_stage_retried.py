"""What `validate` apart quarantined is checked again under another threshold, and nothing is written twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import everything, file_of, rows, run, write

from connectors.lake import Lake
from connectors.lake.verify import verify
from jobs.quarantined import open_objects, spans
from jobs.stage_run import stage_run

POOR = b"MSH|^~\\&|||||||ORU^R01||P\r"
POORER = b"MSH|^~\\&|X\r"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def lake(tmp_path: Path, keys: Path) -> Path:
    """Two objects in the identified zone, three messages too poor for a threshold of 60, one good one in each."""
    source = write(tmp_path / "in", {"a.hl7": POOR + file_of("1"), "b.hl7": file_of("2") + POOR + POORER})
    run(source, tmp_path / "lake", keys, policy="identified", allow_identified=True, stages=())
    return tmp_path / "lake"


def stage(name: str, lake: Path, keys: Path, **settings: Any) -> dict[str, Any]:
    chosen = {"policy": "identified", "cpus": 0} | settings
    return stage_run(stage=name, lake=str(lake), format_="hl7v2", keys=keys, **chosen)  # type: ignore[arg-type]


def scores(lake: Path) -> list[float]:
    return sorted(rows(lake, "hl7v2_messages", "validated")["score"].to_pylist())


def test_what_scores_enough_now_is_written_once_and_resolved(lake: Path, keys: Path, tmp_path: Path) -> None:
    stage("validate", lake, keys, min_score=60)
    report = stage("validate", lake, keys, retry=True)
    assert report["records"] == {"read": 5, "written": 3, "quarantined": 0, "duplicate": 2}
    assert report["quarantine"] == {"still_quarantined": 0, "resolved": 3}
    assert open_objects(Lake.open(str(lake)), "validated") == []
    run(tmp_path / "in", tmp_path / "fused", keys, policy="identified", allow_identified=True)
    fused, apart = everything(tmp_path / "fused", "identified"), everything(lake, "validated")
    assert {name: found for name, found in apart.items() if name != "quarantine"} == fused
    assert not verify(str(lake)).findings


def test_what_scores_too_low_still_stays_open_and_is_no_second_row(lake: Path, keys: Path) -> None:
    stage("validate", lake, keys, min_score=60)
    before = everything(lake, "validated")
    report = stage("validate", lake, keys, min_score=60, retry=True)
    assert report["records"] == {"read": 5, "written": 0, "quarantined": 0, "duplicate": 5}
    assert report["quarantine"] == {"still_quarantined": 3, "resolved": 0}
    assert everything(lake, "validated") == before
    assert not verify(str(lake)).findings


def test_a_second_retry_takes_what_the_first_left(lake: Path, keys: Path) -> None:
    stage("validate", lake, keys, min_score=60)
    poor = stage("validate", lake, keys, min_score=40, retry=True)
    rest = stage("validate", lake, keys, retry=True)
    nothing = stage("validate", lake, keys, retry=True)
    assert [r["quarantine"]["resolved"] for r in (poor, rest, nothing)] == [2, 1, 0]
    assert nothing["objects"]["listed"] == 0
    assert [(s["state"], s["entry"]) for s in spans(Lake.open(str(lake)), None, 9, everything=True)] == [
        ("resolved", 2)
    ] * 3
    assert scores(lake) == [33, 45, 45, 100, 100]


def test_the_next_stage_takes_what_was_resolved(lake: Path, keys: Path) -> None:
    stage("validate", lake, keys, min_score=60)
    first = stage("deidentify", lake, keys, policy="pseudonymised", source_zone="validated")
    stage("validate", lake, keys, retry=True)
    later = stage("deidentify", lake, keys, policy="pseudonymised", source_zone="validated")
    assert (first["records"]["written"], later["records"]["written"]) == (2, 3)


def test_a_later_version_of_an_object_brings_nothing_that_was_written_again(
    lake: Path, keys: Path, tmp_path: Path
) -> None:
    stage("validate", lake, keys, min_score=60)
    stage("validate", lake, keys, retry=True)
    write(tmp_path / "in", {"a.hl7": POOR + file_of("1") + POOR})
    run(tmp_path / "in", lake, keys, policy="identified", allow_identified=True, stages=())
    stage("validate", lake, keys, min_score=60)
    report = stage("validate", lake, keys, retry=True)
    assert report["records"] == {"read": 1, "written": 1, "quarantined": 0, "duplicate": 0}
    assert scores(lake) == [33, 45, 45, 45, 100, 100]
    assert not verify(str(lake)).findings


def test_a_dry_run_says_what_would_be_tried_and_writes_nothing(lake: Path, keys: Path) -> None:
    stage("validate", lake, keys, min_score=60)
    report = stage("validate", lake, keys, retry=True, dry_run=True)
    assert report["planned"]["bundles"] == 1
    assert len(Lake.open(str(lake)).entries()) == 2


def test_without_retry_what_is_quarantined_is_not_tried(lake: Path, keys: Path) -> None:
    stage("validate", lake, keys, min_score=60)
    assert stage("validate", lake, keys)["records"]["read"] == 0
