from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pytest
from building import BINDING, DETAILS, RECORDS, SIGNER, ZONE, commit, draft, inputs, new_lake, rows
from deltalake import DeltaTable

from connectors.errors import ConfigError, FaultError
from connectors.lake import INPUTS, QUARANTINE, Binding, Lake
from connectors.lake.layout import entry_key, table_uri


def read_delta(lake: Lake, path: str) -> pa.Table:
    return DeltaTable(
        table_uri(lake.store, path), storage_options=lake.store.delta_options() or None
    ).to_pyarrow_table()


def test_committed_rows_stand_in_the_delta_table(place):
    lake = new_lake(place.uri, place.options)
    commit(lake, "b", "a")
    commit(lake, "c")
    found = read_delta(lake, f"deidentified/{RECORDS}").select(rows(RECORDS, ["a"], 1).column_names)
    assert found.sort_by("control_id").to_pylist() == rows(RECORDS, ["a", "b", "c"], 3).to_pylist()


def test_an_entry_holds_the_hash_of_the_one_before(place):
    lake = new_lake(place.uri, place.options)
    first, second = commit(lake, "a"), commit(lake, "b")
    assert first.content["previous"] == "0" * 64
    assert second.content["previous"] == hashlib.sha256(lake.store.get(entry_key(1))).hexdigest()
    assert Lake.open(place.uri, place.options).head() == (2, second.sha256)


def test_done_objects_are_known_to_the_next_run(place):
    commit(new_lake(place.uri, place.options), "a", "b")
    done = Lake.open(place.uri, place.options).done(ZONE)
    assert len(done) == 2
    uris = pa.array(["a", "b", "b", "c"])
    assert done.new(uris, pa.array(["v1", "v1", "v2", "v1"])).tolist() == [False, False, True, True]
    assert done.known_key(uris).tolist() == [True, True, True, False]


def test_done_is_done_in_one_zone_only(place):
    commit(new_lake(place.uri, place.options), "a")
    assert Lake.open(place.uri, place.options).done("identified").new(pa.array(["a"]), pa.array(["v1"])).tolist() == [
        True
    ]


def test_a_deferred_object_is_counted_and_not_done(tmp_path):
    lake = new_lake(str(tmp_path))
    columns = {**inputs(["a"], per_key=0).to_pydict(), "outcome": ["deferred"], "code": ["OBJECT_CHANGED"]}
    columns["bytes_envelope"] = [0]
    counts = {"objects": {"listed": 1, "written": 0, "done": 0, "quarantined": 0, "deferred": 1}}
    one = draft(lake, ["a"], per_key=0, inputs=pa.table(columns, schema=INPUTS), counts=counts)
    assert lake.commit(one).content["counts"]["objects"]["deferred"] == 1
    assert lake.done(ZONE).new(pa.array(["a"]), pa.array(["v1"])).tolist() == [True]


def test_a_zone_is_bound_once(place):
    lake = new_lake(place.uri, place.options)
    assert lake.bind(ZONE, BINDING) == lake.bind(ZONE, BINDING)
    with pytest.raises(ConfigError, match="ZONE_BOUND"):
        lake.bind(ZONE, Binding("pseudonymised", "ab" * 32, "key-2", "Europe/Berlin"))
    assert commit(lake, "a").content["binding"] == lake.bind(ZONE, BINDING)


def test_a_folder_that_is_no_lake_is_not_opened(place):
    with pytest.raises(ConfigError, match="LAKE_MISSING"):
        Lake.open(place.uri, place.options)


def test_a_lake_of_a_newer_version_is_left_alone(tmp_path):
    new_lake(str(tmp_path))
    marker = tmp_path / "_runs" / "lake.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 2}))
    with pytest.raises(ConfigError, match="LAKE_NEWER"):
        Lake.create_or_open(str(tmp_path), signer=SIGNER)


def test_a_draft_that_does_not_balance_is_not_committed(tmp_path):
    lake = new_lake(str(tmp_path))
    wrong = draft(lake, ["a"], tables={RECORDS: 3, DETAILS: 2})
    with pytest.raises(FaultError, match=f"table {DETAILS}: 2 rows counted, 3 in parts"):
        lake.commit(wrong)
    assert Lake.open(str(tmp_path)).head()[0] == 0


def test_parts_come_by_entry_and_bundle(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a", quarantined=2)
    commit(lake, "b")
    found = [(group.entry, [p.table for p in group.parts]) for group in lake.bundles(ZONE)]
    assert found == [(1, [RECORDS, DETAILS, QUARANTINE.name]), (2, [RECORDS, DETAILS])]
    assert [part.table for part in lake.parts(ZONE, after=1)] == [RECORDS, DETAILS]


def test_records_of_a_key_are_found_with_how_often_they_stand(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a", "b")
    found = lake.record_ids(ZONE, RECORDS, pa.array(["a"]))
    whole = rows(RECORDS, ["a"], 3)["_record_id"].to_pylist()
    assert sorted(found["_record_id"].to_pylist()) == sorted(digest[:16] for digest in whole)
    assert found["_object"].to_pylist() == ["a"] * 3
    assert found["occurrences"].to_pylist() == [1] * 3


def test_a_lake_that_was_opened_to_be_read_is_not_written_to(tmp_path):
    lake = new_lake(str(tmp_path))
    with pytest.raises(ConfigError, match="SIGNER_MISSING"):
        Lake.open(str(tmp_path)).commit(draft(lake, ["a"]))
