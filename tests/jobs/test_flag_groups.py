"""Groups of flags: a command takes their members, and the flags of a pipeline are the keys of its file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from jobs.config import Pipeline, StoreSettings
from jobs.flag_groups import spread
from jobs.flags import PipelineFlags, StoreFlags

MAPPINGS = {"source_store", "lake_store", "keys"}


@dataclass(frozen=True)
class Measures:
    width: Annotated[int, typer.Option("--width", "-w")]
    height: Annotated[int, typer.Option()] = 3


def area(
    name: Annotated[str, typer.Argument()], measures: Measures, unit: Annotated[str, typer.Option()] = "m"
) -> None:
    print(name, measures.width * measures.height, unit)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["door", "-w", "2"], "door 6 m\n"), (["--height", "1", "--width", "2", "door", "--unit", "cm"], "door 2 cm\n")],
)
def test_a_group_is_given_by_the_flags_of_its_fields(arguments: list[str], said: str) -> None:
    app = typer.Typer()
    app.command()(spread(area))
    assert CliRunner().invoke(app, arguments).output == said


def test_a_member_without_a_default_has_to_be_given() -> None:
    app = typer.Typer()
    app.command()(spread(area))
    assert CliRunner().invoke(app, ["door"]).exit_code == 2


def test_every_key_of_a_pipeline_that_is_no_mapping_is_a_flag() -> None:
    flags = {f.name for f in fields(PipelineFlags)} - {"pipeline"}
    assert flags == set(Pipeline.model_fields) - MAPPINGS


def test_every_setting_of_a_store_is_a_flag() -> None:
    assert {f.name for f in fields(StoreFlags)} == set(StoreSettings.model_fields)


def test_the_flags_arrive_in_the_pipeline() -> None:
    given = {
        "source": "/in",
        "lake": "s3://b/lake",
        "policy": "pseudonymised",
        "format": "hl7v2",
        "allow_identified": True,
        "time_zone": "Asia/Tokyo",
        "objects": "/list.csv",
        "pattern": "*.hl7",
        "settle_seconds": 3.0,
        "bundle_bytes": 4096,
        "chunk_bytes": 2048,
        "commit_every": 7,
        "min_score": 50.0,
        "max_quarantine": 0.5,
    }
    store = StoreFlags("https://s3.example", "eu-north-1", True)
    made = PipelineFlags(**given, stages="validate, deidentify").load(store, Path("/k"), create_keys=False)
    assert {name: getattr(made, name) for name in given} == given
    assert set(given) | {"stages"} == set(Pipeline.model_fields) - MAPPINGS
    assert made.stages == ("validate", "deidentify")
    assert made.source_store == made.lake_store
    assert made.lake_store == StoreSettings(endpoint="https://s3.example", region="eu-north-1", virtual_hosted=True)
    assert (made.keys.folder, made.keys.create) == (Path("/k"), False)


def test_no_stages_are_none(tmp_path: Path) -> None:
    flags = PipelineFlags(source="/in", lake="/l", policy="identified", stages="none")
    assert flags.load(StoreFlags(), None, create_keys=True).stages == ()


def test_the_flags_of_a_store_leave_what_the_file_says_where_they_are_not_given(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("{source: /in, lake: /l, policy: identified, lake_store: {region: x, virtual_hosted: true}}")
    made = PipelineFlags(pipeline=file).load(StoreFlags(endpoint="http://127.0.0.1:1"), None, create_keys=True)
    assert made.lake_store == StoreSettings(endpoint="http://127.0.0.1:1", region="x", virtual_hosted=True)
