"""What every side of a comparison takes and says."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KEY = bytes(range(32))


@dataclass(frozen=True)
class Arguments:
    """source: a folder of files. out: an empty folder. identified: keep identities, so that values compare."""

    source: Path
    out: Path
    cpus: int
    identified: bool


def parse(argv: list[str] | None = None) -> Arguments:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--identified", action="store_true")
    known = parser.parse_args(argv)
    known.out.mkdir(parents=True, exist_ok=True)
    return Arguments(known.source, known.out, known.cpus, known.identified)


def report(seconds: float, rows: int) -> None:
    """The last line of standard output: seconds of the work without the start of an engine, and rows written."""
    print(json.dumps({"seconds": seconds, "rows": rows}), flush=True)


def run(work: Callable[[Arguments], int]) -> None:
    arguments = parse()
    begun = time.perf_counter()
    rows = work(arguments)
    report(time.perf_counter() - begun, rows)
