"""Reversible tokens of a whole column against one AESSIV.encrypt a value, on one core, in one run.

Both sides take an Arrow column of text and give the Arrow column of tokens; they are compared value for value.
"""

from __future__ import annotations

import base64
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from benchmarks import stride
from jobs.privacy.distinct import over_distinct
from jobs.privacy.siv import ColumnSIV

KEY = bytes(range(64))
BATCH = 25_000
"""Rows of a column in a chunk of the pipeline."""


@dataclass(frozen=True)
class Measured:
    """ratio: the peer's seconds a value over ours, median of the rounds; spread: the smallest and largest of them."""

    work: str
    peer: str
    ratio: float
    reach: float
    spread: tuple[float, float]
    ours: float
    peers: float


def measure(values: int = 1_000_000, rounds: int = 5) -> list[Measured]:
    """The two rows: all values distinct, and a tenth of them; seconds are those of `values` values."""
    return [
        _compared("reversible tokens, all values distinct", 8.0, _columns(values, 1), rounds),
        _compared("reversible tokens, 10 % of the values distinct", 40.0, _columns(values, 10), rounds),
    ]


def _columns(values: int, repeats: int) -> list[pa.Array]:
    """Batches in which each identifier stands `repeats` times, in random order (seeded)."""
    chance = np.random.default_rng(1)
    batches = []
    for first in range(0, values, BATCH):
        rows = chance.permutation(min(BATCH, values - first))
        batches.append(pa.array([f"{1_000_000 + (first + int(i)) // repeats}" for i in rows]))
    return batches


def _one_by_one(column: pa.Array, cipher: AESSIV) -> pa.Array:
    tokens = [
        base64.urlsafe_b64encode(cipher.encrypt(value.encode(), None)).rstrip(b"=").decode()
        for value in column.to_pylist()
    ]
    return pa.array(tokens)


def _whole(column: pa.Array, cipher: ColumnSIV) -> pa.Array:
    return over_distinct(column, cipher.encrypt)


def _compared(work: str, reach: float, columns: list[pa.Array], rounds: int) -> Measured:
    ours_of, peers_of = partial(_whole, cipher=ColumnSIV(KEY)), partial(_one_by_one, cipher=AESSIV(KEY))
    for column in columns:
        if not ours_of(column).equals(peers_of(column)):
            raise AssertionError("the tokens differ from the library's")
    times = [tuple(stride.seconds(partial(_all, side, columns)) for side in (ours_of, peers_of)) for _ in range(rounds)]
    ratios = [peer / ours for ours, peer in times]
    ours, peers = (statistics.median(side) for side in zip(*times, strict=True))
    spread = (min(ratios), max(ratios))
    return Measured(work, "AESSIV.encrypt a value", statistics.median(ratios), reach, spread, ours, peers)


def _all(work: Callable[[pa.Array], pa.Array], columns: list[pa.Array]) -> None:
    for column in columns:
        work(column)


if __name__ == "__main__":
    for row in measure():
        low, high = row.spread
        print(f"{row.work}: {row.ratio:.1f} times {row.peer} ({low:.1f} to {high:.1f}), reach {row.reach:g}")
