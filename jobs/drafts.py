"""What a run tells the log of itself."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from datetime import UTC, datetime
from functools import lru_cache

from connectors.lake import Draft
from jobs.access import Access
from jobs.config import image_digest
from jobs.inputs import Settled, inputs_table


def code_version() -> str:
    """Of Clinray."""
    return importlib.metadata.version("clinray")


@lru_cache(maxsize=1)
def environment_digest() -> str:
    """SHA-256 of every installed distribution and its version, of the Python version and of the container image, if one
    is known. The first call looks at every distribution, which takes tens of milliseconds."""
    installed = {f"{d.name.lower()}=={d.version}" for d in importlib.metadata.distributions()}
    lines = [*sorted(installed), f"python=={platform.python_version()}", f"image=={image_digest()}"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def draft(
    access: Access,
    pipeline_digest: str,
    settled: Settled,
    counts: dict[str, dict[str, int]],
    run_id: str,
    started: float,
    kind: str = "ingest",
) -> Draft:
    """The draft of a wave's entry; parts and tables are added by the wave."""
    return Draft(
        zone=access.zone,
        run_id=run_id,
        parts=(),
        inputs=inputs_table(settled.outcomes, access.zone),
        counts=counts,
        tables={},
        started=datetime.fromtimestamp(started, UTC),
        ended=datetime.now(UTC),
        kind=kind,
        code_version=code_version(),
        environment_digest=environment_digest(),
        pipeline_digest=pipeline_digest,
        policy_digest=access.policy.digest,
        key_id=access.keys.key_id,
        notes={"format": access.work.format, **({"image": image_digest()} if image_digest() else {})},
    )
