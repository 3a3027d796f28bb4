"""Memory that a worker keeps between bundles instead of giving it back to the system and asking again."""

from __future__ import annotations

import ctypes
from functools import cache

import pyarrow as pa

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of <malloc.h> in the GNU C library, mallopt(3)."""

KEPT_BYTES = 512 << 20
"""Free memory at the top of the heap beyond which the system gets it back."""

_NEVER_MAPPED = 1 << 30
"""Blocks smaller than this come from the heap: one that is mapped has every page of it cleared at each use."""


@cache
def keep_memory() -> bool:
    """Once a process: numpy and Arrow take their blocks from one heap that is kept. False where the C library has
    no `mallopt` (then nothing is changed)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = bool(mallopt(_MMAP_THRESHOLD, _NEVER_MAPPED)) and bool(mallopt(_TRIM_THRESHOLD, KEPT_BYTES))
    if kept:
        pa.set_memory_pool(pa.system_memory_pool())
    return kept
