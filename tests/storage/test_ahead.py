"""One step ahead, in order, and nothing lost on the way."""

from __future__ import annotations

import threading

import pytest

from connectors.storage.ahead import one_ahead


@pytest.mark.parametrize("count", range(6))
def test_each_comes_with_its_own_in_order(count: int) -> None:
    assert list(one_ahead(range(count), lambda n: n * n)) == [(n, n * n) for n in range(count)]


def test_the_next_is_done_while_the_caller_has_one() -> None:
    done = [threading.Event() for _ in range(4)]
    for n, _ in one_ahead(range(4), lambda n: done[n].set()):
        assert all(event.wait(10) for event in done[: n + 2])


def test_one_alone_is_done_by_the_caller() -> None:
    assert list(one_ahead([1], lambda _: threading.current_thread())) == [(1, threading.current_thread())]


def test_what_an_action_raises_comes_in_its_place() -> None:
    several = one_ahead([2, 1, 0, 4], lambda n: 4 // n)
    assert [next(several), next(several)] == [(2, 2), (1, 4)]
    with pytest.raises(ZeroDivisionError):
        next(several)


def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    several = one_ahead(range(100), lambda n: n)
    next(several)
    several.close()
    assert threading.active_count() == before
