"""Clinray's own side: one `ingest` in a process of its own, on a local Ray that is up before the clock starts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import ray

from benchmarks.peers.program import Arguments, argument_parser, checked, clocked, report
from benchmarks.unaudited import with_audit, without_audit

HOOKS = {"with": with_audit, "without": without_audit}


def main() -> None:
    parser = argument_parser()
    parser.add_argument(
        "--audit", choices=HOOKS, help="start Ray's workers by a hook that leaves the audit, or takes it"
    )
    chosen = parser.parse_args()
    arguments = checked(chosen)
    hook = HOOKS[chosen.audit] if chosen.audit else None
    if hook:
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # for the workers, to whom the hook goes by name
    ray.init(
        num_cpus=arguments.cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"worker_process_setup_hook": hook} if hook else None,
    )
    if hook:
        hook()
    clock = clocked(arguments, ingest)
    report(clock, clock.result)
    ray.shutdown()


def ingest(arguments: Arguments) -> int:
    """Records written by one run into a new lake."""
    from jobs.config import load_pipeline
    from jobs.run import ingest as run

    settings: dict[str, Any] = {
        "source": str(arguments.source),
        "format": "hl7v2",
        "lake": str(arguments.out / "lake"),
        "policy": "identified" if arguments.identified else "pseudonymised",
        "allow_identified": arguments.identified,
    }
    keys = arguments.out / "keys"
    pipeline = load_pipeline(None, settings).with_access(endpoint=None, keys=keys, create_keys=True)
    said = run(pipeline, cpus=arguments.cpus, dry_run=False, progress=None)
    if said["objects"]["deferred"] or said["records"]["quarantined"]:
        raise RuntimeError(f"not everything was written: {said['objects']}, {said['records']}")
    return int(said["records"]["written"])


if __name__ == "__main__":
    main()
