"""Ways to tamper with a lake: each is found and named."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import DETAILS, OTHER_SIGNER, RECORDS, SIGNER, ZONE, commit, draft, new_lake
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from connectors.errors import ConfigError
from connectors.lake import Lake
from connectors.lake.canonical import canonical
from connectors.lake.layout import entry_key, inputs_key, leaves_key, public_key_key, table_uri
from connectors.lake.signing import key_id, sign, to_pem
from connectors.lake.verify import Report, verify


@pytest.fixture
def lake(tmp_path) -> Lake:
    """Three entries: two objects with something in quarantine, then one, then one."""
    lake = new_lake(str(tmp_path / "lake"))
    commit(lake, "a", "b", quarantined=2)
    commit(lake, "c")
    commit(lake, "d")
    return lake


def path(lake: Lake, key: str) -> Path:
    return Path(lake.uri) / key


def part(lake: Lake, number: int, table: str = RECORDS):
    return next(p for p in lake.parts_of(lake.entries()[number - 1]) if p.table == table)


def codes(report: Report) -> set[tuple[str, str]]:
    return {(found.code, found.where) for found in report.findings}


def check(lake: Lake, **options) -> set[tuple[str, str]]:
    return codes(verify(lake.uri, **options))


def edit(file: Path, old: bytes, new: bytes) -> None:
    data = file.read_bytes()
    assert data.count(old) >= 1 and len(old) == len(new)
    file.write_bytes(data.replace(old, new, 1))


def test_a_lake_as_it_was_written_has_no_findings(place):
    lake = new_lake(place.uri, place.options)
    commit(lake, "a", "b", quarantined=2)
    head = commit(lake, "c")
    report = verify(place.uri, place.options, head=lake.head(), trust=to_pem(SIGNER.public_key()))
    assert (report.findings, report.information, report.exit_code) == ([], [], 0)
    sizes = sum(p.bytes for e in lake.entries() for p in lake.parts_of(e))
    assert report.checked == {"entries": 2, "inputs": 3, "parts": 5, "rows": 20, "bytes": sizes, "tables": 3}
    assert report.as_json()["head"] == {"number": 2, "sha256": head.sha256}


def test_a_changed_part(lake):
    one = part(lake, 2)
    file = path(lake, one.path)
    data = bytearray(file.read_bytes())
    data[20] ^= 1
    file.write_bytes(bytes(data))
    assert check(lake) == {("PART_CHANGED", one.path)}


def test_a_deleted_part(lake):
    path(lake, part(lake, 2).path).unlink()
    assert check(lake) == {("PART_MISSING", part(lake, 2).path)}


def test_two_swapped_parts(lake):
    one, other = (path(lake, part(lake, n).path) for n in (2, 3))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert check(lake) == {("PART_CHANGED", part(lake, n).path) for n in (2, 3)}


def test_a_part_encoded_again_without_a_row(lake):
    one = part(lake, 2)
    pq.write_table(pq.read_table(path(lake, one.path)).slice(1), path(lake, one.path))
    assert check(lake) == {("PART_CHANGED", one.path), ("PART_ROWS", one.path)}


def test_a_part_that_is_no_parquet(lake):
    one = part(lake, 2)
    path(lake, one.path).write_bytes(b"nothing of the sort")
    assert check(lake) == {("PART_CHANGED", one.path), ("PART_FORM", one.path)}


def test_an_edited_entry(lake):
    edit(path(lake, entry_key(2)), b'"code_version":"0.1.0"', b'"code_version":"0.1.1"')
    assert check(lake) == {("SIGNATURE", "entry 2"), ("LOG_CHAIN", "entry 3")}


def test_an_edited_last_entry(lake):
    edit(path(lake, entry_key(3)), b'"code_version":"0.1.0"', b'"code_version":"0.1.1"')
    assert check(lake) == {("SIGNATURE", "entry 3")}


def test_an_entry_written_otherwise_with_the_same_meaning(lake):
    file = path(lake, entry_key(3))
    file.write_text(json.dumps(json.loads(file.read_text())))
    assert check(lake) == {("ENTRY_FORM", "entry 3")}


def test_an_entry_that_is_no_json(lake):
    path(lake, entry_key(3)).write_bytes(b"{")
    assert ("ENTRY_FORM", "entry 3") in check(lake)


def test_an_entry_removed_in_the_middle(lake):
    path(lake, entry_key(2)).unlink()
    found = check(lake)
    assert {
        ("LOG_GAP", "entry 2"),
        ("FILE_FOREIGN", f"{ZONE}/{RECORDS}"),
        ("FILE_FOREIGN", f"{ZONE}/{DETAILS}"),
    } == found


def test_later_entries_moved_into_a_gap(lake):
    path(lake, entry_key(3)).rename(path(lake, entry_key(2)))
    found = check(lake)
    assert {("ENTRY_NUMBER", "entry 2"), ("LOG_CHAIN", "entry 2")} <= found


def test_a_cut_log_is_found_with_the_head_that_was_kept(lake):
    head = lake.head()
    path(lake, entry_key(3)).unlink()
    assert ("LOG_CUT", "entry 3") in check(lake, head=head)
    assert ("TABLE_AHEAD", f"{ZONE}/{RECORDS}") in check(lake)


def test_a_head_that_was_kept_stays_true_when_the_log_grows(lake):
    head = lake.head()
    commit(lake, "e")
    assert check(lake, head=head) == set()


def signed_anew(lake: Lake) -> None:
    """The whole log with one count changed, by somebody who has a key of their own."""
    public = OTHER_SIGNER.public_key()
    path(lake, public_key_key(key_id(public))).write_bytes(to_pem(public))
    previous = "0" * 64
    import hashlib

    for number in (1, 2, 3):
        file = path(lake, entry_key(number))
        content = json.loads(file.read_text())
        unsigned = {k: v for k, v in content.items() if k not in ("signature", "signed_by")}
        file.write_bytes(sign({**unsigned, "previous": previous, "code_version": "9"}, OTHER_SIGNER))
        previous = hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_log_signed_anew_is_found_with_a_trusted_key(lake):
    signed_anew(lake)
    assert check(lake) == set()
    trust = to_pem(SIGNER.public_key())
    assert check(lake, trust=trust) == {("SIGNER_UNTRUSTED", f"entry {n}") for n in (1, 2, 3)}


def test_a_log_signed_anew_is_found_with_the_head_that_was_kept(lake):
    head = lake.head()
    signed_anew(lake)
    assert check(lake, head=head) == {("HEAD_DIFFERS", "entry 3")}


def test_a_signature_under_the_trusted_name_by_another_key(lake):
    file = path(lake, entry_key(3))
    content = json.loads(file.read_text())
    content.pop("signature")
    forged = base64.b64encode(OTHER_SIGNER.sign(canonical(content))).decode()
    file.write_bytes(canonical({**content, "signature": forged}))
    assert check(lake) == {("SIGNATURE", "entry 3")}


def test_another_public_key_under_the_signers_name(lake):
    path(lake, public_key_key(key_id(SIGNER.public_key()))).write_bytes(to_pem(OTHER_SIGNER.public_key()))
    assert check(lake) == {("SIGNER_KEY_MISSING", f"entry {n}") for n in (1, 2, 3)}
    assert check(lake, trust=SIGNER.public_key()) == set()


def test_a_file_added_to_a_table_by_another_program(lake):
    uri = table_uri(lake.store, f"{ZONE}/{RECORDS}")
    write_deltalake(uri, DeltaTable(uri).to_pyarrow_table().slice(0, 1), mode="append")
    assert check(lake) == {("FILE_FOREIGN", f"{ZONE}/{RECORDS}")}


def test_a_table_that_another_program_compacted(lake):
    DeltaTable(table_uri(lake.store, f"{ZONE}/{RECORDS}")).optimize.compact()
    where = f"{ZONE}/{RECORDS}"
    assert check(lake) == {("FILE_FOREIGN", where), ("FILE_REMOVED", where)}


def test_a_table_cannot_lose_rows_through_delta(lake):
    with pytest.raises(Exception, match="append"):
        DeltaTable(table_uri(lake.store, f"{ZONE}/{RECORDS}")).delete("control_id = 'a#0'")


def test_a_table_without_its_delta_log(lake):
    folder = path(lake, f"{ZONE}/{RECORDS}/_delta_log")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert check(lake) == {("TABLE_MISSING", f"{ZONE}/{RECORDS}")}


def test_a_transaction_number_that_jumps_ahead(lake):
    table = DeltaTable(table_uri(lake.store, f"{ZONE}/{RECORDS}"))
    properties = CommitProperties(app_transactions=[Transaction("clinray", 9)])
    table.create_write_transaction([], "append", table.schema(), commit_properties=properties)
    assert check(lake) == {("TABLE_AHEAD", f"{ZONE}/{RECORDS}")}


def rewrite(file: Path, table: pa.Table) -> None:
    pq.write_table(table, file)


def test_an_edited_file_of_inputs(lake):
    key = inputs_key(lake.entries()[1].inputs)
    rows = pq.read_table(path(lake, key)).to_pylist()
    rewrite(path(lake, key), pa.Table.from_pylist([{**row, "records_written": 2} for row in rows]))
    assert check(lake) == {("INPUTS_CHANGED", key), ("BALANCE", "entry 2")}


def test_a_deleted_file_of_inputs(lake):
    key = inputs_key(lake.entries()[1].inputs)
    path(lake, key).unlink()
    assert check(lake) == {("INPUTS_MISSING", key)}


def test_an_edited_file_of_leaves(lake):
    key = leaves_key(lake.entries()[1].leaves)
    rows = pq.read_table(path(lake, key)).to_pylist()
    rows[0]["rows"] += 1
    rewrite(path(lake, key), pa.Table.from_pylist(rows))
    where = f"{ZONE}/{rows[0]['table']}"
    assert check(lake) == {
        ("LEAVES_CHANGED", key),
        ("ROOT", "entry 2"),
        ("LEAVES_COUNTS", "entry 2"),
        ("BALANCE", "entry 2"),
        ("PART_ROWS", rows[0]["path"]),
        ("FILE_COUNTS", where),
    }


def test_a_deleted_file_of_leaves(lake):
    key = leaves_key(lake.entries()[2].leaves)
    path(lake, key).unlink()
    assert ("LEAVES_MISSING", key) in check(lake)


def test_an_edited_binding(lake):
    edit(path(lake, f"_runs/zone-{ZONE}.json"), b"key-1", b"key-2")
    assert check(lake) == {("BINDING_CHANGED", f"entry {n}") for n in (1, 2, 3)}


def test_files_that_no_entry_names_are_said_and_not_wrong(lake):
    draft(lake, ["never committed"])
    report = verify(lake.uri)
    assert report.findings == []
    assert [(i.code, i.what.split()[0]) for i in report.information] == [("FILES_UNNAMED", "2")]


def test_findings_are_told_to_people_and_to_programs(lake):
    path(lake, part(lake, 2).path).unlink()
    report = verify(lake.uri)
    assert report.exit_code == 1
    what = "the part is named by the log and not in the lake"
    assert report.as_json()["findings"] == [{"code": "PART_MISSING", "what": what, "where": part(lake, 2).path}]
    assert f"wrong  PART_MISSING  {part(lake, 2).path}: {what}" in list(report.lines())


def test_a_folder_that_is_no_lake_is_not_verified(tmp_path):
    with pytest.raises(ConfigError, match="LAKE_MISSING"):
        verify(str(tmp_path))
