"""How segments belong together, against a slow, obvious twin."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.hl7v2.locate import name_code
from connectors.hl7v2.relate import KINDS, NONE, TABLES, Relations, kind_table, relate

NEVER_LEADING = ("EVN", "PD1", "PV2", "OBR", "RXR")
CLOSED_BY = {  # segments → the tables whose rows end there
    "PID": TABLES[TABLES.index("hl7v2_visits") :],
    "ORC": ("hl7v2_pharmacy",),
}
MESSAGES = st.lists(
    st.lists(st.sampled_from([*KINDS, "PID", "ORC", "OBR", "OBX", "NTE", "NTE", "ZZ1"]), max_size=12),
    min_size=1,
    max_size=4,
).map(lambda bodies: [["MSH", *body] for body in bodies])


def related(messages: list[list[str]]) -> Relations:
    names = [name_code(name) for names in messages for name in names]
    message = np.repeat(np.arange(len(messages)), [len(names) for names in messages])
    return relate(message.astype(np.int32), np.array(names, np.int32))


def rows_twin(messages: list[list[str]]) -> dict[str, list[list[int]]]:
    """Table → its rows, each the segments that it is made of."""
    made: dict[str, list[list[int]]] = {table: [] for table in TABLES}
    kinds = [name for names in messages for name in names]
    segment = 0
    for names in messages:
        open_rows: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            table = kind_table(name) if name in KINDS and (name != "MSH" or place == 0) else ""
            for closed in CLOSED_BY.get(name, ()):
                open_rows.pop(closed, None)
            row = open_rows.get(table, [])
            has = table != "hl7v2_messages" and name in [kinds[other] for other in row]
            if table and (name not in NEVER_LEADING or not row or has):
                row = open_rows[table] = []
                made[table].append(row)
            row.append(segment)
            if table == "hl7v2_pharmacy":
                open_rows.pop("hl7v2_orders", None)
            segment += 1
    return made


def owners_twin(messages: list[list[str]], row: list[int]) -> list[tuple[int, int, int, int, int]]:
    """For each segment the patient, order, request, specimen and parent."""
    found = []
    for begin, names in zip(np.cumsum([0, *map(len, messages)]).tolist(), messages, strict=False):
        for place in range(len(names)):
            until = names[: place + 1]

            def last(*wanted: str, of: list[str] = until) -> int:
                return max((at for at, name in enumerate(of) if name in wanted), default=NONE)

            def named(at: int, begin: int = begin) -> int:
                return at + begin if at >= 0 else NONE

            patient, order, request, specimen = last("PID"), last("ORC", "OBR"), last("OBR"), last("SPM")
            first = names.index("PID") if "PID" in names else NONE
            outer = next((name for name in names if name in ("SPM", "ORC", "OBR")), "")
            before_order, before_specimen = patient, max(patient, order)
            if outer == "SPM":
                before_order, before_specimen = max(patient, specimen), patient
            parent = max((at for at in range(place) if names[at] != "NTE"), default=NONE)
            found.append(
                (
                    row[named(patient if patient >= 0 else first)] if first >= 0 else NONE,
                    row[named(order)] if order > before_order else NONE,
                    named(request) if request > max(before_order, last("ORC")) else NONE,
                    named(specimen) if specimen > before_specimen else NONE,
                    named(parent),
                )
            )
    return found


@settings(derandomize=True, max_examples=300, deadline=None)
@given(MESSAGES)
def test_every_segment_is_in_the_row_of_the_twin(messages: list[list[str]]) -> None:
    found, rows = related(messages), rows_twin(messages)
    assert [lead.tolist() for lead in found.leads] == [[row[0] for row in rows[table]] for table in TABLES]
    row_of = {segment: place for table in TABLES for place, row in enumerate(rows[table]) for segment in row}
    assert found.row.tolist() == [row_of.get(segment, NONE) for segment in range(len(found.row))]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(MESSAGES)
def test_every_segment_belongs_to_what_the_twin_says(messages: list[list[str]]) -> None:
    found = related(messages)
    assert list(zip(*(owners.tolist() for owners in found.owners), strict=True)) == owners_twin(
        messages, found.row.tolist()
    )


@settings(derandomize=True, max_examples=100, deadline=None)
@given(MESSAGES)
def test_segments_are_told_by_kind_and_know_their_place(messages: list[list[str]]) -> None:
    found = related(messages)
    places = [(m, place, name) for m, names in enumerate(messages) for place, name in enumerate(names)]
    for kind, segments in zip(KINDS, found.of_kind, strict=True):
        own = [s for s, (_, place, name) in enumerate(places) if name == kind and (kind != "MSH" or place == 0)]
        assert segments.tolist() == own
        assert found.message_of(segments).tolist() == [places[s][0] for s in own]
        assert found.index(segments).tolist() == [places[s][1] for s in own]


def test_the_messages_of_one_segment_each_are_the_same_array_always() -> None:
    found = related([["MSH", "PID"], ["MSH", "PV1", "PID"]])
    headers, patients = (found.of_kind[KINDS.index(kind)] for kind in ("MSH", "PID"))
    assert found.message_of(headers) is found.message_of(patients) is found.each_message
    assert found.message_of(np.array([0, 1], np.int32)).tolist() == [0, 0]
    assert found.message_of(np.array([2, 3], np.int32)).tolist() == [1, 1]
