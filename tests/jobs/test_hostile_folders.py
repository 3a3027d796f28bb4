"""Whole folders of bad input through the real ingest, from a folder and from a bucket: every good message is written,
every byte is accounted for, and nothing that was read is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import CANARIES, CANARY, Expected, good, large, small, written
from own_environment import OWN_ENVIRONMENT
from running import everything, parts, rows, run

from connectors.lake import Lake
from connectors.lake.verify import verify
from connectors.storage import StorageOptions
from jobs.leaks import find_leaks
from jobs.quarantined import spans

NO_PATHS = {key: written(good("1"), 1) for key in ("a//b.hl7", "up/../down.hl7", "./here.hl7", "/lead.hl7")}
"""Keys that a bucket may hold and a folder may not."""
NO_ADDRESSES = {"line\nbreak.hl7": written(good("1"), 1)}
"""The other way round, as far as the tests' own S3 goes."""


@dataclass(frozen=True)
class Ran:
    """An ingest of the command line that has ended, and what lay in its source."""

    source: str
    lake: str
    keys: Path
    options: StorageOptions
    files: dict[str, Expected]
    ended: subprocess.CompletedProcess[bytes]

    @property
    def report(self) -> dict[str, Any]:
        return json.loads(self.ended.stdout)

    def key_of(self, uri: str) -> str:
        return uri.removeprefix(f"{self.source}/")


def clinray(source: str, lake: str, keys: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    """An ingest as a user starts it."""
    places = ["--source", source, "--lake", lake, "--keys", str(keys), "--policy", "pseudonymised", "--cpus", "0"]
    command = [sys.executable, "-m", "jobs", "ingest", *places, "--json", "--log-format", "json", *more]
    return subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[2], check=False)


def fill(folder: Path, files: dict[str, Expected]) -> Path:
    for key, file in files.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(file.content)
    return folder


def folder(work: Path) -> tuple[str, str, StorageOptions, dict[str, Expected]]:
    files = {**small(), **large(), **NO_ADDRESSES}
    source = fill(work / "in", files)
    (source / "circle").symlink_to(source)
    (source / "itself.hl7").symlink_to("itself.hl7")
    (source / "nowhere.hl7").symlink_to("gone.hl7")
    (source / "an empty folder.hl7").mkdir()
    os.mkfifo(source / "pipe.hl7")
    return str(source), str(work / "lake"), StorageOptions(), files


def bucket(endpoint: str) -> tuple[str, str, StorageOptions, dict[str, Expected]]:
    name = f"hostile-{uuid.uuid4().hex[:12]}"
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=name)
    files = {**small(), **large(), **NO_PATHS}
    for key, file in files.items():
        client.put_object(Bucket=name, Key=f"in/{key}", Body=file.content)
    client.put_object(Bucket=name, Key="in/marker of a folder/", Body=b"")
    return f"s3://{name}/in", f"s3://{name}/lake", StorageOptions(endpoint=endpoint), files


@pytest.fixture(scope="module", params=["folder", "bucket"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Ran]:
    work = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**OWN_ENVIRONMENT, "AWS_ENDPOINT_URL": s3_endpoint}.items():
            environment.setenv(name, value)
        source, lake, options, files = folder(work) if request.param == "folder" else bucket(s3_endpoint)
        keys = work / "keys"
        yield Ran(source, lake, keys, options, files, clinray(source, lake, keys))


def inputs(ran: Ran) -> list[dict[str, Any]]:
    """What the log says of each object."""
    store = Lake.open(ran.lake, ran.options).store
    keys = [raw.uri.removeprefix(f"{ran.lake}/") for page in store.list("restricted") for raw in page]
    files = [pq.read_table(pa.BufferReader(store.get(key))) for key in keys if key.startswith("restricted/inputs-")]
    return pa.concat_tables(files).to_pylist()


def test_the_run_ends_well_with_its_object_and_a_log_of_counts(ran: Ran) -> None:
    logged = [json.loads(line) for line in ran.ended.stderr.splitlines()]
    assert (ran.ended.returncode, ran.ended.stdout.count(b"\n")) == (0, 1)
    assert [line["event"] for line in logged] == ["planned", "committed", "ended"]
    assert {group: logged[1][group] for group in ("objects", "records", "bytes", "tables")} == {
        group: ran.report[group] for group in ("objects", "records", "bytes", "tables")
    }


def test_no_content_is_said(ran: Ran) -> None:
    assert all(CANARY in name.encode() for name in CANARIES)
    assert CANARY not in ran.ended.stdout + ran.ended.stderr


def test_objects_and_records_balance_exactly(ran: Ran) -> None:
    outcomes = [file.outcome for file in ran.files.values()]
    kept, held = outcomes.count("written"), outcomes.count("quarantined")
    assert ran.report["objects"] == {
        "listed": len(ran.files),
        "written": kept,
        "done": 0,
        "quarantined": held,
        "deferred": 0,
    }
    good_ones = sum(file.written for file in ran.files.values())
    bad_ones = sum(file.quarantined for file in ran.files.values())
    assert ran.report["records"] == {
        "read": good_ones + bad_ones,
        "written": good_ones,
        "quarantined": bad_ones,
        "duplicate": 0,
    }


def test_every_byte_is_accounted_for(ran: Ran) -> None:
    counted = ran.report["bytes"]
    assert counted["read"] == sum(file.read for file in ran.files.values())
    assert counted["read"] == counted["records"] + counted["quarantined"] + counted["envelope"]
    assert counted["quarantined"] == sum(length for file in ran.files.values() for _, _, length in file.spans)


def test_each_object_comes_to_what_its_content_deserves(ran: Ran) -> None:
    counted = {
        ran.key_of(row["key"]): (row["outcome"], row["records_written"], row["records_quarantined"])
        for row in inputs(ran)
    }
    assert counted == {key: (file.outcome, file.written, file.quarantined) for key, file in ran.files.items()}


def test_each_bad_span_has_its_code_and_place(ran: Ran) -> None:
    held = spans(Lake.open(ran.lake, ran.options), None, 10_000)
    found = sorted((ran.key_of(s["object"]), s["code"], s["offset"], s["length"]) for s in held)
    assert found == sorted((key, *span) for key, file in ran.files.items() for span in file.spans)


def test_every_good_message_stands_in_the_tables(ran: Ran) -> None:
    expected = sum(file.written for file in ran.files.values())
    assert ran.report["tables"]["hl7v2_messages"] == expected
    assert rows(ran.lake, "hl7v2_messages").num_rows == expected


def test_the_lake_is_proved_and_holds_no_canary(ran: Ran) -> None:
    assert verify(ran.lake, ran.options).findings == []
    assert find_leaks(ran.lake, ran.options, CANARIES, []) == []


def test_the_same_folder_again_is_done_without_being_read(ran: Ran) -> None:
    again = clinray(ran.source, ran.lake, ran.keys)
    report = json.loads(again.stdout)
    assert (again.returncode, b"Traceback" in again.stderr) == (0, False)
    assert (report["objects"]["listed"], report["objects"]["done"]) == (len(ran.files), len(ran.files))
    assert (report["bytes"]["read"], report["entries"]) == (0, [])


def test_bad_objects_in_ranges_give_the_rows_of_the_whole(tmp_path: Path) -> None:
    files = {key: file for key, file in small().items() if not key.startswith(("names/", "cut/1", "cut/2"))}
    source = fill(tmp_path / "in", files)
    whole = run(source, tmp_path / "whole", tmp_path / "keys")
    split = run(source, tmp_path / "split", tmp_path / "keys", bundle_bytes=400, chunk_bytes=1024)
    assert (whole["bundles"], split["bundles"]) == (1, 93)
    assert {g: split[g] for g in ("objects", "records", "bytes")} == {
        g: whole[g] for g in ("objects", "records", "bytes")
    }
    assert everything(tmp_path / "split") == everything(tmp_path / "whole")


@pytest.fixture
def shut_below(tmp_path: Path, shut: Callable[[Path], Path]) -> Callable[[str], Path]:
    """Takes the right to read a file or folder of a source of three messages; the path that is shut."""
    files = {"a.hl7": written(good("1"), 1), "b.hl7": written(good("2"), 1), "folder/c.hl7": written(good("3"), 1)}
    source = fill(tmp_path / "in", files)
    return lambda name: shut(source / name)


def test_a_folder_that_may_not_be_read_stops_the_run_before_a_row_is_written(
    tmp_path: Path, shut_below: Callable[[str], Path]
) -> None:
    place = shut_below("folder")
    ended = clinray(str(tmp_path / "in"), str(tmp_path / "lake"), tmp_path / "keys")
    sentence = f"clinray: STORE_REFUSED: {place} may not be read or written by this user\n"
    assert (ended.returncode, ended.stderr.decode()) == (2, sentence)
    assert not (tmp_path / "lake").exists() or parts(tmp_path / "lake") == {}


def test_a_file_that_may_not_be_read_is_left_for_the_next_run_and_costs_no_other(
    tmp_path: Path, shut_below: Callable[[str], Path]
) -> None:
    place = shut_below("b.hl7")
    ended = clinray(str(tmp_path / "in"), str(tmp_path / "lake"), tmp_path / "keys")
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["deferred"], report["records"]["written"]) == (3, {"OBJECT_REFUSED": 1}, 2)
    place.chmod(0o600)
    again = clinray(str(tmp_path / "in"), str(tmp_path / "lake"), tmp_path / "keys")
    report = json.loads(again.stdout)
    assert (again.returncode, report["deferred"], report["records"]["written"]) == (0, {}, 1)
