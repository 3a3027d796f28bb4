"""Ray carries bundles to tasks and leaves back; nothing else crosses its object store."""

from __future__ import annotations

import logging
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache

import ray
import ray.exceptions
import ray.util.metrics

from jobs.bundle import in_turn
from jobs.collector import leave_out_what_stands
from jobs.config import ray_address
from jobs.leaves import Failure, Leaves
from jobs.metrics import Measure, metrics
from jobs.plan import Bundle
from jobs.work import Known, Work
from jobs.worker_memory import keep_memory

TASK_RETRIES = 3
"""How often Ray starts a task again whose worker died. Errors of the task itself come back as a Failure."""

QUEUED = 32
"""Tasks that wait beside those that run: enough that a cluster sees the demand and grows, few enough to stay small."""

TASK_BYTES = 64 << 20
"""A task takes one bundle, or several of so many bytes together: while the parts of one are on their way to the store,
it works on the next."""


@contextmanager
def cluster(cpus: int | None) -> Iterator[None]:
    """A Ray to work on: the one this process belongs to or is told of (RAY_ADDRESS), else a local one of `cpus` that
    ends with the block."""
    if ray.is_initialized():
        yield
        return
    address = ray_address()
    if address is None:
        _give_token()
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
        ray.init(address="local", num_cpus=cpus, **quiet)
    else:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _give_token(environment: MutableMapping[str, str] = os.environ) -> None:
    """A token for a local Ray, unless there is one: else Ray writes one that every user of the machine may read into
    the home folder, and cannot begin where that folder cannot be written."""
    given = environment.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
    if not given and not os.path.isfile(os.path.expanduser("~/.ray/auth_token")):  # noqa: PTH111, PTH113 - never raise
        environment["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def map_bundles(
    bundles: Iterable[Bundle], work: Work, known: Known | None, *, begun: Callable[[], None] = lambda: None
) -> Iterator[Leaves | Failure]:
    """What became of each bundle of work, in the order in which they end. The cluster must be up.

    begun: called when the first ones are on their way to the workers.
    """
    shared = ray.put((work, known))
    task = _remote_task()
    waiting = deque(bundles)
    running: dict[ray.ObjectRef, tuple[Bundle, ...]] = {}

    def fill() -> None:
        cpus = _cpus() if waiting else 0
        while waiting and len(running) < cpus + QUEUED:
            several = next_task(waiting, cpus)
            running[task.remote(several, shared)] = several

    fill()
    begun()
    while running:
        fill()
        ended, _ = ray.wait(list(running), num_returns=1)
        for reference in ended:
            several = running.pop(reference)
            found = _results(reference, several)
            yield from found
            if not found:
                # One of them may end every worker that it comes to; the others are done without it.
                running.update({task.remote((bundle,), shared): (bundle,) for bundle in several})


def next_task(waiting: deque[Bundle], cpus: int) -> tuple[Bundle, ...]:
    """Takes the bundles of the next task: fewer, the fewer are left for each CPU, so that all CPUs end together."""
    share, several = len(waiting) // (cpus + 1), [waiting.popleft()]
    size = several[0].bytes
    while waiting and len(several) < share and (size := size + waiting[0].bytes) <= TASK_BYTES:
        several.append(waiting.popleft())
    return tuple(several)


class RayMeters:
    """Gives measures to Ray's metrics agent, for a scraper. A gauge shows the highest value of the run."""

    def __init__(self) -> None:
        kinds = {"counter": ray.util.metrics.Counter, "gauge": ray.util.metrics.Gauge}
        self._highest: dict[str, float] = {}
        self._meters = {m.name: kinds[m.kind](m.name, m.description, m.labels) for m in metrics().values()}

    def record(self, measures: Iterable[Measure]) -> None:
        for measure in measures:
            meter = self._meters[measure.name]
            if isinstance(meter, ray.util.metrics.Gauge):
                highest = self._highest[measure.name] = max(measure.value, self._highest.get(measure.name, 0.0))
                meter.set(highest, dict(measure.labels))
            elif measure.value > 0:
                meter.inc(measure.value, dict(measure.labels))


def _cpus() -> int:
    return int(ray.cluster_resources().get("CPU", 1))


@cache
def _remote_task() -> ray.remote_function.RemoteFunction:
    """`_task` for Ray, once a process: workers fetch each such function anew."""
    return ray.remote(num_cpus=1, max_retries=TASK_RETRIES, retry_exceptions=False)(_task)


def _task(bundles: tuple[Bundle, ...], shared: tuple[Work, Known | None]) -> list[Leaves | Failure]:
    keep_memory()
    leave_out_what_stands()
    return list(in_turn(bundles, *shared))


def _results(reference: ray.ObjectRef, bundles: tuple[Bundle, ...]) -> list[Leaves | Failure]:
    """What a task gave; nothing where it took several bundles and its worker was lost."""
    try:
        results: list[Leaves | Failure] = ray.get(reference)
    except ray.exceptions.RayError as error:
        lost = Failure(bundles[0].index, "WORKER_LOST", type(error).__name__)
        return [lost] if len(bundles) == 1 else []
    return results
