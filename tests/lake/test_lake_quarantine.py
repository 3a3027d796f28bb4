"""Rows of the quarantine in the log's order: which spans are open, and which entry resolved the others."""

from __future__ import annotations

import pyarrow as pa

from connectors.lake.quarantine import QUARANTINE, history, open_spans, spans_of


def row(name: str, record: int, state: str = "quarantined", zone: str = "identified") -> dict[str, object]:
    return {"zone": zone, "_object": name, "_record_id": bytes([record]) * 32, "state": state, "_offset": 0}


def entry(number: int, *rows: dict[str, object]) -> tuple[int, pa.Table]:
    return number, pa.Table.from_pylist(list(rows), schema=QUARANTINE.schema)


def told(*entries: tuple[int, pa.Table]) -> list[tuple[object, ...]]:
    columns = ("_object", "entry", "state", "resolved_by")
    return [tuple(span[c] for c in columns) for span in spans_of(history(entries)).to_pylist()]


def test_a_resolution_ends_the_span_of_its_object_and_record_alone():
    added = entry(1, row("a", 1), row("a", 2), row("b", 1)), entry(4, row("a", 1, "resolved"))
    assert told(*added) == [
        ("a", 1, "resolved", 4),
        ("a", 1, "quarantined", None),
        ("b", 1, "quarantined", None),
    ]
    assert open_spans(history(added))["_object"].to_pylist() == ["a", "b"]


def test_a_resolution_ends_nothing_in_another_zone():
    added = entry(1, row("a", 1)), entry(2, row("a", 1, "resolved", zone="validated"))
    assert told(*added) == [("a", 1, "quarantined", None)]


def test_spans_of_equal_bytes_are_ended_one_by_one():
    added = entry(1, row("a", 1), row("a", 1)), entry(2, row("a", 1, "resolved")), entry(3, row("a", 1))
    assert told(*added) == [("a", 1, "resolved", 2), ("a", 1, "quarantined", None), ("a", 3, "quarantined", None)]


def test_rows_from_before_the_table_had_states_are_open():
    number, rows = entry(1, row("a", 1))
    assert told((number, rows.drop_columns("state"))) == [("a", 1, "quarantined", None)]


def test_no_rows_are_no_spans():
    assert told() == []
