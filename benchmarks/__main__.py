"""`python -m benchmarks`: measures every row and writes results.json, RESULTS.md and results.svg."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import ingest, others, report
from benchmarks.harness import SideFailedError
from benchmarks.ingest import Bench
from benchmarks.rows import Row

ROWS: Mapping[str, Callable[[Bench], list[Row]]] = {
    "tokenise": others.tokenise,
    "ingest": ingest.whole,
    "single-file": ingest.single_file,
    "small-objects": others.small_objects,
    "tokens": others.tokens,
    "processors": ingest.processors,
    "memory": ingest.memory,
    "audit": ingest.audit,
    "planning": others.planning,
}
INGESTING = {"ingest", "single-file", "processors", "memory", "audit"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"rows to measure: {', '.join(ROWS)}")
    parser.add_argument("--scale", choices=("small", "full"), default="full", help="small: 10,000 messages, one round")
    parser.add_argument("--runs", type=int, help="rounds of each comparison (full: 3, small: 1)")
    parser.add_argument("--messages", type=int, help="messages of the ingests (full: 1,000,000, small: 10,000)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the results")
    parser.add_argument("--work", type=Path, help="folder for data while it runs, emptied afterwards")
    chosen = parser.parse_args(argv)
    small = chosen.scale == "small"
    names = chosen.only or list(ROWS)
    if chosen.work:
        chosen.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="clinray-bench-", dir=chosen.work) as folder:
        count, runs = chosen.messages or (10_000 if small else 1_000_000), chosen.runs or (1 if small else 3)
        bench = Bench(Path(folder), count, runs, full=not small)
        if INGESTING & set(names):
            ingest.warm(bench)
        rows = [row for name in names for row in _measured(name, bench)]
    report.write(rows, chosen.scale, chosen.out)
    print(json.dumps({"rows": len(rows)}))
    return 1 if any(row.note.startswith("failed") for row in rows) else 0


def _measured(name: str, bench: Bench) -> list[Row]:
    """The rows of a name, shown as they come. A side that ends with an error fails its row, and the others go on."""
    try:
        rows = ROWS[name](bench)
    except SideFailedError as error:
        rows = [Row(name, "", None, 0, note=f"failed: {error}")]
    for row in rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        print(f"{row.work} | {row.peer} | {ratio} of {row.reach:g} | {row.note}", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
