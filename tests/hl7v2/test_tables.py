"""Exact values of every table, from messages made by hand."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from reading import HEADER, chunks, message, read, rows

from connectors.contract import LINEAGE, Category
from connectors.errors import ConfigError
from connectors.hl7v2 import HL7v2
from connectors.hl7v2.layout import Slot, make_layout, specs

PID = "PID|1||77^^^GEN^MR||DOE^JANE^Q"


def test_the_header_becomes_a_row_of_messages() -> None:
    names = ("separators", "sending_facility", "message_type", "trigger_event", "message_structure", "control_id")
    assert rows(message(PID), "messages", *names) == [(r"|^~\&", "GEN", "ORU", "R01", "ORU_R01", "C1")]


def test_a_message_is_one_row_however_often_it_tells_of_its_event() -> None:
    data = message("EVN|A01|20240101", "EVN|A02|20240102", PID) + message("EVN|A03", PID)
    assert rows(data, "messages", "control_id", "event_code", "segments") == [("C1", "A01", 4), ("C1", "A03", 3)]


def test_times_come_with_precision_and_offset() -> None:
    found = rows(message(), "messages", "message_time", "message_time_precision", "message_time_offset")
    assert found == [(datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC), 14, 60)]


def test_the_site_time_zone_is_taken_where_no_offset_was_sent() -> None:
    data = message(header=HEADER.replace("+0100", ""))
    found = rows(data, "messages", "message_time", "message_time_offset", time_zone="America/New_York")
    assert found == [(datetime(2024, 1, 2, 8, 4, 5, tzinfo=UTC), None)]


def test_the_structure_names_the_segments_and_collapses_runs() -> None:
    data = message(PID, "OBR|1", "OBX|1", "OBX|2", "NTE|1", "OBX|3", "ZZZ|1")
    assert rows(data, "messages", "structure", "segments", "score") == [("MSH PID OBR OBX+ NTE OBX ZZZ", 8, None)]


def test_the_event_joins_the_row_of_its_message() -> None:
    data = message("EVN|A01|20240102||R|OP1^Ops", PID)
    found = rows(data, "messages", "event_code", "event_reason", "event_operator_id", "event_operator_family_name")
    assert found == [("A01", "R", "OP1", "Ops")]


def test_patients_take_the_first_repetition_and_keep_all_of_them() -> None:
    data = message(
        r"PID|1||7||A\T\B&van^J^^JR^DR~C^D||19600203|F|||1 Main&Main^Apt 2^Town^CA^94110^USA^H^^Kent||555~556"
    )
    names = ("family_name", "given_name", "names", "street", "city", "address_zip", "address_county", "phone_home")
    assert rows(data, "patients", *names) == [
        ("A&B", "J", "A&B&van^J^^JR^DR~C^D", "1 Main&Main", "Town", "94110", "Kent", "555~556")
    ]


def test_additional_demographics_join_the_patient_before_them() -> None:
    data = message(PID, "PD1|||Clinic^X|P1^Prov", "PID|2||78^^^GEN^MR")
    names = ("set_id", "primary_facility", "primary_provider_family_name", "segment_index")
    assert rows(data, "patients", *names) == [(1, "Clinic", "Prov", 1), (2, None, None, 3)]


def test_every_identifier_of_a_patient_is_a_row_with_its_category() -> None:
    data = message(
        "PID|1|5|77^^^GEN^MR~123-45-6789^^^SSA^SS~~9^^^PLAN^MB|||||||||||||||A7|999-99-9999|D1^CA^20300101|M1^^^GEN^MR"
    )
    names = ("position", "repetition", "identifier", "authority", "type", "category")
    assert rows(data, "identifiers", *names) == [
        ("PID-2", 1, "5", "GEN", None, "patient_id"),
        ("PID-3", 1, "77", "GEN", "MR", "patient_id"),
        ("PID-3", 2, "123-45-6789", "SSA", "SS", "ssn"),
        ("PID-3", 4, "9", "PLAN", "MB", "health_plan_id"),
        ("PID-18", 1, "A7", "GEN", "AN", "account_number"),
        ("PID-19", 1, "999-99-9999", "GEN", "SS", "ssn"),
        ("PID-20", 1, "D1", "CA", "DL", "licence_number"),
        ("PID-21", 1, "M1", "GEN", "MR", "relative_id"),
    ]


def test_a_visit_and_its_additional_data_are_one_row() -> None:
    data = message(PID, "PV1|1|I|W1^12^A^GEN|||||||||||||||||V9^^^ADT", "PV2|||R1^Reason")
    names = ("patient_class", "point_of_care", "bed", "visit_number", "visit_authority", "admit_reason_text")
    assert rows(data, "visits", *names) == [("I", "W1", "A", None, None, "Reason")]
    data = data.replace(b"|||||||||||||||||V9", b"||||||||||||||||V9")
    assert rows(data, "visits", "visit_number", "visit_authority") == [("V9", "ADT")]


def test_an_order_and_its_request_are_one_row_and_a_further_request_its_own() -> None:
    data = message(PID, "ORC|RE|P1^X|F1", "OBR|1|P2||A^Text^LN", "OBR|2|P3||B", "ORC|NW|P4", "ORC|NW|P5")
    names = ("orc_index", "obr_index", "placer_order_number", "placer_authority", "service_code")
    assert rows(data, "orders", *names) == [
        (2, 3, "P1", "X", "A"),
        (None, 4, "P3", "GEN", "B"),
        (5, None, "P4", "GEN", None),
        (6, None, "P5", "GEN", None),
    ]


def test_an_observation_belongs_to_the_request_and_specimen_before_it() -> None:
    data = message(
        PID,
        "OBX|1|ST|0||x",
        "ORC|RE",
        "OBR|4||F|GLU",
        "SPM|1|S1&X||BLD",
        "OBX|1|NM|1||5",
        "OBR|5||F|K",
        "OBX|2|NM|2||6",
    )
    names = ("set_id", "order_index", "order_set_id", "service_code", "specimen_index", "specimen_id", "specimen_type")
    assert rows(data, "observations", *names) == [
        (1, None, None, None, None, None, None),
        (1, 3, 4, "GLU", 5, "S1", "BLD"),
        (2, 7, 5, "K", None, None, None),
    ]


@pytest.mark.parametrize(
    ("kind", "code", "value", "category", "expected"),
    [
        ("NM", "2345-7", "-1.50", "quantity", {"value_number": -1.5}),
        ("SN", "2345-7", ">^100", "quantity", {"value_number": 100.0, "value_comparator": ">"}),
        (
            "SN",
            "2345-7",
            "^1^:^128",
            "quantity",
            {"value_number": 1.0, "value_separator": ":", "value_second_number": 128.0},
        ),
        ("CWE", "1", "A^b^L^C^d^M", "code_text", {"value_code": "A", "value_text": "b", "value_alternate_code": "C"}),
        ("CE", "1", "A", "code", {"value_code": "A", "value_text": None}),
        ("CWE", "1", "A^^L", "code_text", {"value_code": "A", "value_code_system": "L"}),
        ("CNE", "1", "A~B^KAN", "code_text", {"value_code": "A"}),
        ("ID", "1", "Y", "code", {"value_code": "Y", "value_text": None}),
        ("IS", "1", "Y^KAN", "code_text", {"value_code": "Y"}),
        (
            "DT",
            "1",
            "20240229",
            "event_date",
            {"value_time": datetime(2024, 2, 29, tzinfo=UTC), "value_time_precision": 8},
        ),
        ("TM", "1", "0930", "event_date", {"value_time": None}),
        ("TM", "1", "0930 KAN", "free_text", {"value_time": None}),
        ("DT", "1", "KAN", "free_text", {"value_time": None}),
        ("TS", "1", "20240229^D", "event_date", {"value_time_precision": 8}),
        ("TS", "1", "20240229^KAN", "free_text", {"value_time_precision": 8}),
        ("NM", "1", "<15", "quantity", {"value_number": None}),
        ("NM", "1", "60~120", "quantity", {"value_number": 60.0}),
        ("NM", "1", "5^^", "quantity", {"value_number": 5.0}),
        ("NM", "1", '""', "quantity", {"value_number": None}),
        ("NM", "1", "KAN", "free_text", {"value_number": None}),
        ("NM", "1", "5^KAN", "free_text", {"value_number": 5.0}),
        ("NM", "1", "5~KAN", "free_text", {"value_number": 5.0}),
        ("NM", "1", "555-12-3456", "free_text", {"value_number": None}),
        ("SN", "1", "^5^^", "quantity", {"value_number": 5.0, "value_separator": None}),
        ("SN", "1", "KAN^5", "free_text", {"value_number": 5.0, "value_comparator": None}),
        ("SN", "1", "^5^KAN^6", "free_text", {"value_number": 5.0, "value_separator": None}),
        ("SN", "1", "^5^-^KAN", "free_text", {"value_number": 5.0, "value_separator": "-"}),
        ("SN", "1", ">^5^^^KAN", "free_text", {"value_number": 5.0, "value_comparator": ">"}),
        ("SN", "1", "^5~KAN", "free_text", {"value_number": 5.0}),
        ("ST", "1", "1.5", "free_text", {"value_number": None, "value_code": None}),
        ("NM", "30525-0", "93", "age", {"value_number": 93.0}),
        ("NM", "30525-0", "KAN", "free_text", {"value_number": None}),
        ("ST", "30525-0", "93 years", "age", {"value_number": None}),
        ("ST", "30525-0", "93 KAN", "free_text", {"value_number": None}),
        ("XPN", "30525-0", "KAN^N", "free_text", {}),
        ("ST", "21112-8", "19310203", "birth_date", {"value_number": None}),
        ("ST", "21112-8", "1931-02-03", "birth_date", {"value_number": None}),
        ("TX", "21112-8", "KAN 1931", "free_text", {"value_number": None}),
        ("CX", "1", "77^^^GEN", "patient_id", {"value_code": None}),
        ("XPN", "1", "DOE^J", "person_name", {}),
        ("XAD", "1", "1 Main", "address_street", {}),
        ("XTN", "1", "555", "telecom", {}),
        ("XCN", "1", "D1^House", "provider_id", {}),
        ("ED", "1", "^TEXT^^Base64^QQ==", "attachment", {}),
        ("QQQ", "1", "x", "free_text", {}),
        ("", "1", "x", "free_text", {}),
    ],
)
def test_a_value_is_typed_and_categorised_by_its_type(kind, code, value, category, expected) -> None:
    data = message(PID, f"OBX|1|{kind}|{code}^n^LN||{value}|u")
    found = read(data)["hl7v2_observations"].to_pylist()[0]
    assert found["value"] == value
    assert found["value_category"] == category
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("kind", "code", "value", "units", "category"),
    [
        ("NM", "L1", "93", "a", "age"),  # a site's own code: the unit tells
        ("NM", "L1", "93", "Years^year^UCUM", "age"),
        ("SN", "L1", "^93", "yr", "age"),
        ("NM", "L1", "93", "A", "quantity"),  # ampere
        ("NM", "L1", "93", "mg/dL", "quantity"),
        ("NM", "AGE", "93", "", "age"),
        ("NM", "30525-0", "93", "", "age"),
        ("NM", "30525-0", "93", "mo", "quantity"),
        ("NM", "30525-0", "1079", "months", "quantity"),
        ("NM", "30525-0", "1080", "mo", "free_text"),
        ("NM", "L1", "32850", "d", "free_text"),
        ("NM", "L1", "7", "d", "quantity"),
        ("SN", "L1", "^7^-^40000", "d", "free_text"),
        ("NM", "L1", "1234567", "", "free_text"),  # somebody's number, or a day
        ("NM", "L1", "123456", "", "quantity"),
        ("NM", "L1", "0.12345678", "", "quantity"),
        ("NM", "L1", "1234567", "copies/mL", "quantity"),
        ("SN", "L1", ">^1234567", "", "free_text"),
        ("SN", "L1", "^1^-^1234567", "", "free_text"),
        ("ST", "30525-0", "93 mo", "", "age"),
        ("ST", "30525-0", "078-05-1120", "", "free_text"),
        ("ST", "21112-8", "5551234567", "", "free_text"),
        ("ST", "21112-8", "3/1/1947", "", "birth_date"),
        ("ST", "DOB", "1947-03-01 12:30", "", "birth_date"),
        ("ST", "21112-8", "194703011230", "", "birth_date"),
        ("TS", "L1", "19470301120000.0780511200", "", "event_date"),
        ("TS", "L1", "19470301120000.078051120012345", "", "free_text"),
    ],
)
def test_ages_and_numbers_of_people_are_told_by_unit_and_length(kind, code, value, units, category) -> None:
    data = message("OBR|1", f"OBX|1|{kind}|{code}||{value}|{units}")
    assert rows(data, "observations", "value_category") == [(category,)]


def test_a_number_of_seven_digits_numbers_no_segment() -> None:
    data = message("PID|078051120||77^^^GEN^MR", "OBX|123456|NM|L1||1")
    assert rows(data, "patients", "set_id") == [(None,)]
    assert rows(data, "observations", "set_id") == [(123456,)]


def test_of_a_coded_field_that_is_one_column_the_words_are_left_out() -> None:
    data = message(PID + "|" * 25 + "Y^typed by Jane Doe", "OBX|1|NM|L1||1|||H^High for Jane^L~N^other")
    assert rows(data, "patients", "death_indicator") == [("Y",)]
    assert rows(data, "observations", "interpretation") == [("H",)]


def test_a_sign_of_a_structured_number_that_is_none_is_a_finding() -> None:
    signs = ("<", ">=", "KAN", '""', "")
    lines = [f"OBX|{i}|SN|1||{sign}^5^{'/' if i else 'to'}^6" for i, sign in enumerate(signs)]
    tables = read(message(PID, *lines))
    assert tables["hl7v2_observations"]["value_comparator"].to_pylist() == ["<", ">=", None, '""', None]
    assert tables["hl7v2_observations"]["value_separator"].to_pylist() == [None, *["/"] * 4]
    found = [(f["code"], f["segment_index"]) for f in tables["hl7v2_findings"].to_pylist()]
    assert found == [("HL7_NUMBER_INVALID", 2), ("HL7_NUMBER_INVALID", 4)]


def test_whatever_a_policy_must_look_at_row_by_row_is_routed_by_the_category() -> None:
    spec = specs()["hl7v2_observations"]
    routed = {c.name for c in spec.columns if c.routed_by == "value_category"}
    assert routed >= {"value", "value_number", "value_second_number", "value_time"}


def test_pharmacy_rows_take_the_route_behind_them_and_mixtures_are_rows() -> None:
    data = message(
        PID,
        "ORC|NW",
        "RXE|^^^20240101|D1^Drug^NDC|5|10|mg",
        "RXR|PO^oral",
        "RXC|A|D2|1|ml",
        "RXA|0|1|20240102||V1^Vac|0.5",
    )
    names = ("segment", "order_index", "drug_code", "amount", "amount_maximum", "route", "component_type")
    assert rows(data, "pharmacy", *names) == [
        ("RXE", 2, "D1", 5.0, 10.0, "PO", None),
        ("RXC", 2, "D2", 1.0, None, None, "A"),
        ("RXA", 2, "V1", 0.5, None, None, None),
    ]


def test_diagnoses_and_allergies() -> None:
    data = message(PID, "DG1|1||E11^Diabetes^I10||20240101|F", "AL1|1|DA|P^Penicillin|SV|rash~hives", "IAM|2|FA|N^Nut")
    assert rows(data, "diagnoses", "code", "code_text", "type") == [("E11", "Diabetes", "F")]
    assert rows(data, "allergies", "segment", "set_id", "code", "reaction") == [
        ("AL1", 1, "P", "rash~hives"),
        ("IAM", 2, "N", None),
    ]


def test_relatives_guarantors_and_insurances_are_contacts() -> None:
    data = message(PID, "NK1|1|ROE^ANN|SPO", "GT1|1|G7|ROE^BOB", "IN1|1|PLAN^Text|C1|Insurer||||GRP||||||||ROE^CAL")
    names = ("segment", "family_name", "given_name", "relationship", "identifier", "identifier_authority", "plan_code")
    assert rows(data, "contacts", *names) == [
        ("NK1", "ROE", "ANN", "SPO", None, None, None),
        ("GT1", "ROE", "BOB", None, "G7", "GEN", None),
        ("IN1", "ROE", "CAL", None, None, None, "PLAN"),
    ]


def test_a_note_belongs_to_the_segment_before_it_and_text_reports_are_notes() -> None:
    data = message(PID, "NTE|1|L|on patient", "OBR|3", "OBX|9|FT|R||line", "NTE|1||a", "NTE|2||b")
    names = ("segment", "set_id", "text", "parent_segment", "parent_index", "parent_set_id")
    assert rows(data, "notes", *names) == [
        ("NTE", 1, "on patient", "PID", 1, 1),
        ("OBX", 9, "line", "OBR", 3, 3),
        ("NTE", 1, "a", "OBX", 4, 9),
        ("NTE", 2, "b", "OBX", 4, 9),
    ]


def test_lines_that_are_no_segments_continue_the_field_before_them() -> None:
    data = message(PID, "OBX|1|TX|R||one\rtwo\r\nthree|u", "NTE|1||a\n\nb")
    assert rows(data, "observations", "value", "units") == [("one\ntwo\nthree", "u")]
    assert rows(data, "notes", "text") == [("one\ntwo\nthree",), ("a\n\nb",)]
    assert rows(data, "segments", "raw")[2] == (b"OBX|1|TX|R||one\rtwo\r\nthree|u",)


def test_the_explicit_null_stays_and_absent_and_empty_differ_in_segments() -> None:
    data = message('PID|1||""|', "ZAB")
    assert rows(data, "patients", "patient_id", "ssn") == [('""', None)]
    assert rows(data, "segments", "name", "fields")[1:] == [("PID", ["1", "", '""', ""]), ("ZAB", [])]


def test_the_header_of_a_message_is_in_segments_with_its_separator_first() -> None:
    assert rows(message(header="MSH#*~#A"), "segments", "fields") == [(["#", "*~", "A"],)]


def test_rows_carry_the_lineage_of_their_message() -> None:
    first, second = message(PID, "OBX|1"), message(PID, "OBX|2")
    found = read(b"\r\n" + first + second)["hl7v2_observations"].select([c.name for c in LINEAGE]).to_pylist()
    messages = read(b"\r\n" + first + second)["hl7v2_messages"].select([c.name for c in LINEAGE]).to_pylist()
    assert found == messages
    assert [(row["_object"], row["_offset"], row["_length"]) for row in found] == [
        ("/data/a.hl7", 2, len(first) - 1),
        ("/data/a.hl7", 2 + len(first), len(second) - 1),
    ]


def test_only_wanted_tables_are_made() -> None:
    found = read(message(PID, "NTE|1||x"), tables=frozenset({"hl7v2_notes", "hl7v2_messages"}))
    assert list(found) == ["hl7v2_messages", "hl7v2_notes"]
    assert found["hl7v2_notes"]["patient_key"].to_pylist() == ["GEN|77"]


def test_an_object_without_messages_gives_empty_tables_and_its_rejects() -> None:
    (parsed,) = chunks(b"nothing of the kind")
    assert {table.num_rows for table in parsed.tables.values()} == {0}
    assert parsed.rejects.num_rows == 1
    assert set(parsed.tables) == set(HL7v2().tables)


def test_tables_have_the_schemas_of_their_specs() -> None:
    for data in (message(), message(PID, "OBX|1|NM|1||5")):
        for name, table in read(data).items():
            assert table.schema.equals(specs()[name].schema, check_metadata=True)


def test_every_column_has_a_category_and_a_sentence() -> None:
    for spec in specs().values():
        for column in spec.columns:
            assert isinstance(column.category, Category)
            assert column.description.endswith("."), (spec.name, column.name)


def test_columns_that_can_hold_names_are_not_called_harmless() -> None:
    harmless = {Category.TECHNICAL, Category.CODE, Category.QUANTITY}
    for spec in specs().values():
        for column in spec.columns:
            if any(word in column.name for word in ("family_name", "given_name", "phone", "street", "ssn")):
                assert column.category not in harmless, (spec.name, column.name)


@pytest.mark.parametrize("position", ["PID5", "PID-0", "PID-5.0", "PID-5.1.0", "PID-05"])
def test_a_position_that_does_not_read_stops_the_layout(position: str) -> None:
    with pytest.raises(ConfigError, match="TABLE_COLUMNS"):
        make_layout([Slot("x", "text", (position,))])


def test_two_columns_of_one_position_stop_the_layout() -> None:
    with pytest.raises(ConfigError, match="TABLE_COLUMNS"):
        make_layout([Slot("x", "text", ("PID-5",)), Slot("y", "text", ("PID-5",))])


def test_a_column_of_two_positions_of_one_segment_stops_the_layout() -> None:
    with pytest.raises(ConfigError, match="TABLE_COLUMNS"):
        make_layout([Slot("x", "text", ("PID-5.1", "PID-5"))])


@pytest.mark.parametrize("position", ["MSH-1.1", "MSH-1.1.1", "MSH-2", "MSH-2.1"])
def test_a_part_of_the_separators_stops_the_layout(position: str) -> None:
    with pytest.raises(ConfigError, match="TABLE_COLUMNS"):
        make_layout([Slot("x", "text", (position,))])


def test_an_embedded_document_of_megabytes_is_one_value() -> None:
    document = "QUJD" * 1_000_000
    data = message(PID, f"OBX|1|ED|D||^TEXT^^Base64^{document}")
    (value,) = rows(data, "observations", "value")[0]
    assert value == f"^TEXT^^Base64^{document}"


def test_a_long_value_is_not_repeated_on_the_rows_of_another_table() -> None:
    data = message(PID, f"OBR|1|||{'X' * 300}", "OBX|1|NM|1||5", "OBX|2|NM|1||5")
    assert rows(data, "observations", "service_code") == [(None,), (None,)]
    assert rows(data, "orders", "service_code") == [("X" * 300,)]


def test_types_of_value_columns() -> None:
    schema = specs()["hl7v2_observations"].schema
    assert schema.field("value_time").type == pa.timestamp("us", "UTC")
    assert schema.field("value_number").type == pa.float64()


def test_the_end_of_time_west_of_utc_is_a_finding_and_its_text_stays() -> None:
    data = message("PID|1||7^^^GEN^MR||||99991231235959", "OBX|1|TS|X^X^L||99991231235959")
    zone = {"time_zone": "America/New_York"}
    assert rows(data, "patients", "birth_time", **zone) == [(None,)]
    assert rows(data, "observations", "value", "value_time", **zone) == [("99991231235959", None)]
    assert rows(data, "findings", "code", "segment", **zone)[:2] == [
        ("HL7_TIME_INVALID", "PID"),
        ("HL7_TIME_INVALID", "OBX"),
    ]
