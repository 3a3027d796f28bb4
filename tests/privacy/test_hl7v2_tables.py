"""The shipped policies over the tables of HL7 v2."""

from __future__ import annotations

import datetime
import re

import made_up
import pyarrow as pa
import pytest

from connectors.contract import Category, Piece, RawObject, ReadOptions, TableSpec
from connectors.registry import connector
from jobs.privacy import engine, policy

TABLES = connector("hl7v2").tables
DEIDENTIFYING = ("hipaa-limited-data-set", "pseudonymised")
MESSAGE = "\r".join(
    [
        r"MSH|^~\&|LAB|KANWARD|EHR|KANCLINIC|20240301101500-0500||ORU^R01|KANCONTROL|P|2.5",
        "PID|1||KANMRN^^^KANAUTH^MR~078-05-1120^^^USSSA^SS||KANFAMILY^KANGIVEN||19301204|M|||"
        "1 KANSTREET^^KANCITY^NY^10001-1234^USA^^^KANCOUNTY||(555)KANPHONE|||||KANACCOUNT|078-05-1120",
        "NK1|1|KANRELATIVE^ANNA|SPO|2 KANLANE||KANTEL",
        "PV1|1|I|KANROOM^1^2||||KANDOCID^KANDOCTOR^B||||||||||||KANVISIT",
        "ORC|RE|KANPLACER|KANFILLER",
        "OBR|1|KANPLACER|KANFILLER|718-7^KANORDERTEXT^LN|||202402291200",
        "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|12-16|N|||F|||20240301",
        "OBX|2|TX|9999^Note^L||KANTEXT of the patient||||||F",
        "OBX|3|CX|8888^Number^L||KANOTHER^^^KANAUTH||||||F",
        "OBX|4|XPN|7777^Name^L||KANNAMED^X||||||F",
        "OBX|5|DT|6666^Date^L||20240229||||||F",
        "OBX|6|ED|5555^File^L||^TEXT^^Base64^S0FOQVJJRQ==||||||F",
        "OBX|7|CWE|4444^Code^L||CODED^KANWORDS^L^OTHER^KANOTHERWORDS^M^^^KANORIGINAL||||||F",
        "OBX|8|CE|3333^Code^L||CODED~KEPT^KANREPEATED||||||F",
        "OBX|9|NM|2222^Number^L||KANINNUMBER||||||F",
        "OBX|10|SN|1111^Number^L||KANSIGN^5^KANBETWEEN^6||||||F",
        "OBX|11|DT|1110^Date^L||KANINDATE||||||F",
        "OBX|12|ST|30525-0^Age^LN||93 KANINAGE||||||F",
        "NTE|1||KANNOTE",
    ]
)

CANARIES = sorted(set(re.findall("KAN[A-Z]+", MESSAGE)) | {"KANFILE"})


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    content = MESSAGE.encode()
    piece = Piece(0, RawObject("s3://bucket/KANFILE.hl7", len(content), 0), [content])
    (parsed,) = connector("hl7v2").read([piece], ReadOptions())
    return dict(parsed.tables)


def deidentified(tables: dict[str, pa.Table], name: str) -> dict[str, pa.Table]:
    rules = policy.load(name)
    written = {n: t for n, t in tables.items() if not TABLES[n].identified_only}
    return {n: engine.deidentify(t, TABLES[n], rules, made_up.keyring()) for n, t in written.items()}


@pytest.mark.parametrize("name", policy.names())
def test_every_column_has_an_action_of_its_own_or_is_dropped(name: str) -> None:
    rules = policy.load(name)
    named = {category for category, _ in rules.actions}
    for spec in TABLES.values():
        for column in spec.columns:
            assert column.category.value in named or column.category is Category.ROUTED


@pytest.mark.parametrize("spec", TABLES.values(), ids=lambda spec: spec.name)
def test_the_identified_policy_keeps_every_column(spec: TableSpec) -> None:
    schema = engine.deidentified_spec(spec, policy.load("identified"))
    assert schema is not None
    assert schema.equals(spec.schema, check_metadata=True)


@pytest.mark.parametrize("name", DEIDENTIFYING)
def test_no_column_loses_its_treatment_to_its_type(name: str) -> None:
    rules = policy.load(name)
    for spec in TABLES.values():
        schema = engine.deidentified_spec(spec, rules)
        for column in spec.columns:
            if schema is not None and not column.companion_of and rules.action(column.category).name != "drop":
                assert column.name in schema.names, f"{spec.name}.{column.name}"


def test_segments_are_not_written() -> None:
    for name in DEIDENTIFYING:
        assert engine.deidentified_spec(TABLES["hl7v2_segments"], policy.load(name)) is None


def test_what_identifies_is_in_no_pseudonymised_table(tables: dict[str, pa.Table]) -> None:
    assert tables["hl7v2_patients"].num_rows == 1
    for table in deidentified(tables, "pseudonymised").values():
        text = str(table.to_pylist()).upper()
        for canary in (*CANARIES, "078-05", "078051120", "10001", "2024, 3, 1", "20240301", "1930, 12, 4", "S0FOQ"):
            assert canary not in text


def test_a_limited_data_set_keeps_city_dates_and_facility_alone(tables: dict[str, pa.Table]) -> None:
    text = " ".join(str(t.to_pylist()) for t in deidentified(tables, "hipaa-limited-data-set").values()).upper()
    told = {canary for canary in (*CANARIES, "10001-1234", "1930, 12, 4", "078-05") if canary in text}
    assert told == {"KANCITY", "10001-1234", "KANWARD", "KANCLINIC", "KANROOM", "KANAUTH", "1930, 12, 4"}


@pytest.mark.parametrize("name", DEIDENTIFYING)
def test_one_patient_has_one_pseudonym_in_all_tables(tables: dict[str, pa.Table], name: str) -> None:
    out = deidentified(tables, name)
    tokens = {v for t in out.values() if "patient_key" in t.column_names for v in t["patient_key"].to_pylist()}
    assert len(tokens) == 1
    assert out["hl7v2_patients"]["patient_id"].to_pylist() == list(tokens)
    assert engine.reveal(pa.array(list(tokens)), "patient", made_up.keyring()).to_pylist() == ["KANAUTH|KANMRN"]


def test_values_are_treated_by_their_kind(tables: dict[str, pa.Table]) -> None:
    rows = deidentified(tables, "pseudonymised")["hl7v2_observations"].to_pylist()
    before = tables["hl7v2_observations"].to_pylist()
    assert (rows[0]["value"], rows[0]["value_number"]) == ("13.5", 13.5)
    assert [rows[i]["value"] for i in (1, 3, 4, 5)] == [None] * 4
    moved = before[4]["value_time"] - rows[4]["value_time"]
    assert moved == before[0]["observation_time"] - rows[0]["observation_time"]
    assert datetime.timedelta(days=1) <= moved <= datetime.timedelta(days=365)
    assert rows[4]["value_time_precision"] == 8
