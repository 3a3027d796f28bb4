"""A lake whose own files are damaged or gone: what reads them says which, and what writes adds nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from building import OTHER_SIGNER, RECORDS, SCHEMAS, SIGNER, ZONE, commit, draft, new_lake

from connectors.errors import LakeError
from connectors.lake import Lake
from connectors.lake.layout import MARKER, entry_key, inputs_key, leaves_key, public_key_key
from connectors.lake.signing import key_id, to_pem
from connectors.lake.vacuum import vacuum
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


def test_nothing_is_added_to_a_log_that_was_cut_behind_its_tables(lake, place):
    lake.store.delete([entry_key(2)])
    cut = Lake.open(place.uri, place.options, signer=SIGNER)
    draft(cut, ["d"])
    for call in (cut.roll_forward, cut.check_tables, lambda: vacuum(cut, timedelta(0))):
        said = refused(call)
        assert said.startswith("TABLE_AHEAD: the Delta table ")
        assert said.endswith(" is at entry 2, which the log lacks; run clinray verify")
    assert Lake.open(place.uri, place.options).head()[0] == 1


def test_tables_that_only_the_entries_that_were_cut_away_name_are_looked_at_too(tmp_path: Path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a")
    lake.store.delete([entry_key(1)])
    cut = new_lake(str(tmp_path))
    assert cut.roll_forward() == 0
    for call in (lambda: cut.create_tables(ZONE, SCHEMAS), lambda: vacuum(cut, timedelta(0))):
        assert " is at entry 1, which the log lacks; " in refused(call)


def test_a_table_that_another_run_brought_up_meanwhile_is_not_ahead(place):
    lake, other = new_lake(place.uri, place.options), new_lake(place.uri, place.options)
    commit(other, "a")
    lake.refresh()
    commit(other, "b")
    assert (lake.head()[0], lake.roll_forward()) == (1, 0)
    lake.check_tables()
    lake.create_tables(ZONE, SCHEMAS)
    assert commit(lake, "c", planned=1).number == 3
    assert verify(place.uri, place.options).findings == []


OWN = public_key_key(key_id(SIGNER.public_key()))


@pytest.mark.parametrize("signer", [SIGNER, OTHER_SIGNER])
@pytest.mark.parametrize("content", [to_pem(OTHER_SIGNER.public_key()), b"no key"])
def test_nothing_is_added_by_a_signer_under_whose_name_the_lake_holds_another_key(lake, place, signer, content):
    lake.store.put(OWN, content)
    said = refused(lambda: Lake.open(place.uri, place.options, signer=signer))
    assert said.startswith("SIGNER_KEY_MISSING: ")
    assert lake.store.get(OWN) == content


def test_a_signer_puts_back_its_key_that_is_gone_and_no_other_does(lake, place):
    lake.store.delete([OWN])
    assert refused(lambda: Lake.open(place.uri, place.options, signer=OTHER_SIGNER)).startswith("SIGNER_KEY_MISSING: ")
    assert commit(new_lake(place.uri, place.options), "d").number == 3
    assert lake.store.get(OWN) == to_pem(SIGNER.public_key())
    assert verify(place.uri, place.options).findings == []
