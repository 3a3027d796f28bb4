"""Rows find their message by object, offset and record id."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.hl7v2.records import rows_of

LINEAGE = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 4), st.sampled_from([b"x" * 32, b"y" * 32]))
Lineage = tuple[str | None, int | None, bytes | None]


def table(lineages: list[Lineage]) -> pa.Table:
    names = {"_object": pa.string(), "_offset": pa.int64(), "_record_id": pa.binary()}
    return pa.table([[each[n] for each in lineages] for n in range(3)], schema=pa.schema(names.items()))


def slow(rows: list[Lineage], messages: list[Lineage]) -> list[int]:
    return [messages.index(row) if row in messages else len(messages) for row in rows]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(LINEAGE), st.lists(LINEAGE, unique_by=lambda lineage: lineage[:2]).map(sorted))
def test_rows_find_messages_that_stand_in_order(rows: list[Lineage], messages: list[Lineage]) -> None:
    assert rows_of(table(rows), table(messages)).tolist() == slow(rows, messages)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(LINEAGE), st.lists(LINEAGE))
def test_rows_find_the_first_of_messages_in_any_order(rows: list[Lineage], messages: list[Lineage]) -> None:
    assert rows_of(table(rows), table(messages)).tolist() == slow(rows, messages)


OBJECTS = ["file", "file-1", "file-10/of-a-longer-name", "file-10/of-a-longer-nbme", "file-2"]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OBJECTS), st.integers(0, 4)), unique=True).map(sorted), st.data())
def test_rows_in_the_order_of_their_messages_find_them(places: list[tuple[str, int]], data: st.DataObject) -> None:
    messages: list[Lineage] = [(*place, b"x" * 32) for place in places]
    numbers = data.draw(st.lists(st.integers(0, len(messages) - 1)) if messages else st.just([]))
    rows = [messages[number] for number in sorted(numbers)]
    assert rows_of(table(rows), table(messages)).tolist() == sorted(numbers)
    for changed in range(len(rows)):
        of_none = [*rows[:changed], (*rows[changed][:2], b"y" * 32), *rows[changed + 1 :]]
        assert rows_of(table(of_none), table(messages)).tolist() == slow(of_none, messages)


def test_a_row_without_a_message_finds_none() -> None:
    rows: list[Lineage] = [("a", 0, None), (None, 0, b"x" * 32), ("a", None, b"x" * 32), ("z", 0, b"x" * 32)]
    assert rows_of(table(rows), table([("a", 0, b"x" * 32)])).tolist() == [1, 1, 1, 1]
