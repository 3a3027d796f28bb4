"""What is wanted of the fields and components of a segment, as words for the kernel that looks for it (see values)."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from connectors.kernels.words import BLOCK

Positions = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

WORD: Final = 8
# Where the bits stand that end what is wanted of a field, all of it or its first component: behind five separators.
WHOLE: Final = 5 * BLOCK
HEAD: Final = WHOLE + WORD
NOTHING, PARTS, FRESH = 0, -1, -2  # else nothing, what several entries say, or the first value of a slot
# Words of an entry, in bytes: component, subcomponent, where the starts of its slot stand, whether the lengths there
# are cleared, and whether other positions share it.
COMPONENT_OF, SUBCOMPONENT_OF, AT, CLEARED, SHARED, ENTRY = 0, 8, 16, 24, 32, 40
# Words of a plan, of a field or a component: what is wanted of it (of a fresh one: later on); where the starts of the
# slot stand that gets it, and the entry that says so; its entries; the plans of its components, and how many they are.
KIND, LATER, START, OWN, FIRST, STOP, PARTS_OF, COUNT, PLAN = 0, 8, 16, 24, 32, 40, 48, 56, 64


@njit(cache=True, nogil=True)
def _plan_one(plan: Places, work: Places, first: int, last: int, component: int) -> None:
    """Writes what some entries want of a field (component 0) or of that component of one."""
    at, above = np.int64(work.ctypes.data), work[first, 1] == 0
    whole, head = above and work[first, 0] == component, above and component == 0 and work[first, 0] == 1
    fresh = (whole or head) and last == first + 1 and work[first, SHARED // WORD] == 0
    plan[KIND // WORD] = FRESH if fresh else PARTS
    plan[LATER // WORD] = WHOLE if whole else HEAD
    plan[START // WORD] = work[first, AT // WORD]
    plan[OWN // WORD] = at + ENTRY * first if whole or fresh else 0
    plan[FIRST // WORD], plan[STOP // WORD] = at + ENTRY * first, at + ENTRY * last


@njit(cache=True, nogil=True)
def write_plan(
    bounds: Positions,
    entries: Positions,
    start: int,
    stride: int,
    totals: Places,
    plan: Places,
    parts: Places,
    work: Places,
) -> None:
    """Writes the entries of a source with the addresses of what they fill to work, what is wanted of each field,
    nothing of those behind them, to plan, and of each component of a field to parts."""
    at_parts, n = np.int64(parts.ctypes.data), 0
    plan[:], parts[:] = NOTHING, NOTHING
    for i in range(entries.shape[0]):
        slot = entries[i, 2]
        work[i, 0], work[i, 1], work[i, 2] = entries[i, 0], entries[i, 1], start + stride * slot
        work[i, 3], work[i, 4] = totals[slot] > 0, entries[i, 3]
    for field in range(bounds.size - 1):
        first, last = bounds[field], bounds[field + 1]
        if last == first:
            continue
        _plan_one(plan[field], work, first, last, 0)
        plan[field, PARTS_OF // WORD], plan[field, COUNT // WORD] = at_parts + PLAN * n, work[last - 1, 0]
        low = first
        while low < last:
            high, component = low + 1, work[low, 0]
            while high < last and work[high, 0] == component:
                high += 1
            if component:
                _plan_one(parts[n + component - 1], work, low, high, component)
            low = high
        n += work[last - 1, 0]
