"""`clinray ingest`: from a bucket to audited tables."""

from __future__ import annotations

from functools import partial

from jobs import flags
from jobs.console import command

EXAMPLES = """
Read a folder or a bucket, check it, de-identify it under a policy, and commit audited tables to a lake. What is
already in the lake's run log is skipped, so the same command is safe to run again.

Examples:

  clinray ingest --source ./messages --lake ./lake --policy pseudonymised

  clinray ingest --source s3://raw/hl7/ --lake s3://research/lake --policy hipaa-limited-data-set --json

  clinray ingest pipeline.yaml --dry-run
"""


@command
def ingest(
    pipeline: flags.PipelineFlags,
    store: flags.StoreFlags,
    run: flags.RunFlags,
    keys: flags.KeysFolder = None,
    no_create_keys: flags.NoCreateKeys = None,
) -> int:
    from jobs.run import ingest as work

    chosen = pipeline.load(store, keys, create_keys=not no_create_keys)
    return run.report(partial(work, chosen))


ingest.__doc__ = EXAMPLES
