"""The run log names the container image that a run came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import file_of, run, write

from connectors.lake import Lake

DIGEST = "sha256:" + "5a" * 32


def notes(tmp_path: Path) -> object:
    run(write(tmp_path / "in", {"a.hl7": file_of("C1")}), tmp_path / "lake", tmp_path / "keys")
    return Lake.open(str(tmp_path / "lake")).entries()[0].content["notes"]


def test_the_digest_that_a_deployment_hands_on_stands_in_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINRAY_IMAGE_DIGEST", DIGEST)
    assert notes(tmp_path) == {"format": "hl7v2", "image": DIGEST}


def test_without_a_container_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINRAY_IMAGE_DIGEST", "")
    assert notes(tmp_path) == {"format": "hl7v2"}
