"""A bucket that stands in the host name: a real S3 behind a proxy that knows every host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults.s3_faults import fault_layer
from running import file_of
from typer.testing import CliRunner

from jobs.__main__ import app

HOST = "store.test"
HOSTED = {"endpoint": f"http://{HOST}", "virtual_hosted": True}


def test_source_and_lake_are_reached_by_the_buckets_host_name_alone(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        s3.put(f"in/{name}.hl7", file_of(name))
    lake = f"{s3.uri}/lake"
    pipeline = {
        "source": f"{s3.uri}/in/",
        "lake": lake,
        "policy": "pseudonymised",
        "keys": {"folder": str(tmp_path / "keys")},
        "source_store": HOSTED,
        "lake_store": HOSTED,
    }
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(pipeline))
    with fault_layer(s3.endpoint) as proxy:
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        monkeypatch.setenv("no_proxy", "")
        ran = CliRunner().invoke(app, ["ingest", str(tmp_path / "pipeline.yaml"), "--cpus", "0", "--json"])
        proven = CliRunner().invoke(app, ["verify", lake, "--endpoint", f"http://{HOST}", "--virtual-hosted", "--json"])
    assert (ran.exit_code, json.loads(ran.stdout)["records"]["written"]) == (0, 3)
    assert (proven.exit_code, json.loads(proven.stdout)["ok"]) == (0, True)
    assert {path.split("/")[2] for _, path in proxy.requests} == {f"{s3.bucket}.{HOST}"}
