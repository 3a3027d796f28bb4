"""Lines that are no segments as they should be: where text goes on, where a segment begins, what belongs to none."""

from __future__ import annotations

import pytest
from reading import read

from connectors.hl7v2.layout import specs
from connectors.hl7v2.lines import text_positions
from connectors.hl7v2.relate import KINDS

HEADER = b"MSH|^~\\&|LAB|GEN|R|F|20240102153000||ADT^A01|C1|P|2.5.1\r"
PATIENT = b"PID|1||777^^^AUTH^MR||Smithson^Johnny||19500102|M\r"
BEFORE = (b"\0", b"\0" * 80, b"\x0b", b"\x1a", b"\x0c", b" ", b"   ", b"\t", b"\xef\xbb\xbf")


def findings(data: bytes) -> list[tuple[str, str, int]]:
    """Code, segment and its place, of the findings about lines."""
    rows = read(data)["hl7v2_findings"].to_pylist()
    of_lines = [row for row in rows if row["code"] in ("HL7_SEGMENT_START", "HL7_LINE_STRAY")]
    return [(row["code"], row["segment"], row["segment_index"]) for row in of_lines]


def bytes_of(data: bytes) -> bytes:
    """The message as its segments hold it."""
    rows = read(data)["hl7v2_segments"].to_pylist()
    return b"".join(row["raw"] + row["terminator"] for row in rows)


@pytest.mark.parametrize("before", BEFORE)
def test_a_segment_begins_behind_blanks_and_control_bytes(before: bytes) -> None:
    data = HEADER + before + PATIENT + b"PV1|1|I"
    found = read(data)
    assert found["hl7v2_segments"]["name"].to_pylist() == ["MSH", "PID", "PV1"]
    assert found["hl7v2_messages"]["version"].to_pylist() == ["2.5.1"]
    assert found["hl7v2_patients"]["patient_id"].to_pylist() == ["777"]
    assert findings(data) == [("HL7_SEGMENT_START", "PID", 1)]
    assert bytes_of(data) == data


def test_a_segment_that_tables_are_made_of_may_have_small_letters() -> None:
    data = HEADER + PATIENT.replace(b"PID", b"pid") + b"Nk1|1|Smithson^Ann"
    found = read(data)
    assert found["hl7v2_segments"]["name"].to_pylist() == ["MSH", "PID", "NK1"]
    assert found["hl7v2_patients"]["patient_id"].to_pylist() == ["777"]
    assert findings(data) == [("HL7_SEGMENT_START", "PID", 1), ("HL7_SEGMENT_START", "NK1", 2)]
    assert bytes_of(data) == data


@pytest.mark.parametrize("name", [b"yes", b"end", b"txa"])
def test_other_small_words_are_text(name: bytes) -> None:
    data = HEADER + PATIENT + b"OBX|1|TX|X||one\r" + name + b"|u|||||F"
    assert read(data)["hl7v2_observations"].select(["value", "units", "status"]).to_pylist() == [
        {"value": f"one\n{name.decode()}", "units": "u", "status": "F"}
    ]
    assert findings(data) == []


def test_an_indented_word_of_three_capitals_is_text() -> None:
    data = HEADER + PATIENT + b"OBX|1|TX|X||RESULTS\r  CBC\r  WBC 5.0|u"
    assert read(data)["hl7v2_observations"]["value"].to_pylist() == ["RESULTS\n  CBC\n  WBC 5.0"]


@pytest.mark.parametrize("line", [b"ID|1||777^^^A^MR||Smithson", b"|1||777||Smithson", b"XPID|1||777", b"Smithson"])
@pytest.mark.parametrize(
    ("segment", "table"),
    [
        (b"", "hl7v2_messages"),
        (PATIENT, "hl7v2_patients"),
        (PATIENT + b"PV1|1|I\r", "hl7v2_visits"),
        (PATIENT + b"NK1|1|Ann\r", "hl7v2_contacts"),
        (PATIENT + b"OBX|1|NM|X||5|u|||||F\r", "hl7v2_observations"),
    ],
)
def test_no_line_moves_into_the_columns_of_a_segment_without_text(line: bytes, segment: bytes, table: str) -> None:
    whole, without = HEADER + segment + line + b"\rZZ1|1", HEADER + segment + b"ZZ1|1"
    lineage = [name for name in specs()[table].schema.names if name.startswith("_")]
    assert read(whole)[table].drop_columns(lineage).equals(read(without)[table].drop_columns(lineage))
    name = (segment or HEADER).rstrip(b"\r").rpartition(b"\r")[2][:3].decode()
    assert findings(whole) == [("HL7_LINE_STRAY", name, segment.count(b"\r"))]
    assert bytes_of(whole) == whole


def test_a_line_behind_the_last_field_of_text_is_stray_though_one_before_went_on() -> None:
    data = HEADER + PATIENT + b"OBX|1|TX|X||one\rtwo|u|||||F\rthree|4"
    assert read(data)["hl7v2_observations"].select(["value", "status"]).to_pylist() == [
        {"value": "one\ntwo", "status": "F"}
    ]
    assert findings(data) == [("HL7_LINE_STRAY", "OBX", 2)]


@pytest.mark.parametrize("position", text_positions())
def test_text_goes_on_in_each_field_that_people_write(position: str) -> None:
    name, field = position.split("-")
    segment = f"{name}{'|' * int(field)}one\rtwo".encode()
    data = HEADER + segment + b"|behind\rZZ1|1"
    row = read(data)["hl7v2_segments"].to_pylist()[1]
    assert (row["raw"], row["fields"][int(field) - 1 :]) == (segment + b"|behind", ["one\rtwo", "behind"])
    assert findings(data) == []


def test_segments_without_tables_go_on_anywhere() -> None:
    data = HEADER + b"ZZ1|1\rtwo|b|c\rthree"
    assert read(data)["hl7v2_segments"]["fields"].to_pylist()[1] == ["1\rtwo", "b", "c\rthree"]


def test_text_goes_on_in_no_column_that_is_not_free_text_or_treated_by_its_type() -> None:
    for spec in specs().values():
        for column in spec.columns:
            for position in column.position.split():
                if ".".join(position.split(".")[:1]) in text_positions() and "." not in position:
                    assert column.category in ("free_text", "routed"), (spec.name, column.name)


def test_only_segments_with_tables_are_named() -> None:
    assert {position.partition("-")[0] for position in text_positions()} <= set(KINDS)


def test_many_lines_of_text_take_time_that_grows_with_them() -> None:
    lines = b"\r".join(b"line %d of a long report" % n for n in range(200_000))
    found = read(HEADER + b"OBX|1|TX|X||" + lines + b"|u")["hl7v2_observations"]
    assert found["units"].to_pylist() == ["u"]
    assert found["value"].to_pylist() == [lines.decode().replace("\r", "\n")]
