"""What every side of a comparison takes and says."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

KEY = bytes(range(32))
Result = TypeVar("Result")


@dataclass(frozen=True)
class Arguments:
    """source: a folder of files. out: an empty folder. identified: keep identities, so that values compare.

    warm: the same work is done once before the clock starts, so that engines, their workers, their compiled code and
    their memory are there.
    """

    source: Path
    out: Path
    cpus: int
    identified: bool
    warm: bool = False


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--identified", action="store_true")
    parser.add_argument("--warm", action="store_true")
    return parser


def checked(known: argparse.Namespace) -> Arguments:
    """The arguments; the folder for the output is made."""
    known.out.mkdir(parents=True, exist_ok=True)
    return Arguments(known.source, known.out, known.cpus, known.identified, known.warm)


def parse(argv: list[str] | None = None) -> Arguments:
    return checked(argument_parser().parse_args(argv))


@dataclass(frozen=True)
class Clocked(Generic[Result]):
    """What the work returned, its seconds, and those of its first run, which are the same where it ran once."""

    result: Result
    seconds: float
    first: float


def clocked(arguments: Arguments, work: Callable[[Arguments], Result]) -> Clocked[Result]:
    """The work, timed; where it is to be warm, the second time that it is done."""
    first = None
    if arguments.warm:
        with tempfile.TemporaryDirectory(dir=arguments.out.parent) as folder:
            _, first = _timed(replace(arguments, out=Path(folder)), work)
        os.sync()
    result, seconds = _timed(arguments, work)
    return Clocked(result, seconds, seconds if first is None else first)


def _timed(arguments: Arguments, work: Callable[[Arguments], Result]) -> tuple[Result, float]:
    begun = time.perf_counter()
    result = work(arguments)
    return result, time.perf_counter() - begun


def report(clock: Clocked[Result], rows: int) -> None:
    """The last line of standard output: seconds without the start of an engine, and rows written."""
    print(json.dumps({"seconds": clock.seconds, "first_seconds": clock.first, "rows": rows}), flush=True)


def run(work: Callable[[Arguments], int]) -> None:
    clock = clocked(parse(), work)
    report(clock, clock.result)
