"""The comparison of values finds what differs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import compare

COLUMNS = ("code", "value_number", "observed_time", "message_time", "patient_id")


def side(folder: Path, **changed: object) -> str:
    """A peer's output of two rows, with columns changed."""
    columns: dict[str, object] = {
        "control_id": ["a", "b"],
        "set_id": ["1", "1"],
        "code": ["2345-7", None],
        "value_number": [1.5, 2.0],
        "observed_time": pa.array([1_000_000, 5_000_000], pa.timestamp("us")),
        "message_time": pa.array([2_000_000, 5_000_000], pa.timestamp("us")),
        "patient_id": ["p", "q"],
    }
    folder.mkdir()
    pq.write_table(pa.table({**columns, **changed}), folder / "part.parquet")
    return compare.peer_relation(folder)


def test_equal_sides_compare_every_row(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", code=["2345-7", ""])
    assert compare.identified(a, b, COLUMNS) == 2


def test_one_different_value_names_its_column(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", value_number=[1.5, 2.25])
    with pytest.raises(compare.ValuesDifferError, match=r"\{'value_number': 1\}"):
        compare.identified(a, b, COLUMNS)


def test_shifted_dates_and_other_pseudonyms_are_equal_once_deidentified(tmp_path: Path) -> None:
    day = 86_400_000_000
    b = side(
        tmp_path / "b",
        observed_time=pa.array([1_000_000 + day, 5_000_000 - day], pa.timestamp("us")),
        message_time=pa.array([2_000_000 + day, 5_000_000 - day], pa.timestamp("us")),
        patient_id=["x", "y"],
    )
    assert compare.deidentified(side(tmp_path / "a"), b, COLUMNS) == 2


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"code": ["2345-7", "x"]}, "kept values"),
        ({"patient_id": ["p", "p"]}, "distinct patient_id"),
        ({"observed_time": pa.array([1_000_001, 5_000_000], pa.timestamp("us"))}, "kept values"),
    ],
)
def test_deidentified_sides_that_differ_are_named(tmp_path: Path, changed: dict[str, object], named: str) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", **changed)
    with pytest.raises(compare.ValuesDifferError, match=f"different: {named}$"):
        compare.deidentified(a, b, COLUMNS)
