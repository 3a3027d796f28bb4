"""The pipeline file: what it may hold, and one sentence for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ConfigError
from jobs.config import KeySettings, keys_folder, load_pipeline

SETTINGS = {"source": "/in", "lake": "/lake", "policy": "pseudonymised"}


def test_flags_are_laid_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("source: /in\nlake: /lake\npolicy: identified\ntime_zone: Europe/Zurich\n")
    pipeline = load_pipeline(file, {"policy": "pseudonymised", "lake": None})
    assert (pipeline.policy, pipeline.lake, pipeline.time_zone) == ("pseudonymised", "/lake", "Europe/Zurich")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sauce": "x"}, "sauce: is no setting of a pipeline"),
        ({"source": None}, "source: Field required"),
        ({"time_zone": "Mars/Base"}, "time_zone: is no IANA time zone"),
        ({"lake": "/in/"}, "pipeline: source and lake are the same place"),
        ({"lake": "file:///in"}, "pipeline: source and lake are the same place"),
        ({"lake": "/in/lake"}, "pipeline: the lake lies in the source, so that the next run would read it"),
        ({"source": ".", "lake": "lake"}, "pipeline: the lake lies in the source, so that the next run would read it"),
        (
            {"source": "s3://b", "lake": "s3://b/lake"},
            "pipeline: the lake lies in the source, so that the next run would read it",
        ),
        ({"source": "caf\udce9"}, "source: is not UTF-8"),
        ({"max_quarantine": 2}, "max_quarantine: Input should be less than or equal to 1"),
        ({"stages": ["shred"]}, "stages.0: Input should be 'validate' or 'deidentify'"),
    ],
)
def test_what_a_pipeline_may_not_hold_is_said_in_a_sentence(changes: dict[str, object], sentence: str) -> None:
    settings = {k: v for k, v in {**SETTINGS, **changes}.items() if v is not None}
    with pytest.raises(ConfigError) as caught:
        load_pipeline(None, settings)
    assert caught.value.code == "PIPELINE_INVALID"
    assert caught.value.message == sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"lake": "/in-lake"},
        {"source": "s3://b/in", "lake": "s3://b/in2"},
        {"lake": "/in/lake", "pattern": "*.hl7"},
        {"lake": "/in/lake", "objects": "/list.txt"},
    ],
)
def test_a_lake_whose_parts_no_run_would_read_is_taken(changes: dict[str, str]) -> None:
    assert load_pipeline(None, {**SETTINGS, **changes}).lake == changes["lake"]


@pytest.mark.parametrize(("content", "code"), [(b"\xff\xfe", "PIPELINE_INVALID"), (b"- a", "PIPELINE_INVALID")])
def test_a_file_that_is_no_pipeline_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_pipeline(file, {})
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("source: /in\nlake: /lake\npolicy: identified\npolicy: pseudonymised\n", 4),
        ("source: /in\n'source': /other\nlake: /lake\npolicy: pseudonymised\n", 2),
        ("source: /in\nlake: /lake\npolicy: pseudonymised\nkeys:\n  folder: /a\n  folder: /b\n", 6),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_pipeline(file, {})
    assert caught.value.code == "PIPELINE_INVALID"
    assert caught.value.message == f"the pipeline file {file} names a key twice, in line {line}"


def test_a_mapping_may_take_in_another_one_beside_its_own_keys(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    stores = "source_store: &store {region: eu-west-1, endpoint: 'http://s3'}\nlake_store: {<<: *store, region: x}\n"
    file.write_text(f"source: /in\nlake: /lake\npolicy: pseudonymised\n{stores}")
    pipeline = load_pipeline(file, {})
    assert (pipeline.lake_store.endpoint, pipeline.lake_store.region) == ("http://s3", "x")


@pytest.mark.parametrize("text", ["{", "? [a]\n: b\n", "? {a: b}\n: c\n"])
def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_pipeline(file, {})
    assert (caught.value.code, caught.value.message) == ("PIPELINE_INVALID", f"the pipeline file {file} is not YAML")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline(tmp_path / "none.yaml", {})
    assert caught.value.code == "PIPELINE_UNREADABLE"


def test_the_digest_follows_from_what_decides_the_outcome() -> None:
    one = load_pipeline(None, SETTINGS)
    other_keys = one.with_access(endpoint="http://127.0.0.1:1", keys=Path("/k"), create_keys=False)
    other_zone = load_pipeline(None, {**SETTINGS, "time_zone": "Asia/Tokyo"})
    assert one.digest == other_keys.digest
    assert one.digest != other_zone.digest


def test_keys_lie_in_the_users_configuration_folder_unless_said_otherwise() -> None:
    assert keys_folder(KeySettings(), {"HOME": "/home/u"}) == Path("/home/u/.config/clinray")
    assert keys_folder(KeySettings(), {"HOME": "/home/u", "XDG_CONFIG_HOME": "/x"}) == Path("/x/clinray")
    assert keys_folder(KeySettings(), {"CLINRAY_KEYS": "/secret"}) == Path("/secret")
    assert keys_folder(KeySettings(folder=Path("/f")), {"CLINRAY_KEYS": "/secret"}) == Path("/f")
