"""Findings and scores over tables that the tests build row by row."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from connectors.contract import ENVELOPES
from connectors.errors import ConfigError
from connectors.hl7v2 import rules
from connectors.hl7v2.layout import specs
from connectors.kernels.distinct import Told

LINEAGE_NAMES = ("_object", "_offset", "_length", "_record_id")
ADMISSION = "MSH EVN PID PV1"


def message(offset: int, structure: str = ADMISSION, kind: str = "ADT^A01", **columns: object) -> dict[str, object]:
    """A row of hl7v2_messages that no rule finds fault with, but for what `columns` says."""
    message_type, _, event = kind.partition("^")
    row: dict[str, object] = {
        "message_type": message_type or None,
        "trigger_event": event or None,
        "structure": structure,
        "control_id": "1",
        "message_time": 0,
        "version": "2.5.1",
        "processing_id": "P",
        "patient_key": f"A|{offset}",
        "_object": "/object",
        "_offset": offset,
        "_length": 10,
        "_record_id": hashlib.sha256(str(offset).encode()).digest(),
    }
    return row | columns


def finding(offset: int, code: str, **columns: object) -> dict[str, object]:
    return segment(offset, 0, code=code, severity="warning", stage="read") | columns


def table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, specs()[name].schema)


def tables(messages: list[dict[str, object]], findings: list[dict[str, object]] | None = None) -> dict[str, pa.Table]:
    return {
        "hl7v2_messages": table("hl7v2_messages", messages),
        "hl7v2_findings": table("hl7v2_findings", findings or []),
    }


def segment(offset: int, index: int, **columns: object) -> dict[str, object]:
    """A row of another table that belongs to the message at that offset."""
    of = message(offset)
    return {name: of[name] for name in LINEAGE_NAMES} | {
        "patient_key": of["patient_key"],
        "segment_index": index,
        **columns,
    }


def found(result: dict[str, pa.Table], *names: str) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in names) for row in result["hl7v2_findings"].to_pylist()]


def scores(result: dict[str, pa.Table]) -> list[int]:
    return result["hl7v2_messages"]["score"].to_pylist()


def test_a_whole_message_scores_100_and_has_no_findings():
    result = rules.validate(tables([message(0)]))
    assert scores(result) == [100]
    assert found(result, "code") == []


def test_no_messages_give_no_findings():
    result = rules.validate(tables([]))
    assert result["hl7v2_messages"].equals(table("hl7v2_messages", []))
    assert result["hl7v2_findings"].schema.equals(specs()["hl7v2_findings"].schema, check_metadata=True)


def test_a_missing_segment_names_the_segment_and_costs_its_weight():
    result = rules.validate(tables([message(0), message(7, "MSH EVN PID")]))
    assert found(result, "code", "severity", "segment", "segment_index", "position", "stage", "_offset") == [
        ("HL7_SEGMENT_MISSING", "error", "PV1", None, "PV1", "validate", 7)
    ]
    assert scores(result) == [100, 80]


def test_two_missing_segments_are_two_findings_and_cost_once():
    result = rules.validate(tables([message(0, "MSH PID")]))
    assert found(result, "code", "segment") == [("HL7_SEGMENT_MISSING", "EVN"), ("HL7_SEGMENT_MISSING", "PV1")]
    assert scores(result) == [80]


def test_a_segment_out_of_order_is_named_with_its_index():
    result = rules.validate(tables([message(0, "MSH EVN PV1 PID")]))
    assert found(result, "code", "segment", "segment_index") == [("HL7_SEGMENT_ORDER", "PID", 3)]
    assert scores(result) == [95]


def test_behind_a_run_of_segments_the_index_is_not_known():
    result = rules.validate(tables([message(0, "MSH EVN PID NK1+ PV1 PD1")]))
    assert found(result, "code", "segment", "segment_index") == [("HL7_SEGMENT_ORDER", "PD1", None)]


def test_a_segment_that_the_type_does_not_know_is_told():
    result = rules.validate(tables([message(0, "MSH EVN PID PV1 RXE")]))
    assert found(result, "code", "severity", "segment") == [("HL7_SEGMENT_UNEXPECTED", "information", "RXE")]
    assert scores(result) == [99]


@pytest.mark.parametrize("extra", ["ZPI", "NTE+", "SFT", "ROL"])
def test_z_segments_and_notes_may_stand_anywhere(extra: str):
    assert found(rules.validate(tables([message(0, f"MSH {extra} EVN PID {extra} PV1")])), "code") == []


def test_an_unknown_type_is_information_only():
    result = rules.validate(tables([message(0, "MSH XYZ", "ABC^A01")]))
    assert found(result, "code", "severity", "position") == [("HL7_TYPE_UNKNOWN", "information", "MSH-9")]
    assert scores(result) == [100]


def test_the_structure_in_the_header_serves_where_the_event_is_not_known():
    result = rules.validate(tables([message(0, "MSH EVN PID", "ADT^ZZZ", message_structure="ADT_A01")]))
    assert found(result, "code", "segment") == [("HL7_SEGMENT_MISSING", "PV1")]


@pytest.mark.parametrize(
    ("column", "code", "position", "score"),
    [
        ("control_id", "HL7_CONTROL_ID_MISSING", "MSH-10", 85),
        ("message_time", "HL7_MESSAGE_TIME_MISSING", "MSH-7", 90),
        ("version", "HL7_VERSION_MISSING", "MSH-12", 90),
        ("processing_id", "HL7_PROCESSING_ID_MISSING", "MSH-11", 98),
    ],
)
def test_a_required_field_that_is_absent(column: str, code: str, position: str, score: int):
    result = rules.validate(
        tables([message(0, **{column: None}, trigger_event=None)])
        if column == "message_type"
        else tables([message(0, **{column: None})])
    )
    assert found(result, "code", "position", "segment", "segment_index") == [(code, position, "MSH", 0)]
    assert scores(result) == [score]


def test_a_message_without_a_type_is_not_checked_for_its_structure():
    result = rules.validate(tables([message(0, "MSH XYZ", kind="")]))
    assert found(result, "code", "position", "segment", "segment_index") == [("HL7_TYPE_MISSING", "MSH-9", "MSH", 0)]
    assert scores(result) == [70]


def test_a_required_field_of_another_table_names_the_segment_and_its_message():
    rows = [segment(0, 3, code="A", value_type="NM", value="1", status="F"), segment(9, 4, value="1", status="F")]
    given = tables([message(9), message(0)]) | {"hl7v2_observations": table("hl7v2_observations", rows)}
    result = rules.validate(given)
    assert found(result, "code", "position", "segment_index", "_offset", "patient_key") == [
        ("HL7_OBSERVATION_CODE_MISSING", "OBX-3", 4, 9, "A|9"),
        ("HL7_VALUE_TYPE_MISSING", "OBX-2", 4, 9, "A|9"),
    ]
    assert scores(result) == [92, 100]


def test_a_field_is_required_only_where_its_condition_holds():
    rows = [segment(0, 3, code="A", status="F"), segment(0, 4, code_text="words alone", status="F")]
    given = tables([message(0)]) | {"hl7v2_observations": table("hl7v2_observations", rows)}
    assert found(rules.validate(given), "code") == []


def test_a_field_is_required_only_of_the_types_that_the_rule_names():
    rows = [segment(offset, 3, code="A") for offset in (0, 9)]
    given = tables([message(0), message(9, "MSH PID OBR OBX", "ORU^R01")])
    result = rules.validate(given | {"hl7v2_observations": table("hl7v2_observations", rows)})
    assert found(result, "code", "_offset") == [("HL7_RESULT_STATUS_MISSING", 9)]


def test_an_order_without_a_request_needs_no_service():
    rows = [segment(0, 1, orc_index=1), segment(0, 2, orc_index=2, obr_index=3)]
    given = tables([message(0)]) | {"hl7v2_orders": table("hl7v2_orders", rows)}
    assert found(rules.validate(given), "code", "segment", "segment_index") == [("HL7_SERVICE_MISSING", "OBR", 3)]


def test_wrong_counts_of_trailers_become_findings_without_a_message():
    lines = [
        {"piece": 0, "_object": "/o", "_offset": 0, "kind": "BHS"},
        {"piece": 0, "_object": "/o", "_offset": 20, "kind": "MSH", "count": 2},
        {"piece": 0, "_object": "/o", "_offset": 90, "kind": "BTS", "declared": 3},
    ]
    made = rules.envelope_findings(pa.Table.from_pylist(lines, ENVELOPES))
    assert made.schema.equals(specs()["hl7v2_findings"].schema, check_metadata=True)
    assert [{k: v for k, v in row.items() if v is not None} for row in made.to_pylist()] == [
        {
            "code": "HL7_BATCH_COUNT",
            "severity": "warning",
            "segment": "BTS",
            "position": "BTS-1",
            "stage": "read",
            "_object": "/o",
            "_offset": 90,
            "_length": 0,
        }
    ]


def test_no_envelopes_give_no_findings():
    assert rules.envelope_findings(ENVELOPES.empty_table()).num_rows == 0


def test_a_time_that_does_not_parse_is_not_called_missing_too():
    given = [finding(0, "HL7_TIME_INVALID", segment="MSH", position="MSH-7")]
    result = rules.validate(tables([message(0, message_time=None), message(9, message_time=None)], given))
    assert found(result, "code", "_offset") == [("HL7_TIME_INVALID", 0), ("HL7_MESSAGE_TIME_MISSING", 9)]


def test_findings_of_reading_count_in_the_score_once_a_code():
    given = [finding(5, "HL7_TIME_INVALID"), finding(5, "HL7_TIME_INVALID"), finding(5, "HL7_NUMBER_INVALID")]
    assert scores(rules.validate(tables([message(0), message(5)], given))) == [100, 90]


def test_a_score_is_never_below_nothing():
    bad = message(0, "MSH", "ADT^A01", control_id=None, message_time=None, version=None, processing_id=None)
    given = [finding(0, code) for code in ("HL7_PATIENT_ID_MISSING", "HL7_TIME_INVALID", "HL7_NUMBER_INVALID")]
    worse = [finding(0, "HL7_TYPE_MISSING"), *given]
    assert scores(rules.validate(tables([bad], given))) == [13]
    assert scores(rules.validate(tables([bad], worse))) == [0]


def test_a_second_validation_changes_nothing():
    rows = [message(i, structure) for i, structure in enumerate([ADMISSION, "MSH PID", "MSH EVN PV1 PID"])]
    once = rules.validate(tables(rows, [finding(2, "HL7_TIME_INVALID"), finding(0, "HL7_CHARSET_ASSUMED")]))
    twice = rules.validate(once)
    assert twice.keys() == once.keys()
    assert all(twice[name].equals(once[name], check_metadata=True) for name in once)


def test_findings_stand_in_the_order_of_their_messages_in_whatever_chunks_they_are_made():
    rows = [message(i, structure) for i, structure in enumerate(["MSH PID", ADMISSION, "MSH EVN", "MSH EVN PV1 PID"])]
    given = [finding(1, "HL7_TIME_INVALID"), finding(3, "HL7_TIME_INVALID")]
    whole = rules.validate(tables(rows, given))["hl7v2_findings"]
    parts = [rules.validate(tables(rows[:2], given[:1])), rules.validate(tables(rows[2:], given[1:]))]
    assert whole.equals(pa.concat_tables([part["hl7v2_findings"] for part in parts]).combine_chunks())


def test_a_finding_of_no_message_of_these_tables_stays_last():
    stray = finding(0, "HL7_BATCH_COUNT", _record_id=None, _offset=99)
    result = rules.validate(tables([message(3, "MSH EVN PID")], [stray]))
    assert found(result, "code", "_offset") == [("HL7_SEGMENT_MISSING", 3), ("HL7_BATCH_COUNT", 99)]
    assert scores(result) == [80]


def test_two_versions_of_an_object_keep_their_findings_apart():
    other = hashlib.sha256(b"other").digest()
    rows = [message(0), message(0, _record_id=other)]
    assert scores(rules.validate(tables(rows, [finding(0, "HL7_TIME_INVALID", _record_id=other)]))) == [100, 95]


def test_tables_of_other_names_are_handed_through():
    other = pa.table({"x": [1]})
    assert rules.validate({"other": other}) == {"other": other}


def test_every_kind_of_structure_rule_has_exactly_one_row():
    kinds = [each.kind for each in rules.rules() if each.kind in rules.STRUCTURE_KINDS]
    assert sorted(kinds) == sorted(rules.STRUCTURE_KINDS)


def test_every_rule_is_well_formed():
    for each in rules.rules():
        assert each.severity in {"error", "warning", "information"}, each.code
        assert each.stage in {"read", "validate"}, each.code
        assert each.weight >= 0, each.code
        assert each.description.endswith("."), each.code
    codes = [each.code for each in rules.rules()]
    assert len(set(codes)) == len(codes)


def test_every_required_field_names_columns_that_are_there():
    for each in rules.rules():
        if each.kind != "required_field":
            continue
        columns = specs()[each.table].schema
        assert each.columns, each.code
        for name in (*each.columns, *filter(None, (each.when, each.index))):
            assert name in columns.names, each.code
        assert bool(each.index) == (each.table != "hl7v2_messages"), each.code


def test_a_code_without_a_rule_is_an_error():
    with pytest.raises(ConfigError, match="HL7_RULE"):
        rules.rule("HL7_NONE")


def test_the_findings_of_every_message_stand_with_it():
    structures = ["MSH EVN PID PV1", "MSH EVN PID", "MSH PID", "MSH EVN PV1 PID", "MSH EVN PID PV1 RXE"]
    of = np.random.default_rng(3).integers(0, len(structures), 500)
    result = rules.validate(tables([message(i, structures[k]) for i, k in enumerate(of)]))
    expected = []
    for i, k in enumerate(of):
        alone = rules.validate(tables([message(i, structures[k])]))
        expected += found(alone, "code", "segment", "segment_index", "_offset", "patient_key")
    assert found(result, "code", "segment", "segment_index", "_offset", "patient_key") == expected


def test_what_the_rules_look_at_is_known_afterwards() -> None:
    given, told = tables([message(0), message(7, "MSH EVN PID")]), Told()
    assert rules.validate(given, told).keys() == given.keys()
    for name in ("message_type", "structure"):
        several = told.of(given["hl7v2_messages"][name].chunk(0))
        assert several is not None
        assert several.values.to_pylist() == list(dict.fromkeys(given["hl7v2_messages"][name].to_pylist()))
