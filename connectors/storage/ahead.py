"""What is waited for, asked for one step before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_ahead(several: Iterable[T], action: Callable[[T], R]) -> Iterator[tuple[T, R]]:
    """Each with what the action gives for it, in order. While the caller works on one, a thread has the next.

    One alone is done without a thread. Raises what the action raises.
    """
    rest = iter(several)
    first = list(islice(rest, 2))
    if len(first) < 2:
        yield from ((each, action(each)) for each in first)
        return
    before, second = first
    with ThreadPoolExecutor(1, "ahead") as thread:
        asked = thread.submit(action, before)
        for each in chain([second], rest):
            following = thread.submit(action, each)
            yield before, asked.result()
            before, asked = each, following
        yield before, asked.result()
