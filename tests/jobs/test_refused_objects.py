"""An object that may not be read, behind a real S3 that answers 403 for it: it waits, and costs no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.s3_faults import Fault, FaultLayer, fault_layer
from running import file_of
from typer.testing import CliRunner

from jobs.__main__ import app

REFUSED = {"OBJECT_REFUSED": 1}


@pytest.fixture
def layer(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultLayer]:
    """Between the program and a bucket that holds three objects of a message each."""
    for name in "abc":
        s3.put(f"in/{name}.hl7", file_of(name))
    with fault_layer(s3.endpoint) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.endpoint)
        yield between


def ingest(s3: Any, place: Path, *more: str) -> tuple[int, str, str]:
    """Exit code, standard output, and standard error of an ingest of the bucket into a local lake."""
    flags = {"source": f"{s3.uri}/in", "lake": place / "lake", "policy": "pseudonymised", "keys": place / "keys"}
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    result = CliRunner().invoke(app, ["ingest", *words, "--cpus", "0", "--json", *more])
    return result.exit_code, result.stdout, result.stderr


def test_an_object_that_is_refused_waits_and_the_others_are_written(s3: Any, tmp_path: Path, layer: FaultLayer) -> None:
    layer.add(Fault("403", part="/b.hl7"))
    code, said, _ = ingest(s3, tmp_path)
    report = json.loads(said)
    assert (code, report["deferred"], report["objects"]["written"], report["records"]["written"]) == (3, REFUSED, 2, 2)


def test_it_is_read_by_the_first_run_that_may(s3: Any, tmp_path: Path, layer: FaultLayer) -> None:
    layer.add(Fault("403", part="/b.hl7", times=1))
    ingest(s3, tmp_path)
    code, said, _ = ingest(s3, tmp_path)
    report = json.loads(said)
    assert (code, report["deferred"], report["objects"]["done"], report["records"]["written"]) == (0, {}, 2, 1)


def test_it_goes_on_waiting_where_nothing_else_is_new(s3: Any, tmp_path: Path, layer: FaultLayer) -> None:
    layer.add(Fault("403", part="/b.hl7"))
    ingest(s3, tmp_path)
    code, said, _ = ingest(s3, tmp_path)
    report = json.loads(said)
    assert (code, report["deferred"], report["objects"]["done"], report["entries"]) == (3, REFUSED, 2, [])


def test_an_object_that_would_be_split_waits_too(s3: Any, tmp_path: Path, layer: FaultLayer) -> None:
    s3.put("in/b.hl7", file_of(*(f"b{n}" for n in range(20))))
    layer.add(Fault("403", part="/b.hl7"))
    (tmp_path / "pipeline.yaml").write_text("bundle_bytes: 300\n")
    code, said, _ = ingest(s3, tmp_path, str(tmp_path / "pipeline.yaml"))
    report = json.loads(said)
    assert (code, report["deferred"], report["records"]["written"]) == (3, REFUSED, 2)


def test_where_none_may_be_read_one_sentence_says_so_and_nothing_is_written(
    s3: Any, tmp_path: Path, layer: FaultLayer
) -> None:
    layer.add(Fault("403", part=".hl7"))
    code, said, told = ingest(s3, tmp_path)
    assert (code, list(tmp_path.iterdir())) == (2, [])
    sentence = f"none of 3 objects may be read, {s3.uri}/in/a.hl7 the first: check credentials and rights"
    assert told == f"clinray: STORE_REFUSED: {sentence}\n"
    assert json.loads(said)["error"] == {"code": "STORE_REFUSED", "message": sentence}
