"""Bundles one after another in a task: while the parts of one are on their way, the next one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import jobs.bundle
from connectors.contract import RawObject
from connectors.errors import TransientError
from jobs.bundle import UNEXPECTED, in_turn
from jobs.leaves import Failure, Leaves
from jobs.outcomes import Packed, table_of
from jobs.passage import Begun
from jobs.pipeline import TASK_BYTES, next_task
from jobs.plan import Bundle, Span
from jobs.work import Work

MB = 1 << 20


def bundle(index: int, size: int = 16 * MB) -> Bundle:
    return Bundle(index, (Span(RawObject(f"/in/{index}", size, 0)),))


def turns(monkeypatch: pytest.MonkeyPatch, count: int, finish: Callable[[int], None]) -> list[Leaves | Failure]:
    """What `in_turn` gives for as many bundles of which nothing is read, and whose parts are waited for by `finish`."""

    def begin(bundle: Bundle, *_: Any) -> Begun:
        finish(-bundle.index)
        leaves = Leaves(bundle.index, "", (), Packed.of(table_of([])))
        return Begun(leaves, lambda: finish(bundle.index))

    monkeypatch.setattr(jobs.bundle, "begin", begin)
    return list(in_turn(map(bundle, range(1, count + 1)), cast(Work, None)))


def test_a_bundle_is_worked_on_before_the_parts_of_the_last_one_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    results = turns(monkeypatch, 3, steps.append)
    assert steps == [-1, -2, 1, -3, 2, 3]
    assert [result.index for result in results] == [1, 2, 3]


@pytest.mark.parametrize(
    ("raised", "code"), [(TransientError("STORE_BUSY", "key"), "STORE_BUSY"), (ZeroDivisionError("name"), UNEXPECTED)]
)
def test_a_part_that_does_not_arrive_fails_its_own_bundle_alone(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str
) -> None:
    def finish(number: int) -> None:
        if number == 2:
            raise raised

    first, second, third = turns(monkeypatch, 3, finish)
    assert isinstance(first, Leaves)
    assert isinstance(third, Leaves)
    assert isinstance(second, Failure)
    assert (second.index, second.code) == (2, code)
    assert "name" not in repr(second)


def test_what_waiting_for_parts_takes_counts_as_writing() -> None:
    leaves = Begun(Leaves(0, "", (), Packed.of(table_of([])), seconds={"read": 1.0}), lambda: None).finished()
    assert leaves.seconds.keys() == {"read", "write"}


def tasks(sizes: list[int], cpus: int) -> list[tuple[Bundle, ...]]:
    waiting = deque(bundle(n, size) for n, size in enumerate(sizes))
    found = []
    while waiting:
        found.append(next_task(waiting, cpus))
    return found


@given(st.lists(st.integers(1, 100 * MB), max_size=80), st.integers(0, 70))
def test_tasks_hold_each_bundle_once_in_order_and_several_only_if_they_are_small(sizes: list[int], cpus: int) -> None:
    found = tasks(sizes, cpus)
    assert [b.index for task in found for b in task] == list(range(len(sizes)))
    assert all(len(task) == 1 or sum(b.bytes for b in task) <= TASK_BYTES for task in found)


def test_tasks_become_smaller_so_that_all_cpus_end_together() -> None:
    assert [len(task) for task in tasks([16 * MB] * 20, 2)] == [4, 4, 4, 2, 2, 1, 1, 1, 1]


def test_no_cpu_waits_while_another_has_several_bundles() -> None:
    assert [len(task) for task in tasks([16 * MB] * 64, 64)] == [1] * 64


def test_a_range_of_an_object_counts_with_its_own_bytes() -> None:
    raw = RawObject("/in/a", 100, 0)
    assert [Bundle(0, (Span(raw, *ends),)).bytes for ends in [(0, 40), (40, None)]] == [40, 60]
