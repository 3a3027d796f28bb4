"""One worker against two on the same cluster, one after the other in the same session."""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import median

import pytest
from released import Namespace, pipeline

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

MESSAGES = int(os.environ.get("CLINRAY_LOAD_MESSAGES", "200000"))
ORDER = (1, 2, 2, 1)
"""Workers of each run: what drifts with time meets both alike."""


def test_two_workers_make_the_lake_of_one(namespace: Namespace, store) -> None:
    """Writes seconds and their ratio to the file that CLINRAY_LOAD_RESULTS names. No speed is asserted: a machine with
    two cores has no room for two workers beside the rest of the cluster."""
    source = "s3://raw/load/"
    generate = ["hl7v2", f"--messages={MESSAGES}", "--per-object=1000", "--seed=3", f"--out={source}", "--quiet"]
    store.inside("clinray", "generate", *generate)
    runs: list[tuple[int, float, dict[str, str]]] = []
    for number, workers in enumerate(ORDER):
        release, lake = f"load{number}", store.lake(f"load-{number}")
        worker = {"replicas": workers, "minReplicas": workers, "maxReplicas": workers}
        values = {"pipeline": pipeline(source, lake, bundle_bytes=4_000_000), "defaults": {"worker": worker}}
        namespace.install(release, values)
        run = namespace.ray_jobs(release)[0]
        assert namespace.wait(run).outcome == "succeeded"
        runs.append((workers, namespace.summary(run)["seconds"], store.parts(lake)))
        namespace.uninstall(release)
    assert all(parts == runs[0][2] for _, _, parts in runs)
    seconds = {count: [taken for workers, taken, _ in runs if workers == count] for count in (1, 2)}
    ratio = median(seconds[1]) / median(seconds[2])
    record({"messages": MESSAGES, "order": ORDER, "seconds": seconds, "one_worker_over_two": round(ratio, 2)})


def record(found: dict) -> None:
    if path := os.environ.get("CLINRAY_LOAD_RESULTS"):
        Path(path).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
