"""What an ingest promises: nothing is lost, nothing happens twice, bad input never costs good input."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from running import everything, file_of, message, parts, rows, run, write

from connectors.errors import ConfigError, LimitExceeded
from connectors.lake.verify import verify

LAKE_PAGE = Path(__file__).parents[2] / "docs/lake.md"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_every_record_becomes_rows_and_the_counts_balance(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1", "2", observations=3), "b.hl7": file_of("3")})
    report = run(source, tmp_path / "lake", keys)
    assert report["objects"] == {"listed": 2, "written": 2, "done": 0, "quarantined": 0, "deferred": 0}
    assert report["records"] == {"read": 3, "written": 3, "quarantined": 0, "duplicate": 0}
    size = sum(f.stat().st_size for f in source.iterdir())
    assert report["bytes"] == {"read": size, "records": size - 3, "quarantined": 0, "envelope": 3}
    assert report["tables"]["hl7v2_messages"] == 3
    assert report["tables"]["hl7v2_observations"] == 7
    assert not verify(str(tmp_path / "lake")).findings


def test_the_same_run_again_adds_nothing(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1", "2")})
    first = run(source, tmp_path / "lake", keys)
    again = run(source, tmp_path / "lake", keys)
    assert again["objects"] == {"listed": 1, "written": 0, "done": 1, "quarantined": 0, "deferred": 0}
    assert again["entries"] == []
    assert again["head"] == first["head"]


def test_identical_input_gives_identical_parts(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {f"{n}.hl7": file_of(f"{n}", f"{n}b") for n in range(5)})
    run(source, tmp_path / "one", keys)
    run(source, tmp_path / "two", keys)
    assert parts(tmp_path / "one") == parts(tmp_path / "two")
    assert len(parts(tmp_path / "one")) >= 5


def test_an_object_in_ranges_gives_the_rows_of_the_whole(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of(*(str(n) for n in range(200)))})
    run(source, tmp_path / "whole", keys)
    split = run(source, tmp_path / "split", keys, bundle_bytes=7_000)
    assert split["bundles"] > 5
    assert everything(tmp_path / "split") == everything(tmp_path / "whole")


@pytest.mark.parametrize("bundle_bytes", [7_000, 65_536, 100_000, 150_001])
def test_an_object_in_ranges_has_the_hash_of_its_blocks_wherever_it_is_cut(
    tmp_path: Path, keys: Path, bundle_bytes: int
) -> None:
    data = file_of(*(str(n) for n in range(1200)))
    source = write(tmp_path / "in", {"a.hl7": data, "b.hl7": file_of("1")})
    assert len(data) > 4 * 65_536
    report = run(source, tmp_path / "lake", keys, bundle_bytes=bundle_bytes)
    assert report["bundles"] > len(data) // bundle_bytes
    [file] = (tmp_path / "lake/restricted").glob("inputs-*")
    told = dict(zip(*pq.read_table(file, columns=["key", "sha256"]).to_pydict().values(), strict=True))
    [code] = re.findall(r"^```python\n(def hash_of_ranges.+?)^```", LAKE_PAGE.read_text(), re.DOTALL | re.MULTILINE)
    exec(code, names := {"hashlib": hashlib})
    assert told[f"{source}/a.hl7"] == names["hash_of_ranges"](data)
    assert told[f"{source}/b.hl7"] == hashlib.sha256(file_of("1")).hexdigest()
    assert not verify(str(tmp_path / "lake")).findings


def test_declared_envelope_counts_are_checked_over_ranges_as_over_the_whole(tmp_path: Path, keys: Path) -> None:
    batch = b"BHS|^~\\&|LAB\r" + file_of(*(str(n) for n in range(100))) + b"BTS|99\r"
    source = write(tmp_path / "in", {"a.hl7": batch})
    run(source, tmp_path / "whole", keys)
    run(source, tmp_path / "split", keys, bundle_bytes=7_000)
    found = rows(tmp_path / "split", "hl7v2_findings")
    assert any("COUNT" in code for code in found["code"].to_pylist())
    assert everything(tmp_path / "split") == everything(tmp_path / "whole")


def test_a_broken_message_is_quarantined_and_its_neighbours_are_written(tmp_path: Path, keys: Path) -> None:
    broken = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\rPID|1||5\r"
    source = write(tmp_path / "in", {"a.hl7": file_of("1") + broken + file_of("2")})
    report = run(source, tmp_path / "lake", keys)
    assert report["records"] == {"read": 3, "written": 2, "quarantined": 1, "duplicate": 0}
    spans = rows(tmp_path / "lake", "quarantine").to_pylist()
    assert [(s["code"], s["_offset"], s["_length"]) for s in spans] == [
        ("HL7_CHARSET_UNKNOWN", len(file_of("1")), len(broken) - 1)
    ]


@pytest.mark.parametrize("content", [b"", b'{"resourceType": "Patient"}', bytes(range(256)) * 8, b"just text\n"])
def test_an_object_that_is_no_hl7_is_quarantined_whole(tmp_path: Path, keys: Path, content: bytes) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1"), "b.hl7": content})
    report = run(source, tmp_path / "lake", keys)
    assert report["objects"] == {"listed": 2, "written": 1, "done": 0, "quarantined": 1, "deferred": 0}
    assert report["records"] == {"read": 2, "written": 1, "quarantined": 1, "duplicate": 0}
    assert not verify(str(tmp_path / "lake")).findings


def test_a_damaged_gz_object_is_quarantined_and_its_neighbours_are_written(tmp_path: Path, keys: Path) -> None:
    good = gzip.compress(file_of("1", "2", "3"))
    source = write(tmp_path / "in", {"a.hl7.gz": good, "b.hl7.gz": good[:-12], "c.hl7": file_of("2")})
    report = run(source, tmp_path / "lake", keys)
    assert report["objects"] == {"listed": 3, "written": 2, "done": 0, "quarantined": 1, "deferred": 0}
    assert report["records"] == {"read": 7, "written": 4, "quarantined": 3, "duplicate": 0}
    assert report["tables"]["hl7v2_messages"] == 4


def test_a_growing_file_gives_each_message_once(tmp_path: Path, keys: Path) -> None:
    source = tmp_path / "in"
    counts = []
    for day in range(1, 4):
        write(source, {"daily.hl7": file_of(*(str(n) for n in range(day * 2)))})
        counts.append(run(source, tmp_path / "lake", keys)["records"])
    assert [(c["written"], c["duplicate"]) for c in counts] == [(2, 0), (2, 2), (2, 4)]
    assert rows(tmp_path / "lake", "hl7v2_messages").num_rows == 6


def test_a_growing_file_whose_last_line_had_no_terminator_gives_each_message_once(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"daily.hl7": message("1")})
    run(source, tmp_path / "lake", keys)
    write(source, {"daily.hl7": file_of("1", "2")})
    report = run(source, tmp_path / "lake", keys)
    assert (report["records"]["written"], report["records"]["duplicate"]) == (1, 1)


def test_records_that_vanish_from_a_file_stay_and_a_finding_says_so(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"daily.hl7": file_of("1", "2")})
    run(source, tmp_path / "lake", keys)
    write(source, {"daily.hl7": file_of("2")})
    run(source, tmp_path / "lake", keys)
    assert rows(tmp_path / "lake", "hl7v2_messages").num_rows == 2
    assert "RECORD_VANISHED" in rows(tmp_path / "lake", "hl7v2_findings")["code"].to_pylist()


def test_what_is_younger_than_settle_is_left_for_the_next_run(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"old.hl7": file_of("1"), "young.hl7": file_of("2")})
    os.utime(source / "old.hl7", (0, 0))
    first = run(source, tmp_path / "lake", keys, settle_seconds=86_400)
    later = run(source, tmp_path / "lake", keys)
    assert first["objects"] == {"listed": 1, "written": 1, "done": 0, "quarantined": 0, "deferred": 0}
    assert later["objects"] == {"listed": 2, "written": 1, "done": 1, "quarantined": 0, "deferred": 0}


@pytest.mark.parametrize("pattern", ["b*", "[b]/*.hl7"])
def test_a_pattern_chooses_among_the_objects_of_an_inventory_too(tmp_path: Path, keys: Path, pattern: str) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    write(source / "b", {"b.hl7": file_of("2"), "c.txt": file_of("3")})
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in source.rglob("*.*")))
    report = run(source, tmp_path / "lake", keys, objects=str(tmp_path / "list.txt"), pattern=pattern)
    assert report["objects"] == {"listed": 1, "written": 1, "done": 0, "quarantined": 0, "deferred": 0}


def test_equal_bytes_under_another_key_are_written(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, tmp_path / "lake", keys)
    write(source, {"b.hl7": file_of("1")})
    assert run(source, tmp_path / "lake", keys)["records"]["written"] == 1


def test_records_below_the_score_are_quarantined(tmp_path: Path, keys: Path) -> None:
    poor = b"MSH|^~\\&|||||||ORU^R01||P\r"
    source = write(tmp_path / "in", {"a.hl7": file_of("1") + poor})
    report = run(source, tmp_path / "lake", keys, min_score=60)
    assert report["records"] == {"read": 2, "written": 1, "quarantined": 1, "duplicate": 0}
    assert rows(tmp_path / "lake", "quarantine")["code"].to_pylist() == ["RECORD_BELOW_SCORE"]


def test_by_default_a_poor_record_is_written_with_its_findings(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": b"MSH|^~\\&|||||||ORU^R01||P\r"})
    report = run(source, tmp_path / "lake", keys)
    assert report["records"]["written"] == 1
    assert report["tables"]["hl7v2_findings"] >= 3


def test_over_the_limit_nothing_is_committed(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1"), "b.hl7": b"{}"})
    with pytest.raises(LimitExceeded) as caught:
        run(source, tmp_path / "lake", keys, max_quarantine=0.4)
    assert caught.value.exit_code == 4
    assert parts(tmp_path / "lake") == {}


def test_over_the_limit_no_wave_is_committed(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {**{f"{n}.hl7": file_of(f"{n}") for n in range(4)}, "z.hl7": b"{}"})
    with pytest.raises(LimitExceeded) as caught:
        run(source, tmp_path / "lake", keys, max_quarantine=0.19, commit_every=1, bundle_bytes=400)
    assert caught.value.message.startswith("1 of 5 records")
    assert parts(tmp_path / "lake") == {}
    assert list((tmp_path / "lake" / "_runs").glob("0*.json")) == []


def test_the_limit_is_of_the_run_and_not_of_a_wave(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {**{f"{n}.hl7": file_of(f"{n}") for n in range(4)}, "z.hl7": b"{}"})
    report = run(source, tmp_path / "lake", keys, max_quarantine=0.2, commit_every=1, bundle_bytes=400)
    assert report["records"] == {"read": 5, "written": 4, "quarantined": 1, "duplicate": 0}
    assert report["entries"] == [1, 2, 3, 4]
    assert not verify(str(tmp_path / "lake")).findings


def test_a_second_policy_on_a_bound_lake_is_refused(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, tmp_path / "lake", keys)
    before = parts(tmp_path / "lake")
    with pytest.raises(ConfigError) as caught:
        run(source, tmp_path / "lake", keys, policy="hipaa-limited-data-set")
    assert caught.value.code == "ZONE_BOUND"
    assert parts(tmp_path / "lake") == before


def test_identified_tables_want_the_explicit_flag(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    with pytest.raises(ConfigError) as caught:
        run(source, tmp_path / "lake", keys, policy="identified")
    assert caught.value.code == "IDENTIFIED_NOT_ALLOWED"
    assert not (tmp_path / "lake").exists()


def test_a_retry_reads_quarantined_objects_again_and_writes_no_record_twice(tmp_path: Path, keys: Path) -> None:
    broken = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\r"
    source = write(tmp_path / "in", {"a.hl7": file_of("1") + broken, "b.hl7": file_of("2")})
    run(source, tmp_path / "lake", keys)
    report = run(source, tmp_path / "lake", keys, retry=frozenset({str(source / "a.hl7")}))
    assert report["records"] == {"read": 2, "written": 0, "quarantined": 0, "duplicate": 2}
    assert rows(tmp_path / "lake", "hl7v2_messages").num_rows == 2


def test_waves_of_a_run_are_entries_and_the_rows_are_the_same(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {f"{n}.hl7": file_of(f"{n}") for n in range(6)})
    run(source, tmp_path / "one", keys)
    report = run(source, tmp_path / "many", keys, commit_every=2, bundle_bytes=400)
    assert len(report["entries"]) == 3
    assert report["objects"]["written"] == 6
    assert everything(tmp_path / "many") == everything(tmp_path / "one")


def test_the_identified_zone_puts_each_message_together_again(tmp_path: Path, keys: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1", "2").replace(b"\r", b"\r\n")})
    run(source, tmp_path / "lake", keys, policy="identified", allow_identified=True)
    segments = rows(tmp_path / "lake", "hl7v2_segments", "identified").sort_by(
        [("_offset", "ascending"), ("sequence", "ascending")]
    )
    joined = b"".join(
        r + t for r, t in zip(segments["raw"].to_pylist(), segments["terminator"].to_pylist(), strict=True)
    )
    assert joined == message("1").replace(b"\r", b"\r\n") + message("2").replace(b"\r", b"\r\n")


def test_a_dry_run_writes_nothing(tmp_path: Path, keys: Path) -> None:
    from jobs.config import load_pipeline
    from jobs.run import ingest

    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    settings = {"source": str(source), "lake": str(tmp_path / "lake"), "policy": "pseudonymised"}
    pipeline = load_pipeline(None, settings).with_access(endpoint=None, keys=keys, create_keys=True)
    report = ingest(pipeline, dry_run=True)
    assert report["planned"] == {"objects": 1, "bytes": len(file_of("1")), "bundles": 1}
    assert report["head"]["number"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    json.dumps(report)


def test_a_dry_run_over_a_lake_plans_what_is_new_and_changes_nothing(tmp_path: Path, keys: Path) -> None:
    from jobs.config import load_pipeline
    from jobs.run import ingest

    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, tmp_path / "lake", keys)
    before = sorted(path for path in tmp_path.rglob("*"))
    write(source, {"b.hl7": file_of("2")})
    settings = {"source": str(source), "lake": str(tmp_path / "lake"), "policy": "pseudonymised"}
    pipeline = load_pipeline(None, settings).with_access(endpoint=None, keys=keys, create_keys=True)
    report = ingest(pipeline, dry_run=True)
    other = pipeline.model_copy(update={"policy": "hipaa-limited-data-set"})
    with pytest.raises(ConfigError) as caught:
        ingest(other, dry_run=True)
    assert (report["planned"]["objects"], report["objects"]["done"]) == (1, 1)
    assert caught.value.code == "ZONE_BOUND"
    assert sorted(path for path in tmp_path.rglob("*")) == sorted([*before, source / "b.hl7"])


def test_a_source_that_is_not_there_leaves_nothing_behind(tmp_path: Path, keys: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        run(tmp_path / "none", tmp_path / "lake", keys)
    with pytest.raises(ConfigError) as no_inventory:
        run(tmp_path, tmp_path / "lake", keys, objects=str(tmp_path / "none.csv"))
    assert (caught.value.code, no_inventory.value.code) == ("SOURCE_MISSING", "INVENTORY_MISSING")
    assert list(tmp_path.iterdir()) == []
