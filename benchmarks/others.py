"""The rows whose work is measured apart from a whole ingest, sized for the scale of the run.

`python -m benchmarks.others NAME --small`: one of them in a process of its own, for work that is to have one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping

from benchmarks.harness import Side, run_once
from benchmarks.ingest import Bench
from benchmarks.rows import Row


def small_objects(bench: Bench) -> list[Row]:
    from benchmarks.small_objects import rows

    return rows(10_000 if bench.full else 500, bench.runs)


def planning(bench: Bench) -> list[Row]:
    from benchmarks.planning import rows

    return rows(1_000_000 if bench.full else 10_000, 1_000 if bench.full else 100, bench.runs)


def tokenise(bench: Bench) -> list[Row]:
    return _on_one_core("tokenise", bench)


def tokens(bench: Bench) -> list[Row]:
    return _on_one_core("tokens", bench)


def _on_one_core(name: str, bench: Bench) -> list[Row]:
    command = (sys.executable, "-m", "benchmarks.others", name, *([] if bench.full else ["--small"]))
    said = run_once(Side(name, command, processors=1), None).said
    assert isinstance(said["rows"], list)
    return [Row(**{**row, "spread": tuple(row["spread"]) if row["spread"] else None}) for row in said["rows"]]


def _tokenise(full: bool) -> list[Row]:
    from benchmarks.tokenise import rows

    return rows()


def _tokens(full: bool) -> list[Row]:
    from benchmarks.stride import LONG_ENOUGH
    from benchmarks.tokens import measure

    count = 1_000_000 if full else 25_000
    note = (
        f"{count:,} values in batches of the pipeline's size, each side for {LONG_ENOUGH} s a round at least; "
        "tokens equal to the library's byte for byte"
    )
    return [
        Row(m.work, m.peer, m.ratio, m.reach, m.spread, m.ours, m.peers, "s", note)
        for m in measure(count, 5 if full else 1)
    ]


ONE_CORE: Mapping[str, Callable[[bool], list[Row]]] = {"tokenise": _tokenise, "tokens": _tokens}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=ONE_CORE)
    parser.add_argument("--small", action="store_true")
    chosen = parser.parse_args()
    rows = [row.as_json() for row in ONE_CORE[chosen.name](not chosen.small)]
    print(json.dumps({"rows": [{k: v for k, v in row.items() if k != "reached"} for row in rows]}))


if __name__ == "__main__":
    main()
