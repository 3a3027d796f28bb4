"""What every side of a comparison takes and says."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

KEY = bytes(range(32))
Result = TypeVar("Result")


@dataclass(frozen=True)
class Arguments:
    """source: a folder of files. out: an empty folder. identified: keep identities, so that values compare.

    warm: a folder of a few files that are worked on once before the clock starts, so that engines, their workers and
    their compiled code are there; None to begin cold.
    """

    source: Path
    out: Path
    cpus: int
    identified: bool
    warm: Path | None = None


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--identified", action="store_true")
    parser.add_argument("--warm", type=Path)
    return parser


def checked(known: argparse.Namespace) -> Arguments:
    """The arguments; the folder for the output is made."""
    known.out.mkdir(parents=True, exist_ok=True)
    return Arguments(known.source, known.out, known.cpus, known.identified, known.warm)


def parse(argv: list[str] | None = None) -> Arguments:
    return checked(argument_parser().parse_args(argv))


def report(seconds: float, rows: int) -> None:
    """The last line of standard output: seconds of the work without the start of an engine, and rows written."""
    print(json.dumps({"seconds": seconds, "rows": rows}), flush=True)


def clocked(arguments: Arguments, work: Callable[[Arguments], Result]) -> tuple[float, Result]:
    """Seconds that the work takes, and what it returns, after it was done once over the files of `warm`."""
    if arguments.warm is not None:
        with tempfile.TemporaryDirectory(dir=arguments.out.parent) as folder:
            work(replace(arguments, source=arguments.warm, out=Path(folder)))
    begun = time.perf_counter()
    result = work(arguments)
    return time.perf_counter() - begun, result


def run(work: Callable[[Arguments], int]) -> None:
    report(*clocked(parse(), work))
