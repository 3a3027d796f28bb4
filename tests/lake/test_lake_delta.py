"""What deltalake does with application transactions, which the commit of the lake stands on; and the tables we make."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from building import DETAILS, RECORDS, SCHEMAS, ZONE, commit, draft, new_lake, rows
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from connectors.errors import AccessError, TransientError
from connectors.lake import Lake, PartWriter, delta
from connectors.lake.delta_actions import CONFIGURATION
from connectors.lake.layout import table_uri
from connectors.lake.verify import verify
from connectors.storage import open_store
from connectors.storage.local import LocalStore

SCHEMA = pa.schema([pa.field("a", pa.int64(), metadata={"description": "a number"}), ("b", pa.string())])


@pytest.fixture
def opened(place):
    """Opens a fresh handle of an empty table."""
    store = open_store(place.uri, place.options)
    delta.create(store, "deidentified/rows", SCHEMA)
    return lambda: delta.open_table(store, "deidentified/rows")


def append(table: DeltaTable, number: int, name: str = "part.parquet") -> None:
    table.create_write_transaction(
        [AddAction(name, 1, {}, 0, True, '{"numRecords":1}')],
        "append",
        table.schema(),
        commit_properties=CommitProperties(app_transactions=[Transaction("clinray", number)]),
    )


def test_there_is_no_transaction_before_the_first(opened):
    assert opened().transaction_version("clinray") is None
    append(opened(), 1)
    assert opened().transaction_version("clinray") == 1


def test_a_handle_does_not_see_its_own_commit(opened):
    table = opened()
    append(table, 1)
    assert table.transaction_version("clinray") is None


@pytest.mark.parametrize("number", [1, 2])
def test_on_a_stale_handle_the_same_application_fails(opened, number):
    first, stale = opened(), opened()
    append(first, 1)
    with pytest.raises(CommitFailedError):
        append(stale, number)
    assert opened().transaction_version("clinray") == 1


def test_a_lower_number_is_not_refused_by_the_table(opened):
    append(opened(), 5, "five.parquet")
    append(opened(), 3, "three.parquet")
    assert opened().transaction_version("clinray") == 3


def test_new_columns_make_every_other_handle_stale(opened):
    stale = opened()
    opened().alter.add_columns(Schema.from_arrow(pa.schema([("c", pa.string())])).fields)
    with pytest.raises(CommitFailedError):
        append(stale, 1)


def test_files_that_do_not_exist_are_taken(opened):
    append(opened(), 1, "nowhere.parquet")
    assert opened().count() == 1


def test_creating_a_table_again_leaves_it_as_it_is(place):
    store = open_store(place.uri, place.options)
    delta.create(store, "deidentified/rows", SCHEMA)
    table = delta.open_table(store, "deidentified/rows")
    append(table, 1)
    delta.create(store, "deidentified/rows", SCHEMA)
    assert delta.at_entry(delta.open_table(store, "deidentified/rows")) == 1


def facts(table: DeltaTable) -> dict[str, object]:
    protocol, metadata = table.protocol(), table.metadata()
    return {
        "schema": json.loads(table.schema().to_json()),
        "versions": (table.version(), protocol.min_reader_version, protocol.min_writer_version),
        "features": (sorted(protocol.reader_features or ()), sorted(protocol.writer_features or ())),
        "metadata": (metadata.name, metadata.description, metadata.partition_columns, metadata.configuration),
        "files": table.file_uris(),
    }


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.list_(pa.timestamp("us"))])
def test_a_table_is_made_as_deltalake_makes_it(tmp_path, kind):
    types = [pa.string(), pa.int8(), pa.float64(), pa.bool_(), pa.date32(), pa.binary(), pa.list_(pa.string()), kind]
    described = pa.field("said", pa.string(), nullable=False, metadata={"description": 'a "quoted"\nword'})
    schema = pa.schema([described, *(pa.field(f"column {n}", type_) for n, type_ in enumerate(types))])
    delta.create(open_store(str(tmp_path), None), "ours", schema)
    DeltaTable.create(str(tmp_path / "theirs"), schema, configuration=CONFIGURATION)
    ours, theirs = (facts(DeltaTable(str(tmp_path / name))) for name in ("ours", "theirs"))
    assert ours == theirs


def test_of_two_who_make_a_table_one_adds_the_columns_that_the_other_lacks(place, monkeypatch):
    store, opened = open_store(place.uri, place.options), delta.open_table
    wider = SCHEMA.append(pa.field("c", pa.string()))

    def late(store, path):
        """No table yet, and then the other one makes it."""
        monkeypatch.setattr(delta, "open_table", opened)
        found = opened(store, path)
        delta.create(store, path, SCHEMA)
        return found

    monkeypatch.setattr(delta, "open_table", late)
    delta.create(store, "deidentified/rows", wider)
    table = opened(store, "deidentified/rows")
    assert ([field.name for field in table.schema().fields], table.version()) == (wider.names, 1)


def test_tables_carry_the_descriptions_of_columns(opened):
    assert opened().schema().fields[0].metadata == {"description": "a number"}
    assert opened().metadata().configuration["delta.appendOnly"] == "true"


def test_a_wider_schema_adds_its_columns_first(place):
    lake = new_lake(place.uri, place.options)
    commit(lake, "a")
    wider = SCHEMAS[RECORDS].append(pa.field("more", pa.int64()))
    writer = PartWriter(lake.store, ZONE, RECORDS, "b1", wider)
    writer.write(rows(RECORDS, ["b"], 3).append_column("more", pa.array([1, 2, 3])))
    old = draft(lake, ["b"])
    others = [part for part in old.parts if part.table == DETAILS]
    lake.commit(draft(lake, ["b"], parts=[*writer.close(), *others]))
    uri = table_uri(lake.store, f"{ZONE}/{RECORDS}")
    held = DeltaTable(uri, storage_options=lake.store.delta_options() or None).to_pyarrow_table().to_pylist()
    assert sorted((row["control_id"], row["more"]) for row in held) == [
        *((f"a#{n}", None) for n in range(3)),
        *((f"b#{n}", n + 1) for n in range(3)),
    ]
    assert verify(place.uri, place.options).findings == []


def test_tables_are_made_empty_with_every_column(place):
    lake = new_lake(place.uri, place.options)
    lake.create_tables(ZONE, SCHEMAS)
    lake.create_tables(ZONE, {RECORDS: SCHEMAS[RECORDS].append(pa.field("more", pa.int64()))})
    fields = delta.open_table(lake.store, f"{ZONE}/{RECORDS}").schema().fields
    assert [field.name for field in fields] == [*SCHEMAS[RECORDS].names, "more"]
    assert verify(place.uri, place.options).findings == []


def test_a_table_far_behind_is_brought_up_entry_by_entry(tmp_path, monkeypatch):
    lake = new_lake(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(delta, "bring_up", lambda *_: 0)
        for n in range(4):
            commit(lake, f"key {n}")
    monkeypatch.setattr(delta, "ATTEMPTS", 2)
    assert Lake.open(str(tmp_path)).roll_forward() == 8
    assert verify(str(tmp_path)).findings == []


def test_every_tenth_commit_makes_a_checkpoint_from_which_the_table_reads_the_same(tmp_path):
    lake = new_lake(str(tmp_path))
    lake.create_tables(ZONE, SCHEMAS)
    for n in range(12):
        commit(lake, f"key {n}")
    log = tmp_path / ZONE / RECORDS / "_delta_log"
    assert [p.name for p in log.glob("*.checkpoint.parquet")] == ["00000000000000000009.checkpoint.parquet"]
    for number in range(9):
        (log / f"{number:020}.json").unlink()
    table = delta.open_table(lake.store, f"{ZONE}/{RECORDS}")
    assert (delta.at_entry(table), len(table.file_uris())) == (12, 12)
    assert verify(str(tmp_path)).findings == []


def held(lake: Lake, table: str = RECORDS) -> list[str]:
    uri = table_uri(lake.store, f"{ZONE}/{table}")
    rows_ = DeltaTable(uri, storage_options=lake.store.delta_options() or None).to_pyarrow_table()
    return sorted(rows_["_object"].unique().to_pylist())


def test_a_run_appends_to_the_tables_that_it_made_without_reading_them(place, monkeypatch):
    lake = new_lake(place.uri, place.options)
    lake.create_tables(ZONE, SCHEMAS)
    with monkeypatch.context() as patch:
        patch.setattr(delta, "open_table", None)
        for key in "abc":
            commit(lake, key)
    assert held(lake) == held(lake, DETAILS) == ["a", "b", "c"]
    assert verify(place.uri, place.options).findings == []


def test_a_run_appends_to_tables_that_stand_without_reading_them_again(place, monkeypatch):
    first = new_lake(place.uri, place.options)
    first.create_tables(ZONE, SCHEMAS)
    commit(first, "a")
    lake = new_lake(place.uri, place.options)
    lake.create_tables(ZONE, SCHEMAS)
    with monkeypatch.context() as patch:
        patch.setattr(delta, "open_table", None)
        commit(lake, "b")
    assert held(lake) == held(lake, DETAILS) == ["a", "b"]
    assert verify(place.uri, place.options).findings == []


def test_tables_to_which_another_program_gave_features_are_left_to_deltalake(tmp_path):
    lake = new_lake(str(tmp_path))
    lake.create_tables(ZONE, SCHEMAS)
    delta.open_table(lake.store, f"{ZONE}/{RECORDS}").alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    assert delta.create(lake.store, f"{ZONE}/{RECORDS}", SCHEMAS[RECORDS]) is None
    assert delta.create(lake.store, f"{ZONE}/{DETAILS}", SCHEMAS[DETAILS]).version == 0
    lake = new_lake(str(tmp_path))
    lake.create_tables(ZONE, SCHEMAS)
    commit(lake, "a")
    assert held(lake) == ["a"]
    assert verify(str(tmp_path)).findings == []


def test_a_commit_says_the_same_with_and_without_a_look_at_the_table(tmp_path):
    facts_of = {}
    for name in ("looked", "unseen"):
        lake = new_lake(str(tmp_path / name))
        if name == "unseen":
            lake.create_tables(ZONE, SCHEMAS)
        entry = commit(lake, "a", "b")
        table = delta.open_table(lake.store, f"{ZONE}/{RECORDS}")
        [said, *_] = table.history(1)
        assert said["clinray.entry"] == entry.sha256
        added = pa.table(table.get_add_actions(flatten=True)).to_pylist()
        facts_of[name] = (added, delta.at_entry(table), table.version(), said["operation"])
    assert facts_of["looked"] == facts_of["unseen"]


def test_what_others_commit_to_a_table_after_it_was_made_stands_before_the_own_entry(place):
    first, second = new_lake(place.uri, place.options), new_lake(place.uri, place.options)
    first.create_tables(ZONE, SCHEMAS)
    commit(first, "a")
    commit(second, "b", planned=0)
    commit(first, "c")
    commit(first, "d")
    assert held(first) == held(first, DETAILS) == ["a", "b", "c", "d"]
    assert delta.at_entry(delta.open_table(first.store, f"{ZONE}/{RECORDS}")) == 4
    assert verify(place.uri, place.options).findings == []


def test_a_number_that_another_commit_has_is_left_to_it(place):
    lake = new_lake(place.uri, place.options)
    lake.create_tables(ZONE, SCHEMAS)
    wider = {RECORDS: SCHEMAS[RECORDS].append(pa.field("more", pa.int64()))}
    new_lake(place.uri, place.options).create_tables(ZONE, wider)
    commit(lake, "a")
    table = delta.open_table(lake.store, f"{ZONE}/{RECORDS}")
    assert ([f.name for f in table.schema().fields], table.version()) == (wider[RECORDS].names, 2)
    assert held(lake) == ["a"]
    assert verify(place.uri, place.options).findings == []


def test_wider_parts_add_their_columns_to_a_table_that_the_run_made(tmp_path):
    lake = new_lake(str(tmp_path))
    narrow = pa.schema([field for field in SCHEMAS[RECORDS] if field.name != "sent"])
    lake.create_tables(ZONE, {RECORDS: narrow})
    commit(lake, "a")
    assert "sent" in [f.name for f in delta.open_table(lake.store, f"{ZONE}/{RECORDS}").schema().fields]
    assert verify(str(tmp_path)).findings == []


def test_a_store_that_refuses_a_commit_leaves_the_table_to_the_next_run(tmp_path, monkeypatch):
    lake = new_lake(str(tmp_path))
    lake.create_tables(ZONE, SCHEMAS)
    put = LocalStore.put_if_absent

    def refusing(store, key, data):
        if "_delta_log" in key:
            raise AccessError("STORE_REFUSED", "no")
        return put(store, key, data)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "put_if_absent", refusing)
        with pytest.raises(TransientError) as failed:
            commit(lake, "a")
        assert failed.value.code == "TABLE_COMMIT"
    assert lake.roll_forward() == 2
    assert held(lake) == ["a"]
    assert verify(str(tmp_path)).findings == []
