"""A stage apart from its lake to its report: what the zone before holds and the next one lacks, committed to it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from connectors.contract import ReadOptions
from connectors.errors import ConfigError
from connectors.lake import Draft, Lake
from jobs.access import Access, Keys, about, binding, check_binding, open_keys, storage_options
from jobs.beside import needed_at_commit
from jobs.config import KeySettings, StoreSettings, load_pipeline
from jobs.console import note
from jobs.drafts import code_version, draft
from jobs.inputs import Settled, run_identity
from jobs.plan import Bundle, bundle_of_parts
from jobs.privacy import policy as policies
from jobs.privacy.policy import Policy, Zone
from jobs.progress import Progress, Silent
from jobs.reports import run_report
from jobs.run import executor, meters, workers
from jobs.stage_retry import Retried, retried
from jobs.wave import Committer, Counts, Wave
from jobs.work import Work

COMMIT_EVERY = 1024


def stage_run(
    *,
    stage: Literal["validate", "deidentify"],
    lake: str,
    format_: str,
    policy: str,
    source_zone: str = "identified",
    min_score: float | None = None,
    store: StoreSettings | None = None,
    keys: Path | None = None,
    cpus: int | None = None,
    retry: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Runs a stage over a zone; the report is that of an ingest, whose objects are the bundles of the zone before.

    retry: what the stage has quarantined is tried again, and no other bundle is read. Raises ConfigError, AccessError.
    """
    started = time.time()
    chosen = policies.load(policy)
    if stage == "deidentify" and chosen.zone is Zone.IDENTIFIED:
        raise ConfigError("POLICY_IDENTIFIED", f"the policy {chosen.name} de-identifies nothing; name another")
    settings = KeySettings(folder=keys, create=False)
    named = {"source": "-", "lake": lake, "policy": policy, "keys": settings, "min_score": min_score}
    pipeline_keys = open_keys(load_pipeline(None, named))
    access = _open(
        stage, lake, format_, chosen, pipeline_keys, min_score, store or StoreSettings(), source_zone, dry_run
    )
    if dry_run:
        access.lake.check_tables()
    else:
        access.lake.roll_forward()
    again = retried(access.lake, access.zone) if retry else None
    bundles, listed = _bundles(access, source_zone, again)
    head = access.lake.head()[0]
    done = 0 if again else listed - len(bundles)
    facts: dict[str, Any] = {"listed": listed, "done": done, "bundles": bundles}
    if dry_run:
        return run_report(about(access), **facts, committed=(), seconds=time.time() - started, dry_run=True)
    size = sum(bundle.spans[0].object.size for bundle in bundles)
    note("planned", listed=listed, done=done, bytes=size, bundles=len(bundles))
    digest = run_identity(stage, format_, str(min_score), source_zone)
    versions = (bundle.spans[0].object.version for bundle in bundles)
    identity = run_identity(*versions, digest, chosen.digest, access.keys.run_secret, code_version())

    def make(settled: Settled, counted: Counts) -> Draft:
        tables.finish()
        return draft(access, digest, settled, counted, identity, started, kind=stage)

    (progress := progress or Silent()).total(len(bundles), "bundles")
    known = again.known if again else None
    with needed_at_commit(access) as tables, executor(workers(cpus, len(bundles), size), tables.begin) as execute:
        committer = Committer(access.lake, access.work, execute, make, lambda _: known, None, progress, meters())
        starts = range(0, len(bundles), COMMIT_EVERY)
        committed = committer.commit(Wave(bundles[n : n + COMMIT_EVERY], done if n == 0 else 0, head) for n in starts)
        tables.finish()
    return run_report(about(access), **facts, committed=committed, seconds=time.time() - started, run_id=identity)


def _bundles(access: Access, source_zone: str, again: Retried | None) -> tuple[list[Bundle], int]:
    """What the next zone lacks or tries again, and how many bundles were looked at: all that the zone before has, or
    those that are tried again."""
    groups = [bundle_of_parts(n, source_zone, group) for n, group in enumerate(access.lake.bundles(source_zone))]
    if again is not None:
        chosen = [bundle for bundle in groups if bundle.spans[0].object.uri in again.bundles]
        return chosen, len(chosen)
    objects = [bundle.spans[0].object for bundle in groups]
    uris = pa.array([o.uri for o in objects], pa.string())
    versions = pa.array([o.version for o in objects], pa.string())
    new = access.lake.done(access.zone).new(uris, versions)
    return [groups[n] for n in np.flatnonzero(new)], len(groups)


def _open(
    stage: str,
    uri: str,
    format_: str,
    policy: Policy,
    keys: Keys,
    min_score: float | None,
    store: StoreSettings,
    source_zone: str,
    dry_run: bool,
) -> Access:
    options = storage_options(store)
    lake = Lake.open(uri, options, signer=keys.signing)
    identified = policy.zone is Zone.IDENTIFIED
    zone = "validated" if stage == "validate" else "deidentified"
    before = lake.binding(source_zone)
    if before is None:
        raise ConfigError("ZONE_EMPTY", f"the zone {source_zone} of this lake holds nothing; run the stage before it")
    wanted = binding(policy, keys, before.time_zone)
    check_binding(lake.binding(zone), zone, wanted)
    lake.check_feed(zone, source_zone)
    if not dry_run:
        lake.bind(zone, wanted)
    work = Work(
        format=format_,
        source="",
        source_options=options,
        lake=uri,
        lake_options=options,
        zone=zone,
        validate=stage == "validate",
        policy=None if identified else policy,
        keys=None if identified else keys.data,
        options=ReadOptions(),
        min_score=min_score,
    )
    return Access(policy, keys, lake, zone, work)
