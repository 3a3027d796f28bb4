"""`python -m jobs compile`: the kernels of every stage, compiled before a run waits for them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jobs import flags
from jobs.console import AsJson, command, emit, say

_MESSAGES, _PER_OBJECT = 2_000, 100
_CHUNK, _RANGE = 200_000, 400_000
"""Bytes of a chunk and of a range: so few that rows of several chunks come together, and objects are cut."""


@command
def compile_kernels(quiet: flags.Quiet = False, as_json: AsJson = False) -> int:
    """Compile what a first run on this machine would compile, about a minute; done again it takes seconds.

    Some synthetic messages go through all stages in a temporary folder. What is compiled stays beside the code or,
    where that cannot be written, in the cache of the user (NUMBA_CACHE_DIR names another place).

    Example: clinray compile
    """
    from jobs.progress import bar

    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clinray-") as folder, bar(quiet or as_json) as progress:
        steps = _steps(Path(folder))
        progress.total(len(steps), "compiling")
        for step in steps:
            step()
            progress.advance(1)
    seconds = time.monotonic() - started
    if as_json:
        emit({"seconds": round(seconds, 3)})
    else:
        say(f"compiled in {seconds:.0f} s")
    return 0


def _steps(folder: Path) -> list[Callable[[], object]]:
    """Messages, runs over them under each way to release them, in chunks and in ranges, and a proof."""
    from connectors.hl7v2.generate import write
    from connectors.lake.verify import verify
    from connectors.storage import StorageOptions
    from jobs.config import load_pipeline
    from jobs.run import ingest

    several, one = folder / "several", folder / "one"

    def run(source: Path, policy: str, **settings: object) -> None:
        given = {"source": str(source), "lake": str(folder / policy), "policy": policy, **settings}
        pipeline = load_pipeline(None, given).with_access(endpoint=None, keys=folder / "keys", create_keys=True)
        ingest(pipeline, cpus=0)

    return [
        lambda: write(str(several), _MESSAGES, _PER_OBJECT, seed=1),
        lambda: write(str(one), _MESSAGES, _MESSAGES, seed=1),
        lambda: run(several, "pseudonymised"),
        lambda: run(one, "hipaa-limited-data-set", bundle_bytes=_RANGE),
        lambda: run(several, "identified", allow_identified=True, chunk_bytes=_CHUNK),
        lambda: verify(str(folder / "pseudonymised"), StorageOptions()),
    ]
