"""Every peer and Clinray itself write the same values from the same messages."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import compare, harness, ingest, messages
from benchmarks.ingest import COLUMNS, PEERS, Peer, missing_peers

COUNT = 1_000


@pytest.fixture(scope="module")
def missing() -> Mapping[str, str]:
    return missing_peers()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return messages.write_files(tmp_path_factory.mktemp("messages") / "source", COUNT)


def lake(source: Path, folder: Path, *flags: str) -> Path:
    run = harness.run_once(ingest.ours(source, *flags), folder)
    assert run.said["rows"] == COUNT
    return folder / "lake"


@pytest.fixture(scope="module")
def identified(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = lake(source, tmp_path_factory.mktemp("ours-identified"), "--identified")
    return compare.our_relation(folder, identified=True)


@pytest.fixture(scope="module")
def deidentified(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return compare.our_relation(lake(source, tmp_path_factory.mktemp("ours")), identified=False)


@pytest.fixture(params=PEERS, ids=lambda peer: peer.module)
def peer(request: pytest.FixtureRequest, missing: Mapping[str, str]) -> Peer:
    if request.param.module in missing:
        pytest.skip(missing[request.param.module])
    return request.param


def test_identified_values_equal_ours(peer: Peer, source: Path, identified: str, tmp_path: Path) -> None:
    run = harness.run_once(peer.side(source, "--identified"), tmp_path)
    assert run.said["rows"] == COUNT
    assert compare.identified(identified, compare.peer_relation(tmp_path), COLUMNS) == COUNT


def test_what_deidentifying_keeps_equals_ours(peer: Peer, source: Path, deidentified: str, tmp_path: Path) -> None:
    harness.run_once(peer.side(source), tmp_path)
    assert compare.deidentified(deidentified, compare.peer_relation(tmp_path), COLUMNS) == COUNT


def test_the_side_without_audit_writes_the_same_values(source: Path, deidentified: str, tmp_path: Path) -> None:
    without = compare.our_relation(lake(source, tmp_path, "--audit", "without"), identified=False)
    assert compare.deidentified(deidentified, without, COLUMNS) == COUNT
    assert not list((tmp_path / "lake" / "_runs").glob("0*.json"))


def test_one_file_gives_what_many_give(source: Path, deidentified: str, tmp_path: Path) -> None:
    joined = messages.join(source, tmp_path / "joined")
    whole = compare.our_relation(lake(joined, tmp_path / "ours"), identified=False)
    assert compare.deidentified(deidentified, whole, COLUMNS) == COUNT


def test_the_command_writes_page_plot_and_json(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "benchmarks", "--scale", "small", "--only", "tokens")
    harness.run_once(harness.Side("benchmarks", command), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RESULTS.md", "results.json", "results.svg"]


def test_a_side_that_warms_up_writes_the_same_and_leaves_nothing_else(source: Path, tmp_path: Path) -> None:
    careful = PEERS[0]
    cold = harness.run_once(careful.side(source), tmp_path / "work" / "cold")
    warm = harness.run_once(careful.side(source, "--warm"), tmp_path / "work" / "warm")
    assert warm.said["rows"] == cold.said["rows"] == COUNT
    assert cold.first == cold.seconds
    assert warm.first + warm.seconds < warm.wall
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["cold", "warm"]
