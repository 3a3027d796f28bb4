from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from building import ZONE, commit, draft, inputs, new_lake, write_parts

from connectors.lake import Lake, PartsGone
from connectors.lake import vacuum as room
from connectors.lake.commit import Draft
from connectors.lake.inputs import LEAVES, put_leaves, read_table, removed_of
from connectors.lake.layout import leaves_key
from connectors.lake.vacuum import vacuum
from connectors.lake.verify import verify
from connectors.storage.local import UNFINISHED

NOW = timedelta(0)


def unnamed(lake: Lake) -> int:
    notes = verify(lake.uri, None if lake.uri.startswith("/") else lake.store.options).information
    return sum(int(note.what.split()[0]) for note in notes)


def test_files_that_no_entry_names_are_removed_and_listed(place):
    lake = new_lake(place.uri, place.options)
    commit(lake, "a")
    left = write_parts(lake, ["dead"])
    left_leaves, _ = put_leaves(lake.store, left)
    done = vacuum(lake, timedelta(seconds=-5))
    expected = sorted([*(part.path for part in left), leaves_key(left_leaves)])
    assert list(done.paths) == expected
    assert done.entry.kind == "vacuum"
    assert removed_of(read_table(lake.store.get(leaves_key(done.entry.leaves)), LEAVES)) == expected
    report = verify(place.uri, place.options)
    assert (report.findings, report.information) == ([], [])


def test_young_files_stay(tmp_path):
    lake = new_lake(str(tmp_path))
    write_parts(lake, ["at work"])
    assert vacuum(lake, timedelta(hours=1)).paths == ()
    assert unnamed(lake) == 2


def test_files_that_a_killed_writer_left_unfinished_are_removed(tmp_path):
    lake = new_lake(str(tmp_path))
    kept = commit(lake, "a")
    folders = ["_runs", "_runs/keys", "restricted", Path(lake.parts_of(kept)[0].path).parent]
    left = [tmp_path / folder / f"{UNFINISHED}{n}" for n, folder in enumerate(folders)]
    for path in left:
        path.write_bytes(b"half")
    assert unnamed(lake) == 4
    assert vacuum(lake, timedelta(hours=1)).paths == ()
    done = vacuum(lake, timedelta(seconds=-5))
    assert sorted(done.paths) == sorted(str(path.relative_to(tmp_path)) for path in left)
    assert [path.exists() for path in left] == [False] * 4
    report = verify(str(tmp_path))
    assert (report.findings, report.information) == ([], [])


def test_a_dry_run_removes_nothing_and_makes_no_entry(tmp_path):
    lake = new_lake(str(tmp_path))
    left = write_parts(lake, ["dead"])
    found = vacuum(lake, NOW, dry_run=True)
    assert (found.paths, found.bytes) == (tuple(sorted(p.path for p in left)), sum(p.bytes for p in left))
    assert (lake.head()[0], unnamed(lake)) == (0, 2)


def test_nothing_to_remove_makes_no_entry(tmp_path):
    lake = new_lake(str(tmp_path))
    commit(lake, "a")
    assert vacuum(lake, NOW).entry is None
    assert lake.head()[0] == 1


def test_a_run_whose_parts_were_vacuumed_writes_them_again(tmp_path):
    slow, other = new_lake(str(tmp_path)), new_lake(str(tmp_path))
    mine = draft(slow, ["a"])
    removed = vacuum(other, NOW).paths
    with pytest.raises(PartsGone) as gone:
        slow.commit(mine)
    assert gone.value.paths == removed == tuple(sorted(part.path for part in mine.parts))
    assert slow.commit(draft(slow, ["a"], planned=0)).number == 2
    assert verify(str(tmp_path)).findings == []


def test_parts_that_were_removed_by_hand_are_not_committed(tmp_path):
    lake = new_lake(str(tmp_path))
    mine = draft(lake, ["a"])
    (tmp_path / mine.parts[0].path).unlink()
    with pytest.raises(PartsGone, match="1 parts"):
        lake.commit(mine)
    assert lake.head()[0] == 0


def test_a_vacuum_leaves_what_was_committed_while_it_looked(tmp_path, monkeypatch):
    """The entry that names the parts comes between the vacuum's look at the folder and its own entry."""
    lake, other = new_lake(str(tmp_path)), new_lake(str(tmp_path))
    mine = draft(other, ["a"])
    dead = write_parts(lake, ["dead"])
    made = Lake.commit

    def late(self: Lake, one: Draft):
        monkeypatch.setattr(Lake, "commit", made)
        other.commit(mine)
        return self.commit(one)

    monkeypatch.setattr(Lake, "commit", late)
    assert vacuum(lake, NOW).paths == tuple(sorted(part.path for part in dead))
    assert lake.head()[0] == 2
    assert verify(str(tmp_path)).findings == []


def test_a_vacuum_leaves_what_was_written_again_after_its_entry(tmp_path, monkeypatch):
    lake, other = new_lake(str(tmp_path)), new_lake(str(tmp_path))
    dead = write_parts(lake, ["dead"])
    deleting = room._delete

    def late(*arguments):
        other.refresh()
        for part in dead:
            Path(tmp_path / part.path).unlink()
        other.commit(draft(other, ["dead"]))
        return deleting(*arguments)

    monkeypatch.setattr(room, "_delete", late)
    assert vacuum(lake, NOW).paths == ()
    assert verify(str(tmp_path)).findings == []
    assert other.done(ZONE).known_key(inputs(["dead"])["key"]).tolist() == [True]
