"""Stages as jobs of their own give the same rows as the fused run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import everything, file_of, run, write

from connectors.errors import ConfigError
from connectors.lake.verify import verify
from jobs.stage_run import stage_run

POOR = b"MSH|^~\\&|||||||ORU^R01||P\r"


def stage(name: str, lake: Path, keys: Path, **settings: Any) -> dict[str, Any]:
    policy = settings.pop("policy", "identified")
    return stage_run(stage=name, lake=str(lake), format_="hl7v2", policy=policy, keys=keys, cpus=0, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["pseudonymised", "hipaa-limited-data-set"])
def test_ingest_validate_deidentify_give_the_rows_of_the_fused_run(tmp_path: Path, policy: str) -> None:
    keys, apart = tmp_path / "keys", tmp_path / "apart"
    source = write(tmp_path / "in", {f"{n}.hl7": file_of(f"{n}", f"{n}b", observations=2) for n in range(4)})
    run(source, tmp_path / "fused", keys, policy=policy)
    run(source, apart, keys, policy="identified", allow_identified=True, stages=())
    stage("validate", apart, keys)
    stage("deidentify", apart, keys, policy=policy, source_zone="validated")
    assert everything(apart) == everything(tmp_path / "fused")
    assert everything(apart)["hl7v2_messages"] != []
    assert not verify(str(apart)).findings


def test_the_validated_zone_has_the_rows_of_a_fused_identified_run(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    source = write(tmp_path / "in", {"a.hl7": file_of("1") + POOR})
    run(source, tmp_path / "fused", keys, policy="identified", allow_identified=True, min_score=60)
    run(source, tmp_path / "apart", keys, policy="identified", allow_identified=True, stages=())
    report = stage("validate", tmp_path / "apart", keys, min_score=60)
    fused, apart = everything(tmp_path / "fused", "identified"), everything(tmp_path / "apart", "validated")
    assert report["records"] == {"read": 2, "written": 1, "quarantined": 1, "duplicate": 0}
    assert {n: r for n, r in apart.items() if n != "quarantine"} == {
        n: r for n, r in fused.items() if n != "quarantine"
    }


def test_a_stage_again_adds_nothing_and_takes_what_is_new(tmp_path: Path) -> None:
    keys, lake = tmp_path / "keys", tmp_path / "lake"
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, lake, keys, policy="identified", allow_identified=True, stages=())
    first, again = stage("validate", lake, keys), stage("validate", lake, keys)
    write(source, {"b.hl7": file_of("2")})
    run(source, lake, keys, policy="identified", allow_identified=True, stages=())
    later = stage("validate", lake, keys)
    assert [r["records"]["written"] for r in (first, again, later)] == [1, 0, 1]


def test_a_stage_over_a_zone_that_was_never_written_is_refused(tmp_path: Path) -> None:
    keys, lake = tmp_path / "keys", tmp_path / "lake"
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, lake, keys, policy="identified", allow_identified=True, stages=())
    with pytest.raises(ConfigError) as caught:
        stage("deidentify", lake, keys, policy="pseudonymised", source_zone="validated")
    assert caught.value.code == "ZONE_EMPTY"


def test_a_zone_that_was_written_from_one_zone_is_not_written_from_another(tmp_path: Path) -> None:
    keys, lake = tmp_path / "keys", tmp_path / "lake"
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, lake, keys, policy="identified", allow_identified=True, stages=())
    stage("validate", lake, keys)
    stage("deidentify", lake, keys, policy="pseudonymised", source_zone="validated")
    before = everything(lake)
    with pytest.raises(ConfigError) as caught:
        stage("deidentify", lake, keys, policy="pseudonymised", source_zone="identified")
    assert caught.value.code == "ZONE_FED"
    assert everything(lake) == before
    assert stage("deidentify", lake, keys, policy="pseudonymised", source_zone="validated")["objects"]["done"] == 1


def overlapping(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Source, lake and keys: an object in the identified zone; a second one came and the first one grew since."""
    source, lake, keys = write(tmp_path / "in", {"a.hl7": file_of("1")}), tmp_path / "lake", tmp_path / "keys"
    run(source, lake, keys, policy="identified", allow_identified=True, stages=())
    write(source, {"a.hl7": file_of("1", "2"), "b.hl7": file_of("3")})
    return source, lake, keys


def refused(code: str, *args: Any, **settings: Any) -> None:
    for dry_run in (True, False):
        with pytest.raises(ConfigError) as caught:
            args[0](*args[1:], **settings, **({"dry_run": True} if dry_run else {}))
        assert caught.value.code == code


def test_what_an_ingest_has_deidentified_is_not_deidentified_apart(tmp_path: Path) -> None:
    source, lake, keys = overlapping(tmp_path)
    run(source, lake, keys)
    before = everything(lake)
    refused("ZONE_FED", stage, "deidentify", lake, keys, policy="pseudonymised", source_zone="identified")
    assert everything(lake) == before
    assert len(before["hl7v2_messages"]) == 3
    assert run(source, lake, keys)["objects"]["done"] == 2


def test_what_was_deidentified_apart_no_ingest_deidentifies(tmp_path: Path) -> None:
    source, lake, keys = overlapping(tmp_path)
    stage("deidentify", lake, keys, policy="pseudonymised", source_zone="identified")
    before, files = everything(lake), sorted(lake.rglob("*"))
    refused("ZONE_FED", run, source, lake, keys)
    assert (everything(lake), sorted(lake.rglob("*"))) == (before, files)
    run(source, lake, keys, policy="identified", allow_identified=True, stages=())
    assert stage("deidentify", lake, keys, policy="pseudonymised", source_zone="identified")["records"]["written"] == 2
