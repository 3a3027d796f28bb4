"""What the driver of a run costs by itself, at 1,000,000 simulated objects: docs/scale.md quotes it.

`python -m benchmarks.driver` writes driver.json. Nothing is read or de-identified: objects are names, and what tasks
would return is made up here in the form in which they return it. The lake's own code plans, settles, and commits. The
parts that an entry names are one small file a table, which stands for all of them.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.report import machine
from connectors.contract import RawObject
from connectors.lake import Draft, Lake, Part, PartWriter
from connectors.storage.local import LocalStore
from jobs.inputs import counts, inputs_table, settle
from jobs.leaves import Leaves
from jobs.outcomes import Packed, SpanOutcome, table_of
from jobs.plan import Bundle, as_table, bundles, sort

ZONE = "deidentified"
TABLES = tuple(f"table_{n:02}" for n in range(10))
SCHEMA = pa.schema([pa.field("value", pa.int64())])
OBJECT_BYTES, PAGE = 100_000_000, 1_000
OBJECTS_OF_A_BUNDLE, COMMIT_EVERY = 10, 1024
FILE = Path(__file__).with_name("driver.json")


@dataclass(frozen=True)
class Standing(LocalStore):
    """A folder in which one part of each table stands for all of them."""

    stand_ins: dict[str, str] = field(default_factory=dict)

    def _path(self, key: str) -> str:
        zone, _, rest = key.partition("/")
        if zone == ZONE and "/part-" in rest:
            return self.stand_ins[rest.partition("/")[0]]
        return super()._path(key)


@dataclass
class Costs:
    """Seconds by step, and the high-water of resident memory after it in MB."""

    steps: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = self.steps.get(name, {"seconds": 0.0})["seconds"]
        self.steps[name] = {"seconds": round(before + seconds, 3), "peak_mb": round(peak, 1)}


def measure(count: int, folder: Path) -> dict[str, object]:
    """The costs of a run over `count` objects that leaves as many parts."""
    costs = Costs()
    packed = plan(count, costs)
    store, parts = stand_ins(folder)
    lake = Lake(store, "0" * 32, Ed25519PrivateKey.generate())
    lake.create_tables(ZONE, dict.fromkeys(TABLES, SCHEMA))
    waves = [packed[at : at + COMMIT_EVERY] for at in range(0, len(packed), COMMIT_EVERY)]
    seconds = [commit(lake, wave, parts, costs) for wave in waves]
    begun = time.perf_counter()
    lake.done(ZONE)
    costs.add("read what is done (next run)", time.perf_counter() - begun)
    return {
        "objects": count,
        "parts": count // OBJECTS_OF_A_BUNDLE * len(TABLES),
        "bundles": len(packed),
        "commits": len(waves),
        "steps": costs.steps,
        "first_commit_seconds": round(seconds[0], 3),
        "last_full_commit_seconds": round(seconds[-2] if len(seconds) > 1 else seconds[-1], 3),
        "log_bytes": sum(p.stat().st_size for p in (folder / "_runs").iterdir()),
        "delta_log_files_of_a_table": len(list((folder / ZONE / TABLES[0] / "_delta_log").iterdir())),
    }


def plan(count: int, costs: Costs) -> list[Bundle]:
    begun = time.perf_counter()
    listed = sort(as_table(page) for page in pages(count))
    costs.add("listing into a sorted table", time.perf_counter() - begun)
    begun = time.perf_counter()
    again = pa.repeat(pa.scalar(False), listed.num_rows)
    size = OBJECT_BYTES * OBJECTS_OF_A_BUNDLE
    packed = list(bundles(listed, size=size, again=again, splittable=lambda _: False))
    costs.add("packing into bundles", time.perf_counter() - begun)
    return packed


def pages(count: int) -> Iterator[list[RawObject]]:
    for first in range(0, count, PAGE):
        yield [
            RawObject(f"s3://raw/hl7/{n % 365:03}/message-{n:012}.hl7", OBJECT_BYTES, n, etag=f"{n:032x}")
            for n in range(first, min(first + PAGE, count))
        ]


def stand_ins(folder: Path) -> tuple[Standing, dict[str, Part]]:
    """A store, and of each table the part that stands for all."""
    plain = LocalStore(str(folder / "parts"))
    made = {}
    for table in TABLES:
        writer = PartWriter(plain, ZONE, table, "0" * 16, SCHEMA)
        writer.write(pa.table([pa.array([1])], schema=SCHEMA))
        made[table] = writer.close()[0]
    paths = {table: f"{plain.uri}/{part.path}" for table, part in made.items()}
    return Standing(str(folder), paths), made


def leaves_of(bundle: Bundle, parts: dict[str, Part]) -> Leaves:
    """What a task would return."""
    identity = bundle.identity
    outcomes = table_of(
        SpanOutcome(s.object, 0, None, "written", sha256=bytes(32), read=1, written=1, record_bytes=OBJECT_BYTES)
        for s in bundle.spans
    )
    own = tuple(
        Part(t, ZONE, f"{ZONE}/{t}/part-{identity}-00000-{p.sha256[:16]}.zstd.parquet", 1, p.bytes, p.sha256, identity)
        for t, p in parts.items()
    )
    return Leaves(bundle.index, identity, own, Packed.of(outcomes), dict.fromkeys(parts, 1))


def commit(lake: Lake, wave: list[Bundle], parts: dict[str, Part], costs: Costs) -> float:
    """One wave to the log and the Delta tables; seconds."""
    leaves = [leaves_of(bundle, parts) for bundle in wave]
    begun = time.perf_counter()
    settled = settle(leaves)
    counted = counts(settled.outcomes, 0)
    inputs = inputs_table(settled.outcomes, ZONE)
    named = [part for leaf in settled.leaves for part in leaf.parts]
    costs.add("settling outcomes", time.perf_counter() - begun)
    now = datetime.now(UTC)
    rows = dict.fromkeys(TABLES, len(wave))
    middle = time.perf_counter()
    lake.commit(Draft(ZONE, "run", named, inputs, counted, rows, now, now))
    costs.add("commits: checks, root, log entry, Delta tables", time.perf_counter() - middle)
    return time.perf_counter() - begun


def held(count: int = 20_000) -> dict[str, float]:
    """Bytes that the driver holds of each listed object, planned object, settled object, and part."""
    table = sort(as_table(page) for page in pages(count))
    again = pa.repeat(pa.scalar(False), count)
    _, made = stand_ins(Path(tempfile.mkdtemp()))
    tracemalloc.start()
    packed = list(bundles(table, size=OBJECT_BYTES * OBJECTS_OF_A_BUNDLE, again=again, splittable=lambda _: False))
    planned = tracemalloc.get_traced_memory()[0]
    without = [pickle.loads(pickle.dumps(leaves_of(bundle, {}))) for bundle in packed]
    outcomes = tracemalloc.get_traced_memory()[0] - planned
    kept = [pickle.loads(pickle.dumps(leaves_of(bundle, made))) for bundle in packed]
    parts = tracemalloc.get_traced_memory()[0] - planned - 2 * outcomes
    tracemalloc.stop()
    of_parts = sum(len(leaves.parts) for leaves in kept) + sum(len(leaves.parts) for leaves in without)
    return {
        "listed object": round(table.nbytes / count, 1),
        "planned object": round(planned / count, 1),
        "settled object": round(outcomes / count, 1),
        "part": round(parts / of_parts, 1),
    }


def submitting(count: int) -> dict[str, float]:
    """Seconds that Ray takes to carry so many empty tasks, with leaves of ten objects and ten parts, to two workers."""
    import logging

    import ray

    from jobs.pipeline import QUEUED

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    _, made = stand_ins(Path(tempfile.mkdtemp()))
    packed = list(plan(count * OBJECTS_OF_A_BUNDLE, Costs()))
    task = ray.remote(num_cpus=1)(lambda bundle: leaves_of(bundle, made))
    ray.get([task.remote(bundle) for bundle in packed[:64]])
    begun, waiting, running = time.perf_counter(), iter(packed), []
    while True:
        while len(running) < QUEUED + 2 and (bundle := next(waiting, None)) is not None:
            running.append(task.remote(bundle))
        if not running:
            break
        ended, running = ray.wait(running, num_returns=1)
        ray.get(ended)
    seconds = time.perf_counter() - begun
    ray.shutdown()
    return {"tasks": len(packed), "seconds": round(seconds, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.driver", description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=FILE)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clinray-driver-") as name:
        said = measure(chosen.objects, Path(name))
    said["tasks through Ray"] = submitting(min(2_000, chosen.objects // OBJECTS_OF_A_BUNDLE))
    said["bytes held of a"] = held()
    chosen.out.write_text(json.dumps({"machine": machine(), **said}, indent=2) + "\n")
    print(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
