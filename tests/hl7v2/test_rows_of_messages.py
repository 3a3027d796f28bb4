"""Rows find their message by object, offset and record id."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from connectors.hl7v2.records import rows_of

LINEAGE = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 4), st.sampled_from([b"x" * 32, b"y" * 32]))
Lineage = tuple[str | None, int | None, bytes | None]


def table(lineages: list[Lineage]) -> pa.Table:
    names = {"_object": pa.string(), "_offset": pa.int64(), "_record_id": pa.binary()}
    return pa.table([[each[n] for each in lineages] for n in range(3)], schema=pa.schema(names.items()))


def slow(rows: list[Lineage], messages: list[Lineage]) -> list[int]:
    return [messages.index(row) if row in messages else len(messages) for row in rows]


@given(st.lists(LINEAGE), st.lists(LINEAGE, unique_by=lambda lineage: lineage[:2]).map(sorted))
def test_rows_find_messages_that_stand_in_order(rows: list[Lineage], messages: list[Lineage]) -> None:
    assert rows_of(table(rows), table(messages)).tolist() == slow(rows, messages)


@given(st.lists(LINEAGE), st.lists(LINEAGE))
def test_rows_find_the_first_of_messages_in_any_order(rows: list[Lineage], messages: list[Lineage]) -> None:
    assert rows_of(table(rows), table(messages)).tolist() == slow(rows, messages)


def test_a_row_without_a_message_finds_none() -> None:
    rows: list[Lineage] = [("a", 0, None), (None, 0, b"x" * 32), ("a", None, b"x" * 32), ("z", 0, b"x" * 32)]
    assert rows_of(table(rows), table([("a", 0, b"x" * 32)])).tolist() == [1, 1, 1, 1]
