"""The rows whose work is measured apart from a whole ingest, sized for the scale of the run."""

from __future__ import annotations

from benchmarks.ingest import Bench
from benchmarks.rows import Row


def small_objects(bench: Bench) -> list[Row]:
    from benchmarks.small_objects import rows

    return rows(10_000 if bench.full else 500, bench.runs)
