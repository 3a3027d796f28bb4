"""Records leave a chunk's tables with all their rows; what was written before is found by occurrence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jobs.records import Written, without


def rows(places: list[tuple[str, int]], **columns: list[object]) -> pa.Table:
    return pa.table(
        {"_object": [p[0] for p in places], "_offset": pa.array([p[1] for p in places], pa.int64()), **columns}
    )


def digest(n: int) -> bytes:
    return bytes([n]) * 32


def records(pairs: list[tuple[str, int]]) -> pa.Table:
    return pa.table(
        {"_object": [p[0] for p in pairs], "_record_id": pa.array([digest(p[1]) for p in pairs], pa.binary())}
    )


def written(triples: list[tuple[str, int, int]]) -> pa.Table:
    table = records([(o, n) for o, n, _ in triples])
    return table.append_column("occurrences", pa.array([k for _, _, k in triples], pa.int64()))


def test_a_record_leaves_with_all_its_rows() -> None:
    tables = {
        "messages": rows([("a", 0), ("a", 50), ("b", 0)]),
        "observations": rows([("a", 0), ("a", 0), ("a", 50), ("b", 0)], value=[1, 2, 3, 4]),
    }
    kept = without(tables, "messages", np.array([True, False, False]))
    assert kept["messages"].num_rows == 2
    assert kept["observations"]["value"].to_pylist() == [3, 4]


def test_rows_of_no_record_stay() -> None:
    tables = {"messages": rows([("a", 0)]), "findings": rows([("a", 0), ("c", 0)], code=["X", "Y"])}
    kept = without(tables, "messages", np.array([True]))
    assert kept["findings"]["code"].to_pylist() == ["Y"]


def test_a_record_that_was_written_is_a_duplicate() -> None:
    known = Written(written([("a", 1, 1)]))
    assert known.duplicates(records([("a", 1), ("a", 2)])).tolist() == [True, False]


def test_the_second_occurrence_of_a_record_written_once_is_new() -> None:
    known = Written(written([("a", 1, 1)]))
    assert known.duplicates(records([("a", 1), ("a", 2), ("a", 1)])).tolist() == [True, False, False]


def test_occurrences_are_counted_over_chunks() -> None:
    known = Written(written([("a", 1, 2)]))
    found = [known.duplicates(records([("a", 1)])).tolist() for _ in range(3)]
    assert found == [[True], [True], [False]]


def test_the_same_bytes_under_another_key_are_new() -> None:
    known = Written(written([("a", 1, 1)]))
    assert known.duplicates(records([("b", 1)])).tolist() == [False]


def test_a_record_whose_whole_digest_stands_in_the_lake_is_found_by_the_first_half() -> None:
    known = Written(written([("a", 1, 1)]))
    halves = pa.table({"_object": ["a", "a"], "_record_id": pa.array([digest(1)[:16], digest(2)[:16]], pa.binary())})
    assert known.duplicates(halves).tolist() == [True, False]


def test_records_that_did_not_come_again_are_counted_by_object() -> None:
    known = Written(written([("a", 1, 1), ("a", 2, 3), ("b", 1, 1)]))
    known.duplicates(records([("a", 2), ("b", 1)]))
    assert known.vanished().to_pylist() == [{"_object": "a", "records": 3}]
