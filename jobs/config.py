"""The pipeline file as one frozen model. The only place that reads Clinray's environment variables."""

from __future__ import annotations

import hashlib
import os
import sys
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import rfc8785
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from connectors.errors import ConfigError
from jobs.yaml_text import KeyTwice, load_yaml

MOST_BYTES = 1 << 40
"""A chunk or a bundle that is larger than any object."""

Stage = Literal["validate", "deidentify"]


class StoreSettings(BaseModel):
    """How a bucket is reached. Credentials are never here: they come by boto3's chain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = None
    region: str | None = None
    virtual_hosted: bool = False


class KeySettings(BaseModel):
    """Where the keys come from.

    folder: of the key files. kms_key: id of the KMS key that wraps the data key; kms_context: its encryption context.
    create: make what is missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None
    kms_key: str | None = None
    kms_context: Mapping[str, str] = Field(default_factory=dict)
    kms_endpoint: str | None = None
    create: bool = True


class Pipeline(BaseModel):
    """What a run does. Each field is a key of the pipeline file, and a flag of `clinray ingest` unless it is a mapping.

    Of the mappings, flags are: endpoint, region and virtual_hosted of both stores together, and folder and create of
    the keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="Folder or s3:// prefix that is read")
    format: str = Field(default="hl7v2", description="Connector that reads it")
    lake: str = Field(description="Folder or s3:// prefix of the lake")
    policy: str = Field(description="Privacy policy: a shipped name or a YAML file")
    allow_identified: bool = Field(default=False, description="Say that identified tables may be written")
    stages: tuple[Stage, ...] = Field(
        default=("validate", "deidentify"), description="Stages inside each bundle's task"
    )
    time_zone: str = Field(default="UTC", description="IANA zone of times that carry no offset")
    objects: str | None = Field(default=None, description="Inventory file that takes the place of listing")
    pattern: str | None = Field(default=None, description="Only objects whose name matches this glob")
    settle_seconds: float = Field(
        default=0, ge=0, allow_inf_nan=False, description="Leave younger objects for the next run"
    )
    bundle_bytes: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BYTES,
        description="Bytes of a bundle; else 16 MB at most, or a 64th of all up to 1 GB",
    )
    chunk_bytes: int = Field(
        default=16 << 20, ge=1 << 10, le=MOST_BYTES, description="Bytes that are parsed at once in a task"
    )
    commit_every: int = Field(default=1024, ge=1, description="Bundles of one commit")
    min_score: float | None = Field(default=None, ge=0, le=100, description="Quarantine records that score below it")
    max_quarantine: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Largest share of quarantined records; over it nothing is committed",
    )
    source_store: StoreSettings = StoreSettings()
    lake_store: StoreSettings = StoreSettings()
    keys: KeySettings = KeySettings()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no IANA time zone") from None
        return value

    @field_validator("source", "lake", "policy", "format", "objects", "pattern")
    @classmethod
    def _says_something(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("is empty")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _utf8(cls, value: object) -> object:
        """A command line and a folder may hold any bytes; log, tables and reports hold UTF-8."""
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("is not UTF-8") from None
        return value

    @model_validator(mode="after")
    def _lake_apart_from_source(self) -> Self:
        source, lake = _place(self.source), _place(self.lake)
        if source == lake:
            raise ValueError("source and lake are the same place")
        if source.startswith(lake):
            raise ValueError("the source lies in the lake, whose files are no messages")
        if lake.startswith(source) and self.pattern is None and self.objects is None:
            raise ValueError("the lake lies in the source, so that the next run would read it")
        return self

    def with_access(
        self,
        *,
        endpoint: str | None,
        keys: Path | None,
        create_keys: bool,
        region: str | None = None,
        virtual_hosted: bool | None = None,
    ) -> Self:
        """The same pipeline with the flags that say how stores and keys are reached."""
        given = {"endpoint": endpoint, "region": region, "virtual_hosted": virtual_hosted}
        store = {name: value for name, value in given.items() if value}
        key_changes = {"folder": keys} if keys else {}
        return self.model_copy(
            update={
                "source_store": self.source_store.model_copy(update=store),
                "lake_store": self.lake_store.model_copy(update=store),
                "keys": self.keys.model_copy(update={**key_changes, "create": self.keys.create and create_keys}),
            }
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the outcome: where the run's keys and stores lie does not."""
        settings = self.model_dump(
            mode="json", exclude={"keys", "source_store", "lake_store", "objects", "commit_every"}
        )
        return hashlib.sha256(rfc8785.dumps(settings)).hexdigest()


def _place(uri: str) -> str:
    """A folder or prefix as one text, whichever way it was written; those below it begin with the same."""
    path = uri.removeprefix("file://")
    whole = path if "://" in path else os.path.normpath(Path(path).absolute())
    return whole.rstrip("/") + "/"


def load_pipeline(file: Path | None, flags: Mapping[str, Any]) -> Pipeline:
    """The pipeline file with the flags that were given laid over it. Raises ConfigError."""
    settings: dict[str, Any] = {}
    if file is not None:
        settings = read_mapping(file, "pipeline", unreadable="PIPELINE_UNREADABLE", invalid="PIPELINE_INVALID")
    settings.update({k: v for k, v in flags.items() if v is not None})
    try:
        return Pipeline.model_validate(settings)
    except ValidationError as error:
        raise ConfigError("PIPELINE_INVALID", _sentence(error)) from None


def read_mapping(file: Path, what: str, *, unreadable: str, invalid: str) -> dict[str, Any]:
    """The mapping that a YAML file holds. what: its kind, for the sentence. Raises ConfigError by these codes."""
    try:
        found = load_yaml(file.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(unreadable, f"the {what} file {file} cannot be read") from None
    except KeyTwice as error:
        raise ConfigError(invalid, f"the {what} file {file} names a key twice, in line {error.line}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError(invalid, f"the {what} file {file} is not YAML") from None
    if not isinstance(found, dict):
        raise ConfigError(invalid, f"the {what} file {file} is not a mapping")
    return found


def _sentence(error: ValidationError) -> str:
    """The faults of a pipeline, without the values that were given."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in fault["loc"])
        known = fault["type"] == "extra_forbidden"
        message = "is no setting of a pipeline" if known else fault["msg"].removeprefix("Value error, ")
        faults.append(f"{name or 'pipeline'}: {message}")
    return "; ".join(faults)


def keys_folder(settings: KeySettings, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of key files: the setting, else CLINRAY_KEYS, else the user's configuration folder."""
    if settings.folder is not None:
        return settings.folder
    if chosen := environment.get("CLINRAY_KEYS"):
        return Path(chosen)
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".config")
    return Path(home) / "clinray"


def ray_address(environment: Mapping[str, str] = os.environ) -> str | None:
    """The Ray cluster that this process belongs to, or None for a local one."""
    return environment.get("RAY_ADDRESS")


def has_ray() -> bool:
    """Whether there is a Ray for this process: one that it was told of, or that was begun in it."""
    # Importing Ray takes a second, and where nobody did, none was begun.
    ray = sys.modules.get("ray")
    return ray_address() is not None or (ray is not None and ray.is_initialized())


def image_digest(environment: Mapping[str, str] = os.environ) -> str:
    """The digest of the container image the process runs in, as the deployment says it; empty elsewhere."""
    return environment.get("CLINRAY_IMAGE_DIGEST", "")
