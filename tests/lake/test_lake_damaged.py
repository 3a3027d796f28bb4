"""A lake whose own files are damaged or gone: what reads them says which, and what writes adds nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from building import RECORDS, SIGNER, ZONE, commit, draft, new_lake

from connectors.errors import LakeError
from connectors.lake import Lake
from connectors.lake.layout import MARKER, inputs_key, leaves_key
from connectors.lake.verify import verify
from connectors.storage.local import LocalStore


@pytest.fixture
def lake(place) -> Lake:
    """Two entries, the first with something in quarantine."""
    lake = new_lake(place.uri, place.options)
    commit(lake, "a", "b", quarantined=1)
    commit(lake, "c")
    return Lake.open(place.uri, place.options)


def damage(lake: Lake, key: str, at: int) -> None:
    """Flips a bit of a byte; at: from the end where it is negative."""
    data = bytearray(lake.store.get(key))
    data[at] ^= 1
    lake.store.put(key, bytes(data))


def refused(call) -> str:
    with pytest.raises(LakeError) as raised:
        call()
    assert raised.value.exit_code == 1
    return str(raised.value)


@pytest.mark.parametrize("at", [0, 30, -30, -1])
def test_damaged_inputs(lake, at):
    key = inputs_key(lake.entries()[1].inputs)
    damage(lake, key, at)
    said = f"INPUTS_CHANGED: {key} is not the file that the log names; run clinray verify"
    assert refused(lambda: lake.done(ZONE)) == said
    assert refused(lambda: lake.inputs_of(lake.entries()[1])) == said
    assert lake.inputs_of(lake.entries()[0], ["key"])["key"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("number", [1, 2])
def test_missing_inputs(lake, number):
    key = inputs_key(lake.entries()[number - 1].inputs)
    lake.store.delete([key])
    said = f"INPUTS_MISSING: {key} is named by the log and not in the lake; run clinray verify"
    assert refused(lambda: lake.done(ZONE)) == said
    assert refused(lambda: lake.inputs_of(lake.entries()[number - 1])) == said


@pytest.mark.parametrize("at", [0, 30, -30, -1])
def test_damaged_leaves(lake, at):
    key = leaves_key(lake.entries()[0].leaves)
    damage(lake, key, at)
    said = f"LEAVES_CHANGED: {key} is not the file that the log names; run clinray verify"
    assert refused(lambda: list(lake.parts(ZONE))) == said
    assert refused(lambda: lake.record_ids(ZONE, RECORDS, pa.array(["a"]))) == said
    assert len(lake.parts_of(lake.entries()[1])) == 2


def test_missing_leaves(lake):
    key = leaves_key(lake.entries()[0].leaves)
    lake.store.delete([key])
    said = f"LEAVES_MISSING: {key} is named by the log and not in the lake; run clinray verify"
    assert refused(lambda: list(lake.parts(ZONE))) == said


def test_nothing_is_committed_upon_damaged_inputs_of_another_run(tmp_path: Path):
    lake, other = new_lake(str(tmp_path)), new_lake(str(tmp_path))
    mine = draft(lake, ["a"])
    key = inputs_key(commit(other, "b").inputs)
    damage(other, key, 30)
    assert refused(lambda: lake.commit(mine)).startswith(f"INPUTS_CHANGED: {key} ")
    assert Lake.open(str(tmp_path)).head()[0] == 1


def test_a_log_without_its_marker_gets_no_new_one(lake, place):
    lake.store.delete([MARKER])
    said = f"LAKE_MISSING: {lake.uri} has entries and no _runs/lake.json; put it back from a copy"
    assert refused(lambda: Lake.create_or_open(place.uri, place.options, signer=SIGNER)) == said
    assert refused(lambda: Lake.open(place.uri, place.options)) == said
    assert refused(lambda: verify(place.uri, place.options)) == said
    assert lake.store.head(MARKER) is None


def test_a_lake_that_another_makes_and_writes_to_meanwhile_is_opened(tmp_path, monkeypatch):
    listed = LocalStore.list

    def late(store, prefix=""):
        """Once there was no marker, and before the list is made, the other one is done."""
        monkeypatch.setattr(LocalStore, "list", listed)
        commit(new_lake(str(tmp_path)), "a")
        return listed(store, prefix)

    monkeypatch.setattr(LocalStore, "list", late)
    assert Lake.create_or_open(str(tmp_path), signer=SIGNER).head()[0] == 1
