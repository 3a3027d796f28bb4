"""An ingest from its pipeline to its report: list, plan, waves of bundles, commits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import RawObject
from connectors.errors import ConfigError, ObjectChanged
from connectors.lake import DoneIndex, Draft
from connectors.registry import connector
from connectors.storage import inventory, open_store
from connectors.storage.listing import chosen, list_objects
from connectors.storage.reading import all_refused, splittable
from jobs.access import Access, about, begun, check_policy, look, open_access, storage_options
from jobs.beside import Beside, needed_at_commit
from jobs.bundle import in_turn
from jobs.collector import at_rest
from jobs.config import Pipeline, has_ray, ray_address
from jobs.console import note
from jobs.drafts import code_version, draft
from jobs.inputs import Settled, run_identity
from jobs.known import known_records
from jobs.metrics import Meters, NoMeters
from jobs.plan import Bundle, as_table, bundle_size, bundles, sort
from jobs.privacy.policy import Policy
from jobs.progress import Progress, Silent
from jobs.reports import run_report
from jobs.wave import Committer, Counts, Execute, Wave, none_readable
from jobs.worker_memory import keep_memory

SMALL_BYTES, SMALL_OBJECTS = 64 << 20, 1000
"""A run of so much new input or less is done before a local Ray would have begun."""


@dataclass(frozen=True)
class Plan:
    """objects: OBJECTS that are new, sorted. again: bool per object. listed, done: how many stood in the listing, and
    of them in the log, whose head had the number `head`."""

    objects: pa.Table
    again: pa.Array
    listed: int
    done: int
    head: int

    @property
    def bytes(self) -> int:
        return int(pc.sum(self.objects["size"]).as_py() or 0)

    @property
    def digest(self) -> str:
        """Of the keys and versions that are to be read."""
        names = (f"{u}\0{v}" for u, v in zip(*(self.objects[c].to_pylist() for c in ("uri", "version")), strict=True))
        return run_identity(*names)


def ingest(
    pipeline: Pipeline,
    *,
    cpus: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    retry: frozenset[str] | None = None,
) -> dict[str, Any]:
    """Runs a pipeline; the report's keys are documented in docs/commands.md.

    cpus: of the local Ray, None for what `workers` chooses, 0 to work in this process. retry: keys that are read again
    although their version is in the log; then no others are read. Raises ConfigError, AccessError, LimitExceeded.
    """
    started = time.time()
    with at_rest():
        policy = check_policy(pipeline)
        pages = checked_source(pipeline, started)
    if dry_run:
        return preview(pipeline, policy, pages, retry, started)
    access = open_access(pipeline, policy)
    access.lake.roll_forward()
    with at_rest():
        plan = plan_run(pages, access.lake.done(access.zone), access.lake.head()[0], retry)
        packed = list(pack(plan, pipeline))
    note("planned", listed=plan.listed, done=plan.done, bytes=plan.bytes, bundles=len(packed))
    identity = run_identity(plan.digest, pipeline.digest, access.policy.digest, access.keys.run_secret, code_version())
    (progress := progress or Silent()).total(len(packed), "bundles")
    count = workers(cpus, plan.objects.num_rows, plan.bytes)
    with needed_at_commit(access) as tables, executor(count, tables.begin) as execute:
        committer = _committer(pipeline, access, execute, identity, started, progress, tables)
        planned = enumerate(waves(packed, pipeline.commit_every))
        committed = committer.commit(Wave(wave, plan.done if n == 0 else 0, plan.head) for n, wave in planned)
        tables.finish()
    return run_report(
        about(access),
        listed=plan.listed,
        done=plan.done,
        bundles=packed,
        committed=committed,
        seconds=time.time() - started,
        run_id=identity,
    )


def checked_source(pipeline: Pipeline, now: float) -> Iterator[list[RawObject]]:
    """The listing, of which a first page has been seen, so that a source that refuses stops the run before anything is
    written. So does one whose objects, a page at most, may none of them be read, where there is no lake yet.

    Raises ConfigError, AccessError.
    """
    connector(pipeline.format)
    listing = iter(_listing(pipeline, now))
    try:
        seen = list(islice(listing, 1))
    except ObjectChanged:
        if pipeline.objects is None:
            raise ConfigError(
                "BUCKET_MISSING", f"the endpoint answers that there is nothing at {pipeline.source}; is it an S3?"
            ) from None
        raise ConfigError("INVENTORY_MISSING", f"there is no inventory {pipeline.objects}") from None
    if seen and not begun(pipeline):
        seen += islice(listing, 1)
        if len(seen) == 1:
            _check_readable(seen[0], pipeline)
    return chain(seen, listing)


def _check_readable(objects: Sequence[RawObject], pipeline: Pipeline) -> None:
    """Raises AccessError where none of the objects may be read."""
    if all_refused(objects, storage_options(pipeline.source_store)):
        raise none_readable(len(objects), objects[0].uri)


def preview(
    pipeline: Pipeline,
    policy: Policy,
    pages: Iterable[Sequence[RawObject]],
    retry: frozenset[str] | None,
    started: float,
) -> dict[str, Any]:
    """The report of a dry run. It writes nothing: neither keys nor lake nor binding."""
    seen = look(pipeline, policy)
    with at_rest():
        plan = plan_run(pages, seen.done, seen.about.head[0], retry)
        packed = list(pack(plan, pipeline))
    facts: dict[str, Any] = {"listed": plan.listed, "done": plan.done, "bundles": packed}
    return run_report(seen.about, **facts, committed=(), seconds=time.time() - started, dry_run=True)


def plan_run(pages: Iterable[Sequence[RawObject]], done: DoneIndex, head: int, retry: frozenset[str] | None) -> Plan:
    """What is new of a listing. What is in the log is left out page by page, without being opened.

    head: number of the entry that `done` knows of last.
    """
    listed = skipped = 0
    new: list[pa.Table] = []
    nothing = retry is not None and not retry
    for page in () if nothing else pages:
        table = as_table(page)
        fresh = np.asarray(done.new(table["uri"].combine_chunks(), table["version"].combine_chunks()), dtype=np.bool_)
        if retry is not None:
            wanted = pc.is_in(table["uri"], value_set=pa.array(sorted(retry), pa.string()))
            fresh = np.asarray(wanted.combine_chunks(), dtype=np.bool_)
            listed -= len(page) - int(fresh.sum())
        listed += len(page)
        skipped += 0 if retry is not None else len(page) - int(fresh.sum())
        if fresh.any():
            new.append(table if fresh.all() else table.filter(pa.array(fresh)))
    objects = sort(new)
    listed -= sum(t.num_rows for t in new) - objects.num_rows
    again = pa.array(np.asarray(done.known_key(objects["uri"].combine_chunks()), dtype=np.bool_))
    return Plan(objects, again, listed, skipped, head)


def _listing(pipeline: Pipeline, now: float) -> Iterator[list[RawObject]]:
    options = storage_options(pipeline.source_store)
    if pipeline.objects is not None:
        wanted = chosen(open_store(pipeline.source, options).uri, pipeline.pattern, 0, None)
        return ([raw for raw in page if wanted(raw)] for page in inventory.read(pipeline.objects, options))
    return list_objects(
        pipeline.source,
        options,
        pattern=pipeline.pattern,
        settle_seconds=pipeline.settle_seconds,
        now_us=int(now * 1e6),
    )


def pack(plan: Plan, pipeline: Pipeline) -> Iterator[Bundle]:
    """The plan's bundles."""
    options = storage_options(pipeline.source_store)
    may_split = connector(pipeline.format).splittable
    return bundles(
        plan.objects,
        size=bundle_size(plan.bytes, pipeline.bundle_bytes),
        again=plan.again,
        splittable=lambda raw: may_split and splittable(raw, options),
    )


def waves(packed: Sequence[Bundle], every: int) -> Iterator[list[Bundle]]:
    """About `every` bundles at a time; the ranges of an object stay together."""
    wave: list[Bundle] = []
    for bundle in packed:
        if len(wave) >= every and bundle.spans[0].start == 0:
            yield wave
            wave = []
        wave.append(bundle)
    if wave:
        yield wave


def meters() -> Meters:
    """Where measures go: to the Ray cluster that this process belongs to."""
    if ray_address() is None:
        return NoMeters()
    from jobs.pipeline import RayMeters

    return RayMeters()


def workers(cpus: int | None, objects: int, size: int) -> int | None:
    """CPUs for `executor`, for so many objects of so many bytes together: those that were asked for; else 0 for a small
    run, unless there is a Ray already, and all for another."""
    if not objects:
        return 0
    small = objects <= SMALL_OBJECTS and size <= SMALL_BYTES
    return 0 if cpus is None and small and not has_ray() else cpus


@contextlib.contextmanager
def executor(cpus: int | None, begun: Callable[[], None] = lambda: None) -> Iterator[Execute]:
    """Where bundles are worked on: this process for 0 CPUs, else Ray, a local one with all CPUs for None.

    begun: called when bundles are on their way, so that what it does keeps no worker waiting.
    """
    keep_memory()
    if cpus == 0:
        begun()
        yield in_turn
        return
    from jobs.pipeline import cluster, map_bundles

    with cluster(cpus):
        yield partial(map_bundles, begun=begun)


def _committer(
    pipeline: Pipeline,
    access: Access,
    execute: Execute,
    identity: str,
    started: float,
    progress: Progress,
    tables: Beside,
) -> Committer:
    def make(settled: Settled, counted: Counts) -> Draft:
        tables.finish()
        return draft(access, pipeline.digest, settled, counted, identity, started)

    return Committer(
        lake=access.lake,
        work=access.work,
        execute=execute,
        draft=make,
        known=lambda packed: known_records(access, packed),
        max_quarantine=pipeline.max_quarantine,
        progress=progress,
        meters=meters(),
    )
