"""How long work takes in its stride: repeated, as chunk follows chunk in a run.

What a side has in the processor's caches and on its heap after another side's work is not what is compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LONG_ENOUGH = 0.25
"""Seconds for which a side repeats its work in a round."""


def seconds(work: Callable[[], object]) -> float:
    """Seconds of the processor that the work takes once, over as many repetitions as make LONG_ENOUGH."""
    begun, count, taken = time.process_time(), 0, 0.0
    while taken < LONG_ENOUGH:
        work()
        count, taken = count + 1, time.process_time() - begun
    return taken / count
