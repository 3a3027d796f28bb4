"""The index of what is done, and the balance of an entry."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from building import RECORDS, ZONE, commit, draft, inputs, new_lake, rows, write_parts
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import FaultError
from connectors.lake import DoneIndex, Lake
from connectors.lake.inputs import _Digests

KEYS = st.sampled_from(["", "a", "b", "ab", "s3://bucket/ä", "x" * 70])
ROWS = st.lists(st.tuples(KEYS, KEYS, st.sampled_from(["written", "quarantined", "deferred"])), max_size=12)


def columns(listed: list[tuple[str, ...]], width: int) -> list[pa.Array]:
    return [pa.array([row[n] for row in listed], pa.string()) for n in range(width)]


@given(st.lists(ROWS, max_size=3), st.lists(st.tuples(KEYS, KEYS), max_size=12))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_the_index_is_a_set_of_keys_and_versions(entries, wanted):
    tables = [pa.table(columns(listed, 3), ["key", "version", "outcome"]) for listed in entries]
    done = {row[:2] for listed in entries for row in listed if row[2] != "deferred"}
    index = DoneIndex.of(tables)
    uris, versions = columns(wanted, 2)
    assert index.new(uris, versions).tolist() == [pair not in done for pair in wanted]
    assert index.known_key(uris).tolist() == [key in {k for k, _ in done} for key, _ in wanted]


def test_a_slice_of_a_listing_is_looked_up_by_its_own_rows():
    index = DoneIndex.of([inputs(["a", "b"])])
    uris, versions = pa.array(["z", "a", "b", "c"]), pa.array(["v1"] * 4)
    assert index.new(uris.slice(1, 2), versions.slice(1, 2)).tolist() == [False, False]
    assert index.new(pa.chunked_array([uris[:2], uris[2:]]), pa.chunked_array([versions])).tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_digests_that_share_their_first_word_are_told_apart():
    held = _Digests([np.array([[7, 3], [7, 1], [7, 2], [9, 9]], np.uint64)])
    wanted = np.array([[7, 1], [7, 2], [7, 3], [7, 4], [9, 1], [9, 9], [10, 1]], np.uint64)
    assert held.contain(wanted).tolist() == [True, True, True, False, False, True, False]


def test_records_come_with_their_number_of_occurrences(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a", "b", quarantined=2)
    commit(lake, "a", per_key=1)
    found = lake.record_ids(ZONE, RECORDS, pa.array(["a"]))
    ids = [digest[:16] for digest in rows(RECORDS, ["a"], 3)["_record_id"].to_pylist()]
    assert {row["_record_id"]: row["occurrences"] for row in found.to_pylist()} == dict(
        zip(ids, [2, 1, 1], strict=True)
    )
    assert lake.record_ids(ZONE, "quarantine", pa.array(["a", "b"])).to_pylist() == [
        {"_object": "a", "_record_id": None, "occurrences": 2}
    ]
    assert lake.record_ids(ZONE, RECORDS, pa.array(["a"]), keys=pa.array(["a"])) == found
    assert lake.record_ids(ZONE, RECORDS, pa.array(["a"]), keys=pa.array(["b"]))["occurrences"].to_pylist() == [1] * 3
    assert lake.record_ids("identified", "quarantine", pa.array(["a"])).num_rows == 0


def test_a_record_is_one_whether_its_digest_was_written_whole_or_by_half(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a")
    commit(lake, "a", per_key=1, parts=write_parts(lake, ["a"], per_key=1, digest_bytes=16))
    assert sorted(lake.record_ids(ZONE, RECORDS, pa.array(["a"]))["occurrences"].to_pylist()) == [1, 1, 2]


def test_no_objects_have_no_records(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a")
    assert lake.record_ids(ZONE, RECORDS, pa.array([], pa.string())).num_rows == 0


@pytest.mark.parametrize(
    ("group", "name", "what"),
    [
        ("objects", "listed", "objects listed 2 is not written"),
        ("records", "read", "records read 4 is not written"),
        ("bytes", "read", "bytes read 303 is not records"),
    ],
)
def test_a_whole_that_is_not_its_shares_is_refused(tmp_path, group, name, what):
    lake = new_lake(str(tmp_path))
    counts = {key: dict(value) for key, value in draft(lake, ["a"]).counts.items()}
    counts[group][name] += 1
    with pytest.raises(FaultError, match=f"BALANCE: .*{what}"):
        lake.commit(draft(lake, ["a"], counts=counts))
    assert Lake.open(str(tmp_path)).head()[0] == 0


def test_counts_that_are_not_those_of_the_inputs_are_refused(tmp_path):
    lake = new_lake(str(tmp_path))
    with pytest.raises(FaultError, match="objects written 1 is not the 2 of the inputs"):
        lake.commit(draft(lake, ["a"], inputs=inputs(["a", "b"])))
