"""Whether two sides wrote the same values in the columns that both have. DuckDB reads both; nothing is sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

KEY = ("control_id", "set_id")
TIMES = ("message_time", "birth_date", "admit_time", "observed_time")
PSEUDONYMS = ("control_id", "patient_id", "visit_number")
KEPT = (
    *("message_type", "trigger_event", "sex", "patient_class", "set_id", "value_type", "code", "code_system"),
    *("value_number", "units", "reference_range", "abnormal_flags", "status"),
)
TEXTS = (*KEPT, *PSEUDONYMS, "sending_facility", "code_text", "value_text")
INTERVALS = (("observed_time", "message_time"), ("admit_time", "message_time"), ("message_time", "birth_date"))


OURS: Mapping[str, str] = {
    "control_id": "m.control_id",
    "message_time": "m.message_time",
    "sending_facility": "m.sending_facility",
    "message_type": "m.message_type",
    "trigger_event": "m.trigger_event",
    "patient_id": "p.patient_id",
    "birth_date": "p.birth_time",
    "sex": "p.sex",
    "patient_class": "v.patient_class",
    "visit_number": "v.visit_number",
    "admit_time": "v.admitted_at",
    "set_id": "o.set_id",
    "value_type": "o.value_type",
    "code": "o.code",
    "code_text": "o.code_text",
    "code_system": "o.code_system",
    "value_text": "o.value",
    "value_number": "o.value_number",
    "units": "o.units",
    "reference_range": "o.reference_range",
    "abnormal_flags": "o.interpretation",
    "status": "o.status",
    "observed_time": "o.observation_time",
}
"""A peer's column → ours."""

Check = Callable[[str, str, tuple[str, ...]], int]


class ValuesDifferError(Exception):
    """Two sides disagree: names the columns and how many rows, never a value."""


def peer_relation(folder: Path) -> str:
    """The SQL of a peer's output."""
    return f"SELECT * FROM read_parquet('{folder}/**/*.parquet')"


def our_relation(lake: Path, identified: bool) -> str:
    """The SQL of the same columns in a lake: observations with the message, patient and visit that they came with.

    Those that the policy drops are left out of a de-identified lake's.
    """
    zone = lake / ("restricted/identified" if identified else "deidentified")

    def table(name: str) -> str:
        return f"read_parquet('{zone}/hl7v2_{name}/*.parquet')"

    names = OURS if identified else (*KEPT, *PSEUDONYMS, *TIMES)
    chosen = ", ".join(f"{OURS[name]} AS {name}" for name in names)
    same = "USING (_object, _offset)"
    return (
        f"SELECT {chosen} FROM {table('observations')} o JOIN {table('messages')} m {same} "
        f"LEFT JOIN {table('patients')} p {same} LEFT JOIN {table('visits')} v {same}"
    )


def normalised(relation: str, columns: Mapping[str, str]) -> str:
    """The relation with the columns in one form: empty texts null, times as microseconds, numbers as doubles."""
    chosen = ", ".join(f"{_form(name, kind)} AS {name}" for name, kind in columns.items())
    return f"SELECT {chosen} FROM ({relation})"


def _form(name: str, kind: str) -> str:
    if kind == "time":
        return f"epoch_us({name}::TIMESTAMP)"
    if kind == "number":
        return f"{name}::DOUBLE"
    return f"nullif({name}::VARCHAR, '')"


def forms(names: tuple[str, ...]) -> dict[str, str]:
    def kind(name: str) -> str:
        return "time" if name in TIMES else "number" if name == "value_number" else "text"

    return {name: kind(name) for name in names}


def identified(ours: str, peer: str, columns: tuple[str, ...]) -> int:
    """Every value of every column, row by row by message and OBX. Returns rows compared; raises ValuesDifferError."""
    kinds = forms(tuple(dict.fromkeys((*KEY, *columns))))
    left, right = normalised(ours, kinds), normalised(peer, kinds)
    checks = ", ".join(f"count(*) FILTER (a.{name} IS DISTINCT FROM b.{name})" for name in kinds)
    with duckdb.connect() as connection:
        counts = connection.execute(
            f"SELECT (SELECT count(*) FROM ({left})), (SELECT count(*) FROM ({right}))"
        ).fetchone()
        on = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in KEY)
        row = connection.execute(f"SELECT count(*), {checks} FROM ({left}) a FULL JOIN ({right}) b ON {on}").fetchone()
    assert counts is not None and row is not None
    differing = {name: n for name, n in zip(kinds, row[1:], strict=True) if n}
    if counts[0] != counts[1] or counts[0] == 0 or differing:
        raise ValuesDifferError(f"{counts[0]} rows against {counts[1]}, differing values by column: {differing}")
    return int(row[0])


def deidentified(ours: str, peer: str, columns: tuple[str, ...]) -> int:
    """What de-identifying leaves as it was: kept columns as a multiset of rows, distances between the times of a row,
    and how many different pseudonyms there are. Returns rows compared; raises ValuesDifferError."""
    have = set(columns)
    kept = tuple(name for name in KEPT if name in have)
    intervals = [pair for pair in INTERVALS if have >= set(pair)]
    pseudonyms = [name for name in PSEUDONYMS if name in have]
    kinds = forms((*kept, *dict.fromkeys(name for pair in intervals for name in pair), *pseudonyms))
    values = ", ".join([*kept, *(f"{a} - {b}" for a, b in intervals)])
    with duckdb.connect() as connection:
        left, right = (
            connection.execute(
                f"SELECT count(*), sum(hash({values})::HUGEINT), "
                f"{', '.join(f'count(DISTINCT {name})' for name in pseudonyms)} FROM ({normalised(side, kinds)})"
            ).fetchone()
            for side in (ours, peer)
        )
    assert left is not None and right is not None
    named = ("rows", "kept values", *(f"distinct {name}" for name in pseudonyms))
    if wrong := [name for name, a, b in zip(named, left, right, strict=True) if a != b]:
        raise ValuesDifferError(f"{left[0]} rows against {right[0]}, different: {', '.join(wrong)}")
    return int(left[0])
