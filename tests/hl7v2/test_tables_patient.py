"""Patient keys, and what reading finds amiss."""

import pytest
from reading import HEADER, chunks, message, read, rows

from connectors.kernels.distinct import distinct


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ("|77^^^GEN^MR", "GEN|77"),
        ("|1^^^A^PI~2^^^B^MR~3^^^C^MR", "B|2"),
        ("|1^^^A^SS~2^^^B", "B|2"),
        ("|1^^^A^XYZ~2^^^B", "B|2"),
        ("|5^^^A^MC~6", "A|5"),
        ("| ab1 ^^^ gen^MR", "GEN|AB1"),
        ("|77", "GEN|77"),
        ("9^^^OLD|", "OLD|9"),
        ("9|77^^^GEN^MR", "GEN|77"),
        ("|^^^GEN^MR", None),
        ("|", None),
        ("|e\u0301^^^G^MR", "G|\u00c9"),
        ("|" + "7" * 257, None),
        ("|a\\T\\b^^^G^MR", "G|A&B"),
        ('|""^^^GEN^MR', None),
        ('9|""^^^GEN^MR', "GEN|9"),
        ('|""^^^GEN^MR~8^^^B^PI', "B|8"),
        ('|"" ""^^^GEN^MR', 'GEN|"" ""'),
        ('|77^^^""^MR', "GEN|77"),
        ('|77^^^""&1.2.3&ISO^MR', "GEN|77"),
        ('|77^^^"x^MR', '"X|77'),
    ],
)
def test_the_key_is_made_of_the_first_identifier_by_type(fields: str, key: str | None) -> None:
    header = HEADER + "||||||UNICODE UTF-8"
    assert rows(message(f"PID|1|{fields}", header=header), "messages", "patient_key") == [(key,)]


def test_every_repetition_is_an_identifier_however_far_it_stands_from_the_name_of_the_segment() -> None:
    sent = [f"{n:0{1 + n % 90}d}" for n in range(1, 120)]
    data = message("PID|1||" + "~".join(f"{name}^^^A^PI" for name in sent) + "|~Z|" + "x" * 200)
    want = [("PID-3", n + 1, name) for n, name in enumerate(sent)] + [("PID-4", 2, "Z")]
    assert rows(data, "identifiers", "position", "repetition", "identifier") == want


def test_the_reader_tells_the_distinct_keys_and_identifiers_of_patients() -> None:
    data = b"".join(message(f"PID|||{n % 3}^^^A^PI") for n in range(60))
    (parsed,) = chunks(data)
    assert parsed.told is not None
    for table, name in (("messages", "patient_key"), ("patients", "patient_key"), ("patients", "patient_id")):
        column = parsed.tables[f"hl7v2_{table}"][name].chunk(0)
        told = parsed.told.of(column)
        assert told is not None
        assert told.equals(distinct(column))


def test_without_any_authority_the_key_begins_with_the_bar() -> None:
    assert rows(message("PID|||7", header=HEADER.replace("GEN", "")), "patients", "patient_key") == [("|7",)]


def test_the_patient_row_names_the_identifier_of_its_key() -> None:
    data = message("PID|||1^^^A^PI~2^^^B^MR")
    names = ("patient_id", "patient_id_authority", "patient_id_type")
    assert rows(data, "patients", *names) == [("2", "B", "MR")]


def test_rows_belong_to_the_patient_before_them() -> None:
    data = message("NTE|1||early", "PID|||1^^^A^MR", "OBX|1", "PID|||2^^^A^MR", "OBX|2", "NTE|1||late")
    assert rows(data, "observations", "patient_key") == [("A|1",), ("A|2",)]
    assert rows(data, "notes", "patient_key") == [("A|1",), ("A|2",)]
    assert rows(data, "messages", "patient_key") == [("A|1",)]


def test_a_patient_is_not_carried_to_the_next_message() -> None:
    data = message("PID|||1^^^A^MR") + message("OBX|1")
    assert rows(data, "observations", "patient_key") == [(None,)]


NAMES = ("code", "severity", "segment", "segment_index", "position", "stage")


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (["PID|1||7^^^G^MR||||1960ab"], [("HL7_TIME_INVALID", "warning", "PID", 1, "PID-7", "read")]),
        (["PID|1||7", "OBX|1|NM|1||5,0"], [("HL7_NUMBER_INVALID", "warning", "OBX", 2, "OBX-5", "read")]),
        (["PID|1||7", "OBX|1|DT|1||May"], [("HL7_TIME_INVALID", "warning", "OBX", 2, "OBX-5", "read")]),
        (["PID|1||7", "RXA|x|||||n"], [("HL7_NUMBER_INVALID", "warning", "RXA", 2, "RXA-6", "read")]),
        (['PID|1||""^^^GEN^MR'], [("HL7_PATIENT_ID_MISSING", "error", "PID", 1, "PID-3", "read")]),
        (["PID|1||"], [("HL7_PATIENT_ID_MISSING", "error", "PID", 1, "PID-3", "read")]),
        (["PID|1||7^^^A^MR~8^^^A^MR"], [("HL7_PATIENT_ID_SEVERAL", "information", "PID", 1, "PID-3", "read")]),
        (["PID|1||7", "PID|2||8"], [("HL7_PATIENT_SEVERAL", "information", "PID", 2, "PID", "read")]),
        (["PID|1||7"] + ["PID|2||8"] * 2, [("HL7_PATIENT_SEVERAL", "information", "PID", 2, "PID", "read")]),
        (["PID|1.5||7"], [("HL7_NUMBER_INVALID", "warning", "PID", 1, "PID-1", "read")]),
        (["PID|1||7^^^A^MR~8^^^A^SS", "OBX|1|NM|1||5"], []),
    ],
)
def test_what_reading_finds(segments: list[str], expected: list[tuple[object, ...]]) -> None:
    assert rows(message(*segments), "findings", *NAMES) == expected


def test_a_guessed_character_set_is_a_finding() -> None:
    data = message("PID|1||7||M\u00fcller")
    assert rows(data, "findings", *NAMES) == [("HL7_CHARSET_ASSUMED", "information", "MSH", 0, "MSH-18", "read")]
    assert rows(data, "patients", "family_name") == [("M\u00fcller",)]


def test_findings_carry_patient_and_lineage_and_no_value() -> None:
    found = read(message("PID|1||7^^^G^MR||||19secret"))["hl7v2_findings"].to_pylist()
    assert [row["patient_key"] for row in found] == ["G|7"]
    assert found[0]["_offset"] == 0
    assert "19secret" not in repr(found)


def test_an_explicit_null_stands_in_the_patient_row_and_is_not_one_of_several() -> None:
    data = message('PID|||""^^^A^MR~""^^^B^MR')
    assert rows(data, "patients", "patient_id", "patient_key") == [('""', None)]
    assert "HL7_PATIENT_ID_SEVERAL" not in [code for (code,) in rows(data, "findings", "code")]
