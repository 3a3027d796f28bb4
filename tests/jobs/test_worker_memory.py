"""What a worker keeps for its next bundle; each in a process of its own, since it holds for the rest of a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

TOUCHED = """
import resource
import numpy as np
import pyarrow as pa
from jobs.worker_memory import keep_memory
{first}
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(32 << 20, np.uint8)
before = faults()
for _ in range(8): np.ones(32 << 20, np.uint8)
print(faults() - before, pa.default_memory_pool().backend_name)
"""


def told(first: str) -> tuple[int, str]:
    run = subprocess.run(
        [sys.executable, "-c", TOUCHED.format(first=first)], capture_output=True, check=True, text=True
    )
    count, pool = run.stdout.split()
    return int(count), pool


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is told to the GNU C library")
def test_blocks_that_were_touched_once_are_not_made_again():
    pages = 8 * (32 << 20) // 4096
    count, pool = told("keep_memory()")
    assert count < pages // 100
    assert pool == "system"


def test_where_the_c_library_has_no_such_setting_nothing_is_changed():
    without = "import ctypes; ctypes.CDLL = lambda _: object(); assert keep_memory() is False"
    assert told(without)[1] != "system"
