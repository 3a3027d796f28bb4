"""What every registered connector keeps, whatever its format."""

from __future__ import annotations

import csv
import hashlib
import pickle
from collections.abc import Sequence
from importlib import resources

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from contract_reading import Outcome, part, read, texts, whole
from samples import SAMPLES, Sample

from connectors import registry
from connectors.contract import LINEAGE, Category, Connector, ReadOptions


@pytest.fixture(params=registry.connectors(), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def connector(name: str) -> Connector:
    return registry.connector(name)


@pytest.fixture(scope="module")
def sample(name: str) -> Sample:
    return SAMPLES[name]()


def inputs(sample: Sample) -> list[bytes]:
    return [sample.small, *sample.objects, b""]


def sums(table: pa.Table, of: str, by: str, keys: Sequence[object]) -> list[int]:
    grouped = table.group_by(by).aggregate([(of, "sum")]).to_pylist()
    totals = {row[by]: row[f"{of}_sum"] for row in grouped}
    return [totals.get(key, 0) for key in keys]


def check_balance(connector: Connector, outcome: Outcome, objects: Sequence[bytes]) -> None:
    """Every record and byte of objects that were read whole, each as the piece of its index, is accounted for once."""
    pieces = list(range(len(objects)))
    accounts = {n: sums(outcome.accounts, n, "piece", pieces) for n in outcome.accounts.schema.names if n != "piece"}
    records = outcome.tables[connector.record_table]
    keys = [f"/object-{piece:05}" for piece in pieces]
    written = [
        int(n)
        for n in sums(records.append_column("one", pa.array([1] * len(records), pa.int64())), "one", "_object", keys)
    ]
    assert accounts["record_bytes"] == sums(records, "_length", "_object", keys)
    assert accounts["quarantined"] == sums(outcome.rejects, "records", "piece", pieces)
    assert accounts["quarantined_bytes"] == sums(outcome.rejects, "_length", "piece", pieces)
    assert accounts["records"] == [n + q for n, q in zip(written, accounts["quarantined"], strict=True)]
    spent = zip(*(accounts[f"{kind}_bytes"] for kind in ("record", "quarantined", "envelope")), strict=True)
    assert [sum(each) for each in spent] == [len(data) for data in objects]
    assert all(n >= 0 for column in accounts.values() for n in column)


def check_spans(table: pa.Table, objects: Sequence[bytes]) -> None:
    """The record id of each row is the SHA-256 of the span that its lineage names."""
    for row in table.select(["_object", "_offset", "_length", "_record_id"]).to_pylist():
        data = objects[int(row["_object"].rpartition("-")[2])]
        span = data[row["_offset"] : row["_offset"] + row["_length"]]
        assert len(span) == row["_length"]
        assert hashlib.sha256(span).digest() == row["_record_id"]


def read_whole(connector: Connector, objects: Sequence[bytes], **options: object) -> Outcome:
    return read(connector, [whole(data, i) for i, data in enumerate(objects)], ReadOptions(**options))


def same(one: Outcome, other: Outcome) -> bool:
    tables = all(one.tables[n].equals(other.tables[n]) for n in one.tables)
    return tables and one.rejects.equals(other.rejects)


def test_every_connector_has_a_sample():
    assert sorted(SAMPLES) == sorted(registry.connectors())


def test_it_is_a_connector_under_its_own_name(connector: Connector, name: str):
    assert isinstance(connector, Connector)
    assert connector.name == name
    assert {connector.record_table, connector.findings_table} <= connector.tables.keys()


def test_every_column_has_a_category_and_a_description(connector: Connector):
    for spec in connector.tables.values():
        assert spec.columns[-len(LINEAGE) :] == LINEAGE
        for field in spec.schema:
            assert Category(field.metadata[b"category"].decode()), field.name
            assert field.metadata[b"description"], field.name


def test_every_table_with_a_patient_key_names_a_column_that_is_there(connector: Connector):
    for spec in connector.tables.values():
        assert not spec.patient_key or spec.column(spec.patient_key).category is Category.PATIENT_KEY


def test_no_pieces_give_no_rows(connector: Connector):
    outcome = read(connector, [])
    assert all(table.num_rows == 0 for table in outcome.tables.values())
    assert outcome.rejects.num_rows == outcome.total("records") == 0


def test_an_empty_object_is_one_record_that_is_rejected(connector: Connector):
    outcome = read_whole(connector, [b""])
    assert outcome.rejects["records"].to_pylist() == [1]
    assert outcome.rejects["_length"].to_pylist() == [0]
    check_balance(connector, outcome, [b""])


def test_the_sample_holds_its_records(connector: Connector, sample: Sample):
    outcome = read_whole(connector, [sample.small])
    assert len(outcome.tables[connector.record_table]) == sample.records
    assert outcome.rejects.num_rows == 0


def test_every_record_and_byte_is_accounted_for(connector: Connector, sample: Sample):
    objects = inputs(sample)
    outcome = read_whole(connector, objects)
    check_balance(connector, outcome, objects)
    assert set(pc.unique(outcome.accounts["piece"]).to_pylist()) == set(range(len(objects)))


def test_an_object_cut_at_any_byte_is_accounted_for(connector: Connector, sample: Sample):
    cuts = [sample.small[:end] for end in range(len(sample.small) + 1)]
    cuts += [sample.small[begin:] for begin in range(len(sample.small))]
    outcome = read_whole(connector, cuts)
    check_balance(connector, outcome, cuts)
    check_spans(outcome.tables[connector.record_table], cuts)
    assert set(pc.unique(outcome.accounts["piece"]).to_pylist()) == set(range(len(cuts)))


def test_random_bytes_are_accounted_for(connector: Connector):
    chance = np.random.default_rng(11)
    objects = [chance.bytes(int(size)) for size in chance.integers(1, 400, 300)]
    outcome = read_whole(connector, objects)
    check_balance(connector, outcome, objects)
    assert set(pc.unique(outcome.accounts["piece"]).to_pylist()) == set(range(len(objects)))


def test_damaged_objects_are_accounted_for_and_validate(connector: Connector, sample: Sample):
    chance = np.random.default_rng(12)
    objects = []
    for _ in range(300):
        data = bytearray(sample.small)
        for at in chance.integers(0, len(data), 4):
            data[at] = chance.integers(0, 256)
        objects.append(bytes(data))
    outcome = read_whole(connector, objects)
    check_balance(connector, outcome, objects)
    check_spans(outcome.tables[connector.record_table], objects)
    check_spans(outcome.rejects, objects)
    assert connector.validate(outcome.tables).keys() == outcome.tables.keys()


def test_record_ids_are_those_of_the_bytes(connector: Connector, sample: Sample):
    objects = inputs(sample)
    outcome = read_whole(connector, objects)
    check_spans(outcome.rejects, objects)
    for table in outcome.tables.values():
        check_spans(table, objects)
    assert outcome.tables[connector.record_table].num_rows >= sample.records


@pytest.mark.parametrize("chunk_bytes", [1, 300, 8 << 20])
def test_the_size_of_chunks_changes_nothing(connector: Connector, sample: Sample, chunk_bytes: int):
    objects = inputs(sample)
    assert same(read_whole(connector, objects, chunk_bytes=chunk_bytes), read_whole(connector, objects))


@pytest.mark.parametrize("block", [1, 7, 300])
def test_the_size_of_blocks_changes_nothing(connector: Connector, sample: Sample, block: int):
    objects = inputs(sample)
    pieces = [whole(data, i, block=block) for i, data in enumerate(objects)]
    assert same(read(connector, pieces), read_whole(connector, objects))


def test_objects_read_together_or_apart_give_the_same_rows(connector: Connector, sample: Sample):
    objects = inputs(sample)
    together = read_whole(connector, objects)
    apart = [read(connector, [whole(data, i)]) for i, data in enumerate(objects)]
    for name, table in together.tables.items():
        assert table.equals(pa.concat_tables([each.tables[name] for each in apart]).combine_chunks()), name
    assert together.rejects.equals(pa.concat_tables([each.rejects for each in apart]).combine_chunks())


def test_an_object_in_ranges_gives_what_the_whole_gives(connector: Connector, sample: Sample):
    if not connector.splittable:
        assert not connector.splittable
        return
    data = sample.small
    undivided = read(connector, [whole(data, uri="/object-00000")])
    for at in range(1, len(data)):
        uri = "/object-00000"
        outcome = read(connector, [part(data, 0, at, 0, uri), part(data, at, None, 1, uri)])
        for name, table in undivided.tables.items():
            assert outcome.tables[name].equals(table), (at, name)
        assert outcome.rejects.num_rows == undivided.rejects.num_rows
        for column in ("records", "quarantined", "record_bytes", "quarantined_bytes", "envelope_bytes"):
            assert outcome.total(column) == undivided.total(column), (at, column)
        assert connector.envelope_findings(outcome.envelopes).equals(connector.envelope_findings(undivided.envelopes))


def test_it_pickles_and_reads_the_same(connector: Connector, sample: Sample):
    copy = pickle.loads(pickle.dumps(connector))
    assert same(read_whole(copy, inputs(sample)), read_whole(connector, inputs(sample)))


def test_a_record_that_is_too_long_is_rejected_and_its_neighbours_are_not(connector: Connector, sample: Sample):
    lengths = read_whole(connector, [sample.small]).tables[connector.record_table]["_length"].to_pylist()
    assert len(set(lengths)) > 1
    outcome = read_whole(connector, [sample.small], max_record_bytes=max(lengths) - 1)
    assert len(outcome.tables[connector.record_table]) == sum(length < max(lengths) for length in lengths)
    check_balance(connector, outcome, [sample.small])


def test_rejects_and_findings_hold_no_value_of_the_input(connector: Connector, sample: Sample):
    objects = [*inputs(sample), *(sample.small[:end] for end in range(0, len(sample.small), 5))]
    outcome = read_whole(connector, objects)
    findings = connector.validate(outcome.tables)[connector.findings_table]
    key = connector.tables[connector.findings_table].patient_key
    assert outcome.rejects.num_rows > 0
    for text in (*texts(outcome.rejects), *texts(findings, without=[key])):
        assert not any(value in text for value in sample.values), "a value stands in a reject or finding"


def test_every_code_of_a_reject_is_documented(connector: Connector, sample: Sample):
    table = resources.files("connectors").joinpath("error_codes.csv").read_text("utf-8")
    documented = {row["code"] for row in csv.DictReader(table.splitlines())}
    assert set(read_whole(connector, inputs(sample)).rejects["code"].to_pylist()) <= documented


def test_a_table_is_the_same_without_the_others(connector: Connector, sample: Sample):
    """But for the findings: what is not read is not found fault with."""
    everything = read_whole(connector, inputs(sample))
    for name in connector.tables.keys() - {connector.findings_table}:
        some = read_whole(connector, inputs(sample), tables=frozenset({name}))
        assert some.tables[name].equals(everything.tables[name]), name
        assert some.rejects.equals(everything.rejects)


def test_it_knows_its_own_and_leaves_others(connector: Connector, sample: Sample):
    assert connector.sniff(sample.small)
    assert not any(connector.sniff(head) for head in sample.foreign)


def test_validation_fills_every_score_and_keeps_the_schemas(connector: Connector, sample: Sample):
    outcome = read_whole(connector, inputs(sample))
    validated = connector.validate(outcome.tables)
    scores = validated[connector.record_table]["score"]
    assert scores.null_count == 0
    assert pc.min_max(scores).as_py()["min"] >= 0
    assert pc.min_max(scores).as_py()["max"] <= 100
    for name, table in validated.items():
        assert table.schema.equals(connector.tables[name].schema, check_metadata=True), name


def test_a_second_validation_changes_nothing(connector: Connector, sample: Sample):
    once = connector.validate(read_whole(connector, inputs(sample)).tables)
    twice = connector.validate(once)
    assert all(twice[name].equals(once[name]) for name in once)


def test_validation_in_whatever_chunks_gives_the_same_rows(connector: Connector, sample: Sample):
    objects = inputs(sample)
    whole_run = connector.validate(read_whole(connector, objects).tables)
    chunks = list(connector.read([whole(data, i) for i, data in enumerate(objects)], ReadOptions(chunk_bytes=300)))
    parts = [connector.validate(chunk.tables) for chunk in chunks]
    assert len(parts) > 1
    for name, table in whole_run.items():
        assert table.equals(pa.concat_tables([each[name] for each in parts if name in each]).combine_chunks()), name
