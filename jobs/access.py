"""A pipeline's policy, keys, stores and lake, opened and checked before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.contract import ReadOptions
from connectors.errors import AccessError, ConfigError
from connectors.lake import Binding, DoneIndex, Lake
from connectors.lake.binding import read_binding
from connectors.lake.feed import SOURCE
from connectors.lake.lake import lake_identity
from connectors.lake.log import START
from connectors.registry import connector
from connectors.storage import StorageOptions, open_store
from connectors.storage.probe import probe
from jobs.config import KeySettings, Pipeline, StoreSettings, keys_folder
from jobs.privacy import keys as key_files
from jobs.privacy import kms
from jobs.privacy import policy as policies
from jobs.privacy.keys import KeyReference
from jobs.privacy.policy import Policy, Zone
from jobs.work import Work


@dataclass(frozen=True)
class Keys:
    """created: files that were made just now, for the person to be told of. run_secret: goes into the identity of a
    run, which stands in the open, so that it confirms no guess about the inputs."""

    data: KeyReference
    key_id: str
    signing: Ed25519PrivateKey
    created: tuple[Path, ...]
    run_secret: str = field(repr=False)


@dataclass(frozen=True)
class Access:
    """Everything a run holds open. zone: where it writes."""

    policy: Policy
    keys: Keys
    lake: Lake
    zone: str
    work: Work


@dataclass(frozen=True)
class About:
    """What a report says of where a run writes. head: number and hash of the log's last entry. key_id: empty where
    there is no key yet."""

    lake: str
    head: tuple[int, str]
    zone: str
    policy: str
    key_id: str
    keys_created: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What a dry run sees of a lake."""

    about: About
    done: DoneIndex


def about(access: Access) -> About:
    """What the report of a run says of its lake, as it is now."""
    lake, keys = access.lake, access.keys
    return About(lake.uri, lake.head(), access.zone, access.policy.name, keys.key_id, keys.created)


def look(pipeline: Pipeline, policy: Policy) -> Seen:
    """The lake as an ingest would find it; nothing is made. Raises ConfigError where the ingest would."""
    options = storage_options(pipeline.lake_store)
    data = keys_folder(pipeline.keys) / key_files.DATA_KEY
    if not (data.exists() or pipeline.keys.create):
        raise AccessError("KEYS_MISSING", f"there are no keys in {data.parent}; make them with: clinray keys init")
    key_id = key_files.load(key_files.reference(data)).key_id if data.exists() else ""
    zone = policy.zone.value
    store = open_store(pipeline.lake, options)
    if lake_identity(store) is None:
        return Seen(About(store.uri, (0, START), zone, policy.name, key_id), DoneIndex.of(()))
    lake = Lake.open(pipeline.lake, options)
    lake.check_head()
    wanted = Binding(policy.name, policy.digest, _bound_key(policy, key_id), pipeline.time_zone)
    check_binding(lake.binding(zone), zone, wanted)
    lake.check_feed(zone, SOURCE)
    lake.check_tables()
    return Seen(About(lake.uri, lake.head(), zone, policy.name, key_id), lake.done(zone))


def begun(pipeline: Pipeline) -> bool:
    """Whether the pipeline's lake exists. Raises ConfigError, AccessError."""
    return lake_identity(open_store(pipeline.lake, storage_options(pipeline.lake_store))) is not None


def check_binding(found: Binding | None, zone: str, wanted: Binding) -> None:
    """Raises ConfigError (ZONE_BOUND) if the zone is bound to another; binds nothing."""
    if found is not None and found != wanted:
        raise ConfigError(
            "ZONE_BOUND",
            f"zone {zone} of this lake is bound to another policy, key or time zone; use another lake for this one",
        )


def open_keys(pipeline: Pipeline) -> Keys:
    """The keys of the pipeline's folder, made on the first use unless that is refused. Raises AccessError."""
    folder = keys_folder(pipeline.keys)
    data, signing = folder / key_files.DATA_KEY, folder / key_files.SIGNING_KEY
    created: tuple[Path, ...] = ()
    if not (data.exists() and signing.exists()):
        if not pipeline.keys.create:
            raise AccessError("KEYS_MISSING", f"there are no keys in {folder}; make them with: clinray keys init")
        created = key_files.initialise(folder, _wrap(pipeline.keys)).created
    reference = key_files.reference(data)
    if pipeline.keys.kms_key is not None and reference.wrapped is None:
        raise ConfigError("KEY_NOT_WRAPPED", f"the data key {data} is not wrapped by the key service that is set")
    ring = key_files.load(reference)
    return Keys(reference, ring.key_id, key_files.signing_key(signing), created, ring.subkey("name", "run", 32).hex())


def _wrap(settings: KeySettings) -> Callable[[], kms.WrappedKey] | None:
    """What makes a data key wrapped by the key service, where one is set."""
    if settings.kms_key is None:
        return None
    return partial(kms.generate, settings.kms_key, settings.kms_context, endpoint=settings.kms_endpoint or "")


def storage_options(settings: StoreSettings) -> StorageOptions:
    return StorageOptions(
        endpoint=settings.endpoint,
        region=settings.region,
        virtual_hosted=settings.virtual_hosted or None,
    )


def check_policy(pipeline: Pipeline) -> Policy:
    """The policy, if the pipeline may use it. Raises ConfigError."""
    policy = policies.load(pipeline.policy)
    if policy.zone is Zone.IDENTIFIED and not pipeline.allow_identified:
        raise ConfigError(
            "IDENTIFIED_NOT_ALLOWED",
            f"the policy {policy.name} writes identified tables; say so with --allow-identified",
        )
    if policy.zone is not Zone.IDENTIFIED and "deidentify" not in pipeline.stages:
        raise ConfigError("STAGE_MISSING", f"the policy {policy.name} wants the stage deidentify among the stages")
    return policy


def open_access(pipeline: Pipeline, policy: Policy) -> Access:
    """Keys, lake and binding of an ingest under a policy that it may use. Raises ConfigError and AccessError; then
    nothing was written."""
    connector(pipeline.format)
    keys = _keys_of_zone(pipeline, policy)
    identified = policy.zone is Zone.IDENTIFIED
    options = storage_options(pipeline.lake_store)
    lake = Lake.create_or_open(pipeline.lake, options, signer=keys.signing, probed=bool(keys.created))
    lake.check_feed(policy.zone.value, SOURCE)
    lake.bind(policy.zone.value, binding(policy, keys, pipeline.time_zone))
    work = Work(
        format=pipeline.format,
        source=pipeline.source,
        source_options=storage_options(pipeline.source_store),
        lake=pipeline.lake,
        lake_options=storage_options(pipeline.lake_store),
        zone=policy.zone.value,
        validate="validate" in pipeline.stages,
        policy=None if identified else policy,
        keys=None if identified else keys.data,
        options=ReadOptions(
            time_zone=pipeline.time_zone,
            chunk_bytes=pipeline.chunk_bytes,
            tables=frozenset(released_tables(pipeline.format, policy)),
        ),
        min_score=pipeline.min_score,
    )
    return Access(policy, keys, lake, policy.zone.value, work)


def _keys_of_zone(pipeline: Pipeline, policy: Policy) -> Keys:
    """The keys, after everything that the lake refuses: what refuses leaves neither a key file nor a file in the lake.
    Where keys were made, a new lake's store has been probed.

    Raises ConfigError and AccessError.
    """
    store, zone = open_store(pipeline.lake, storage_options(pipeline.lake_store)), policy.zone.value
    identity = lake_identity(store)
    bound = read_binding(store, zone)
    folder = keys_folder(pipeline.keys)
    if pipeline.keys.create and not (folder / key_files.DATA_KEY).exists():
        # A key that is made now is none that the zone is bound to.
        check_binding(bound, zone, Binding(policy.name, policy.digest, "", pipeline.time_zone))
    missing = not all((folder / name).exists() for name in (key_files.DATA_KEY, key_files.SIGNING_KEY))
    if pipeline.keys.create and missing:
        key_files.check(folder)
        if identity is None:
            probe(store)
        else:
            lake = Lake.open(pipeline.lake, storage_options(pipeline.lake_store))
            lake.check_head()
            lake.check_feed(zone, SOURCE)
    keys = open_keys(pipeline)
    check_binding(bound, zone, binding(policy, keys, pipeline.time_zone))
    return keys


def binding(policy: Policy, keys: Keys, time_zone: str) -> Binding:
    """What a zone is bound to. Identified zones hold no pseudonym, so no key binds them."""
    return Binding(policy.name, policy.digest, _bound_key(policy, keys.key_id), time_zone)


def _bound_key(policy: Policy, key_id: str) -> str:
    return "" if policy.zone is Zone.IDENTIFIED else key_id


def released_tables(format_: str, policy: Policy) -> list[str]:
    """The tables that the policy's zone gets."""
    specs = connector(format_).tables
    return sorted(n for n, spec in specs.items() if policy.zone is Zone.IDENTIFIED or not spec.identified_only)


def signing_key_of(folder: Path | None) -> Ed25519PrivateKey:
    """The signing key of the keys folder. Raises AccessError where there is none."""
    return key_files.signing_key(keys_folder(KeySettings(folder=folder)) / key_files.SIGNING_KEY)
