"""Where rows stand in their message, and which specimen and request observations belong to."""

import pytest
from reading import message, read, rows

SPECIMEN = ("set_id", "order_set_id", "specimen_index", "specimen_id", "specimen_type")


def test_a_specimen_before_the_first_request_of_a_message_has_those_behind_it_until_the_next_specimen() -> None:
    data = message(
        "PID|1||1",
        "OBX|1|ST|0||of the patient",
        "SPM|1|SPA||BLD",
        "OBX|2|ST|1||of the specimen",
        "SAC|||C1",
        "ORC|RE",
        "OBR|1|||A1",
        "OBX|3|ST|X||1|u|||||F",
        "OBR|2|||A2",
        "OBX|4|ST|X||2|u|||||F",
        "SPM|2|SPB||UR",
        "OBX|5|ST|2||of the specimen",
        "OBR|3|||A3",
        "OBX|6|ST|X||3|u|||||F",
        header=r"MSH|^~\&|A|B|||20240102||OUL^R22^OUL_R22|1|P|2.5",
    )
    assert rows(data, "observations", *SPECIMEN) == [
        (1, None, None, None, None),
        (2, None, 3, "SPA", "BLD"),
        (3, 1, 3, "SPA", "BLD"),
        (4, 2, 3, "SPA", "BLD"),
        (5, None, 11, "SPB", "UR"),
        (6, 3, 11, "SPB", "UR"),
    ]
    assert rows(data, "observations", "order_index") == [(None,), (None,), (6,), (9,), (None,), (13,)]


@pytest.mark.parametrize("event", ["OUL^R22", "OUL^R23", "OML^O33", ""])
def test_a_request_is_of_the_specimen_before_it_whatever_the_message_is_called(event: str) -> None:
    header = rf"MSH|^~\&|A|B|||20240102||{event}|1|P|2.5"
    data = message("PID|1||1", "SPM|1|SPA||BLD", "OBR|1|||A1", "OBX|1|ST|X||1|u|||||F", header=header)
    assert rows(data, "observations", *SPECIMEN) == [(1, 1, 2, "SPA", "BLD")]


def test_a_specimen_behind_a_request_ends_with_the_next_request_or_order_and_any_with_the_next_patient() -> None:
    behind = ("OBR|1", "SPM|1|S1", "OBX|1", "OBR|2", "OBX|2", "SPM|2|S2", "OBX|3", "ORC|RE", "OBX|4")
    before = ("SPM|1|S1", "OBR|1", "OBX|1", "PID|2||2", "OBR|2", "OBX|2", "SPM|2|S2", "OBR|3", "OBX|3")
    data = message("PID|1||1", *behind) + message("PID|1||1", *before)
    assert rows(data, "observations", "set_id", "specimen_id") == [
        (1, "S1"),
        (2, None),
        (3, "S2"),
        (4, None),
        (1, "S1"),
        (2, None),
        (3, "S2"),
    ]


def test_every_row_of_every_table_tells_the_place_of_its_first_segment_in_its_message() -> None:
    first = (
        "PID|1||77^^^GEN^MR~78^^^GEN^PI",
        "PV1|1|I",
        "ORC|RE",
        "OBR|1",
        "NTE|1||goes\non",
        "OBX|1|TX|1||x",
        "OBX|2|NM|1||y",
    )
    second = ("PID|1||79^^^GEN^MR", "NK1|1", "AL1|1", "DG1|1", "RXE|1", "RXR|PO", "ZZZ|1")
    tables = read(message(*first) + message(*second))
    assert {name[6:]: t["segment_index"].to_pylist() for name, t in tables.items() if name != "hl7v2_messages"} == {
        "patients": [1, 1],
        "identifiers": [1, 1, 1],
        "visits": [2],
        "orders": [3],
        "observations": [6, 7],
        "pharmacy": [5],
        "diagnoses": [4],
        "allergies": [3],
        "contacts": [2],
        "notes": [5, 6],
        "segments": [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7],
        "findings": [7],
    }
