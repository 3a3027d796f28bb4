"""What a run counts for those who watch it. Labels are names of formats, tables, stages and outcomes, never of inputs.

The counts come from the leaves that the driver receives anyway, so that tasks pay nothing for them. How they leave the
process is not known here: see `jobs.pipeline`.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from jobs.leaves import Leaves
from jobs.outcomes import by_value, total

MICROSECONDS = 1_000_000
HEAD = """# Metrics

Made from jobs/metrics.csv by `make docs`; do not edit.

On a cluster the driver of a run gives these to Ray, which shows them beside its own on each pod's port 8080, with
`ray_` before the name. Ray reports every ten seconds, so that the last seconds of a run may be missing: the run log
is the truth, these are for watching. What is worked on again, because another run committed first, counts again. A
gauge shows the highest value of the run. Labels name formats, tables, stages and outcomes, never inputs. On a laptop
nothing is exported.

| metric | kind | labels | what it counts |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Metric:
    """A row of metrics.csv. kind: counter or gauge."""

    name: str
    kind: str
    labels: tuple[str, ...]
    description: str


class Measure(NamedTuple):
    """What is added to a counter, or what a gauge is set to."""

    name: str
    value: float
    labels: Mapping[str, str]


class Meters(Protocol):
    """Where measures go."""

    def record(self, measures: Iterable[Measure]) -> None: ...


class NoMeters:
    """Nobody watches."""

    def record(self, measures: Iterable[Measure]) -> None:
        del measures


@functools.lru_cache(maxsize=1)
def metrics() -> Mapping[str, Metric]:
    """The metrics by name."""
    text = (resources.files("jobs") / "metrics.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {r["name"]: Metric(r["name"], r["kind"], tuple(r["labels"].split()), r["description"]) for r in rows}


def of_leaves(leaves: Leaves, format_: str) -> Iterator[Measure]:
    """What a bundle adds when its task has ended."""
    own = {"format": format_}
    yield Measure("clinray_bundles_total", 1, own)
    outcomes = leaves.outcomes.table()
    for outcome in ("written", "quarantined", "duplicate"):
        yield Measure("clinray_records_total", total(outcomes, outcome), {**own, "outcome": outcome})
    sizes = {"records": "record_bytes", "quarantined": "quarantined_bytes", "envelope": "envelope_bytes"}
    for kind, name in sizes.items():
        yield Measure("clinray_bytes_total", total(outcomes, name), {**own, "kind": kind})
    for table, rows in leaves.rows.items():
        yield Measure("clinray_rows_total", rows, {**own, "table": table})
    for stage, seconds in leaves.seconds.items():
        yield Measure("clinray_stage_seconds_total", seconds, {**own, "stage": stage})


def of_wave(outcomes: pa.Table, format_: str, *, committed: bool) -> Iterator[Measure]:
    """What a wave adds when it is settled. outcomes: OUTCOMES, a row an object. committed: whether there was an entry
    to make."""
    own = {"format": format_}
    if committed:
        yield Measure("clinray_commits_total", 1, own)
    for name, count in sorted(by_value(outcomes["outcome"]).items()):
        yield Measure("clinray_objects_total", count, {**own, "outcome": name})
    read = outcomes.filter(pc.not_equal(outcomes["outcome"], "deferred"))
    if newest := pc.max(read["modified_us"]).as_py():
        yield Measure("clinray_newest_object_timestamp_seconds", newest / MICROSECONDS, own)


def page() -> str:
    """docs/metrics.md."""
    rows = (
        f"| `ray_{m.name}` | {m.kind} | {', '.join(f'`{n}`' for n in m.labels)} | {m.description} |"
        for m in metrics().values()
    )
    return HEAD + "\n".join(rows) + "\n"
