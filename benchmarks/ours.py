"""Clinray's own side: one `ingest` in a process of its own, on a local Ray that is up before the clock starts."""

from __future__ import annotations

import argparse
import logging
import os
import time
from pathlib import Path

import ray

from benchmarks.peers.program import report
from benchmarks.unaudited import with_audit, without_audit

HOOKS = {"with": with_audit, "without": without_audit}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--identified", action="store_true")
    parser.add_argument(
        "--audit", choices=HOOKS, help="start Ray's workers by a hook that leaves the audit, or takes it"
    )
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    hook = HOOKS[chosen.audit] if chosen.audit else None
    if hook:
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # for the workers, to whom the hook goes by name
    ray.init(
        num_cpus=chosen.cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"worker_process_setup_hook": hook} if hook else None,
    )
    if hook:
        hook()
    seconds, rows = ingest(chosen)
    report(seconds, rows)
    ray.shutdown()


def ingest(chosen: argparse.Namespace) -> tuple[float, int]:
    """Seconds of one run into a new lake, and records written."""
    from jobs.config import load_pipeline
    from jobs.run import ingest as run

    begun = time.perf_counter()
    settings = {
        "source": str(chosen.source),
        "format": "hl7v2",
        "lake": str(chosen.out / "lake"),
        "policy": "identified" if chosen.identified else "pseudonymised",
        "allow_identified": chosen.identified,
    }
    pipeline = load_pipeline(None, settings).with_access(endpoint=None, keys=chosen.out / "keys", create_keys=True)
    said = run(pipeline, cpus=chosen.cpus, dry_run=False, progress=None)
    seconds = time.perf_counter() - begun
    if said["objects"]["deferred"] or said["records"]["quarantined"]:
        raise RuntimeError(f"not everything was written: {said['objects']}, {said['records']}")
    return seconds, int(said["records"]["written"])


if __name__ == "__main__":
    main()
