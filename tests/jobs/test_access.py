"""Keys are opened as the pipeline says, or the run does not begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from connectors.errors import ConfigError
from jobs.__main__ import app
from jobs.access import open_keys
from jobs.config import KeySettings, Pipeline


def pipeline(folder: Path, **settings: Any) -> Pipeline:
    return Pipeline(source="/in", lake="/lake", policy="pseudonymised", keys=KeySettings(folder=folder, **settings))


def test_a_key_service_that_is_set_wraps_the_data_key(s3: Any, tmp_path: Path) -> None:
    service = boto3.client("kms", endpoint_url=s3.endpoint, region_name="us-east-1")
    key = service.create_key()["KeyMetadata"]["KeyId"]
    chosen = pipeline(tmp_path / "k", kms_key=key, kms_context={"dataset": "stroke"}, kms_endpoint=s3.endpoint)
    made, again = open_keys(chosen), open_keys(chosen)
    file = json.loads((tmp_path / "k" / "data-key.json").read_text())
    assert file["wrapped"]["context"] == {"dataset": "stroke"}
    assert "key" not in file
    assert (made.key_id, again.created) == (again.key_id, ())
    assert made.data.path == ""


def test_a_plain_key_is_refused_where_a_key_service_is_set(tmp_path: Path) -> None:
    open_keys(pipeline(tmp_path))
    with pytest.raises(ConfigError) as caught:
        open_keys(pipeline(tmp_path, kms_key="alias/x", kms_context={"dataset": "stroke"}))
    assert caught.value.code == "KEY_NOT_WRAPPED"


def test_the_commands_make_a_wrapped_key_and_wrap_it_anew(s3: Any, tmp_path: Path) -> None:
    service = boto3.client("kms", endpoint_url=s3.endpoint, region_name="us-east-1")
    key = service.create_key()["KeyMetadata"]["KeyId"]
    folder = ["--keys", str(tmp_path / "k"), "--json"]
    made = CliRunner().invoke(
        app, ["keys", "init", "--kms-key", key, "--context", "dataset=stroke", "--endpoint", s3.endpoint, *folder]
    )
    before = json.loads((tmp_path / "k" / "data-key.json").read_text())
    anew = CliRunner().invoke(app, ["keys", "rewrap", *folder])
    assert (made.exit_code, anew.exit_code) == (0, 0)
    assert json.loads(anew.stdout) == {"rewrapped": str(tmp_path / "k" / "data-key.json")}
    after = json.loads((tmp_path / "k" / "data-key.json").read_text())
    assert after.keys() == before.keys()
    assert after["wrapped"] != before["wrapped"]
    assert (after["wrapped"]["context"], (tmp_path / "k" / "data-key.json").stat().st_mode & 0o777) == (
        {"dataset": "stroke"},
        0o600,
    )


def test_a_plain_key_is_not_wrapped_anew(tmp_path: Path) -> None:
    open_keys(pipeline(tmp_path))
    said = CliRunner().invoke(app, ["keys", "rewrap", "--keys", str(tmp_path), "--json"])
    assert (said.exit_code, json.loads(said.stdout)["error"]["code"]) == (2, "KEY_NOT_WRAPPED")
