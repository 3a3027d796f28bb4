"""Files of the lake as they are read into memory."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake.files import read_parquet

COUNTS_THREADS = """
import os, sys
from connectors.lake.files import read_parquet
data = sys.stdin.buffer.read()
before = len(os.listdir("/proc/self/task"))
rows = read_parquet(data).num_rows
print(rows, len(os.listdir("/proc/self/task")) - before)
"""


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=2)
    return sink.getvalue().to_pybytes()


def test_the_rows_of_all_row_groups_are_read_in_order():
    table = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    assert read_parquet(parquet(table)).equals(table)
    assert read_parquet(parquet(table), ["b"]).equals(table.select(["b"]))


def test_no_thread_is_started_that_could_abort_the_end_of_the_program():
    counted = subprocess.run(
        [sys.executable, "-c", COUNTS_THREADS], input=parquet(pa.table({"a": [1, 2, 3]})), capture_output=True
    )
    assert counted.stdout.split() == [b"3", b"0"]
