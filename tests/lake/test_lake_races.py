"""Several drivers on one lake, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from building import DETAILS, RECORDS, SIGNER, ZONE, commit, draft, new_lake, rows
from deltalake import DeltaTable

from connectors.errors import ConfigError
from connectors.lake import Lake, LostRace
from connectors.lake.layout import entry_key, table_uri
from connectors.lake.signing import sign
from connectors.lake.verify import verify

DRIVER = Path(__file__).with_name("driver.py")


def start(uri: str, when: str, *keys: str) -> subprocess.Popen[str]:
    """A driver that waits for `go`."""
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), uri, when, *keys],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "ready\n"
    return process


def outputs(*processes: subprocess.Popen[str]) -> list[list[str]]:
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=120)[0].splitlines() for process in processes]


def control_ids(lake: Lake, table: str = RECORDS) -> list[str]:
    uri = table_uri(lake.store, f"{ZONE}/{table}")
    held = DeltaTable(uri, storage_options=lake.store.delta_options() or None).to_pyarrow_table()
    return sorted(f"{row['_object']}#{row['_offset'] // 100}" for row in held.to_pylist())


def names(*keys: str) -> list[str]:
    return sorted(rows(RECORDS, list(keys), 3)["control_id"].to_pylist())


def test_two_drivers_with_other_objects_both_commit(place):
    lake = new_lake(place.uri, place.options)
    found = outputs(start(place.uri, "no", "a", "b", "c"), start(place.uri, "no", "x", "y", "z"))
    numbers = sorted(int(line.split()[1]) for lines in found for line in lines)
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert control_ids(lake) == control_ids(lake, DETAILS) == names(*"abcxyz")
    assert verify(place.uri, place.options).findings == []


def test_of_two_drivers_with_the_same_object_one_loses(place):
    lake = new_lake(place.uri, place.options)
    found = outputs(start(place.uri, "no", "a,b"), start(place.uri, "no", "b,c"))
    assert sorted(lines[0].split()[0] for lines in found) == ["entry", "lost"]
    lake.refresh()
    assert lake.head()[0] == 1
    won = ("a", "b") if found[0][0].startswith("entry") else ("b", "c")
    assert control_ids(lake) == names(*won)


@pytest.mark.parametrize("when", ["after-entry", "after-table"])
def test_the_next_run_repairs_one_that_was_killed(place, when):
    commit(new_lake(place.uri, place.options), "a")
    killed = start(place.uri, when, "b")
    outputs(killed)
    assert killed.returncode == -9
    behind = [f.where for f in verify(place.uri, place.options).findings if f.code == "TABLE_BEHIND"]
    assert behind == [f"{ZONE}/{t}" for t in ((RECORDS, DETAILS) if when == "after-entry" else (DETAILS,))]
    lake = Lake.open(place.uri, place.options)
    assert lake.roll_forward() == len(behind)
    assert lake.roll_forward() == 0
    assert control_ids(lake) == control_ids(lake, DETAILS) == names("a", "b")
    assert verify(place.uri, place.options).findings == []


@pytest.mark.parametrize("when", ["after-entry", "after-table"])
def test_the_next_run_repairs_one_that_was_killed_over_the_tables_that_it_made(place, when):
    new_lake(place.uri, place.options)
    outputs(start(place.uri, when, "a"))
    lake = Lake.open(place.uri, place.options)
    assert lake.roll_forward() == (2 if when == "after-entry" else 1)
    assert control_ids(lake) == control_ids(lake, DETAILS) == names("a")
    assert verify(place.uri, place.options).findings == []


def test_a_commit_brings_up_what_a_killed_run_left(place):
    lake = new_lake(place.uri, place.options)
    outputs(start(place.uri, "after-entry", "a"))
    commit(lake, "b", planned=0)
    assert control_ids(lake) == names("a", "b")
    assert verify(place.uri, place.options).findings == []


def test_several_may_roll_forward_at_once(place):
    new_lake(place.uri, place.options)
    outputs(start(place.uri, "after-entry", "a"))
    # Each of these finds the tables behind and brings them up before its own entry's parts.
    outputs(start(place.uri, "no", "b"), start(place.uri, "no", "c"))
    assert control_ids(Lake.open(place.uri, place.options)) == names("a", "b", "c")
    assert verify(place.uri, place.options).findings == []


def test_a_lost_race_names_the_entries_that_won(tmp_path):
    first, second = new_lake(str(tmp_path)), new_lake(str(tmp_path))
    mine = draft(second, ["a", "b"])
    won = commit(first, "b", "c")
    with pytest.raises(LostRace) as lost:
        second.commit(mine)
    assert [entry.sha256 for entry in lost.value.entries] == [won.sha256]
    assert second.head() == (1, won.sha256)


def test_another_version_of_an_object_is_a_lost_race_too(tmp_path):
    first, second = new_lake(str(tmp_path)), new_lake(str(tmp_path))
    mine = draft(second, ["a"])
    one = draft(first, ["a"])
    column = one.inputs.schema.get_field_index("version")
    first.commit(draft(first, ["a"], inputs=one.inputs.set_column(column, one.inputs.schema.field(column), [["v0"]])))
    with pytest.raises(LostRace):
        second.commit(mine)


def apart(lake: Lake, zone: str, *keys: str):
    """The draft of a stage apart that read bundles of a zone."""
    made = draft(lake, [f"{zone}/1/{key}" for key in keys])
    return replace(made, kind="deidentify", planned=0)


@pytest.mark.parametrize(
    ("first", "second"), [("source", "identified"), ("identified", "source"), ("validated", "identified")]
)
def test_of_two_runs_that_feed_a_zone_from_elsewhere_one_stops(tmp_path, first, second):
    lake, other = new_lake(str(tmp_path)), new_lake(str(tmp_path))
    drafts = {"source": lambda: draft(lake, ["x"], planned=0)}
    made = [drafts.get(feed, lambda feed=feed: apart(lake, feed, "x"))() for feed in (first, second)]
    lake.commit(made[0])
    with pytest.raises(ConfigError, match="ZONE_FED"):
        other.commit(made[1])
    assert Lake.open(str(tmp_path)).head()[0] == 1


def test_nothing_is_committed_upon_an_entry_that_a_newer_version_makes_meanwhile(tmp_path):
    lake = new_lake(str(tmp_path))
    mine = draft(lake, ["a"])
    newer = sign({"format": 2, "number": 1, "previous": "0" * 64}, SIGNER)
    (tmp_path / entry_key(1)).write_bytes(newer)
    with pytest.raises(ConfigError, match="LAKE_NEWER: entry 1 has format 2, this version knows 1"):
        lake.commit(mine)
    assert sorted(file.name for file in (tmp_path / "_runs").glob("0*.json")) == [Path(entry_key(1)).name]
    assert list((tmp_path / "_runs").glob("leaves-*")) == []
