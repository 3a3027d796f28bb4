"""A bucket as source and as lake, and what happens when it falters."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from faults.s3_faults import Fault, fault_layer
from running import file_of

from connectors.errors import ConfigError
from connectors.lake.verify import verify
from jobs.config import load_pipeline
from jobs.run import ingest


def run(s3: Any, keys: Path, endpoint: str | None = None, lake: str = "lake") -> dict[str, Any]:
    settings = {"source": f"{s3.uri}/in", "lake": f"{s3.uri}/{lake}", "policy": "pseudonymised"}
    pipeline = load_pipeline(None, settings).with_access(endpoint=None, keys=keys, create_keys=True)
    if endpoint:
        pipeline = pipeline.model_copy(
            update={"source_store": pipeline.source_store.model_copy(update={"endpoint": endpoint})}
        )
    return ingest(pipeline, cpus=0)


def test_a_bucket_becomes_a_verified_lake_in_a_bucket(s3: Any, tmp_path: Path) -> None:
    for n in range(3):
        s3.put(f"in/{n} ü.hl7", file_of(f"{n}", f"{n}b"))
    first, again = run(s3, tmp_path / "keys"), run(s3, tmp_path / "keys")
    assert first["records"] == {"read": 6, "written": 6, "quarantined": 0, "duplicate": 0}
    assert (again["objects"]["done"], again["entries"]) == (3, [])
    assert not verify(f"{s3.uri}/lake", s3.options).findings


def test_what_is_in_the_log_is_not_opened_again(s3: Any, tmp_path: Path) -> None:
    s3.put("in/a.hl7", file_of("1"))
    s3.put("in/large.hl7", file_of(*(str(n) for n in range(100))))
    run(s3, tmp_path / "keys")
    s3.put("in/new.hl7", file_of("2"))
    with fault_layer(s3.endpoint) as layer:
        report = run(s3, tmp_path / "keys", layer.endpoint)
        assert [layer.count("GET", f"in/{name}.hl7") for name in ("a", "large", "new")] == [0, 0, 1]
    assert (report["objects"]["done"], report["objects"]["written"]) == (2, 1)


def test_throttling_and_errors_that_pass_cost_nothing(s3: Any, tmp_path: Path) -> None:
    s3.put("in/a.hl7", file_of("1"))
    s3.put("in/b.hl7", file_of("2"))
    with fault_layer(s3.endpoint) as layer:
        layer.add(Fault("503", part="in/a.hl7", times=1))
        layer.add(Fault("500", part="in/b.hl7", times=1))
        report = run(s3, tmp_path / "keys", layer.endpoint)
    assert report["objects"] == {"listed": 2, "written": 2, "done": 0, "quarantined": 0, "deferred": 0}


def test_an_object_that_is_gone_is_deferred_and_its_neighbour_is_written(s3: Any, tmp_path: Path) -> None:
    s3.put("in/a.hl7", file_of("1"))
    s3.put("in/b.hl7", file_of("2"))
    with fault_layer(s3.endpoint) as layer:
        layer.add(Fault("404", part="in/a.hl7"))
        report = run(s3, tmp_path / "keys", layer.endpoint)
    assert report["objects"] == {"listed": 2, "written": 1, "done": 0, "quarantined": 0, "deferred": 1}
    assert report["deferred"] == {"OBJECT_GONE": 1}
    assert run(s3, tmp_path / "keys")["objects"]["written"] == 1


def test_an_object_that_changes_under_way_is_deferred_and_not_mixed(s3: Any, tmp_path: Path) -> None:
    s3.put("in/a.hl7", file_of("1"))
    with fault_layer(s3.endpoint) as layer:
        change = lambda: s3.put("in/a.hl7", file_of("2"))  # noqa: E731
        # The first request asks whether it may be read at all.
        layer.add(Fault("change", part="in/a.hl7", after=1, times=1, change=change))
        report = run(s3, tmp_path / "keys", layer.endpoint)
    assert report["objects"]["deferred"] == 1
    assert report["records"]["read"] == 0
    assert run(s3, tmp_path / "keys")["records"]["written"] == 1


def test_an_endpoint_that_is_no_store_is_a_mistake_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings = {"source": "s3://raw/hl7/", "lake": str(tmp_path / "lake"), "policy": "pseudonymised"}
    endpoint = f"http://127.0.0.1:{server.server_port}"
    pipeline = load_pipeline(None, settings).with_access(endpoint=endpoint, keys=tmp_path / "keys", create_keys=True)
    try:
        with pytest.raises(ConfigError) as refused:
            ingest(pipeline, cpus=0)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert refused.value.code == "BUCKET_MISSING"
    assert not (tmp_path / "lake").exists()
