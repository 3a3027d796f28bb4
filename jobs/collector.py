"""Python's search for cycles, put aside while many objects are made that are part of none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def at_rest() -> Iterator[None]:
    """No search inside the block, unless there was none before: each full one goes through everything that Ray and
    the other libraries ever made, a tenth of a second while all processors wait for the plan."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


@cache
def leave_out_what_stands() -> None:
    """Once a process, before it has read anything: no later search goes through what the libraries have made by now."""
    gc.freeze()
