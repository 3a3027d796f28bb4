"""The flags of the commands, each described once, and the groups of them that commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.console import AsJson, LogFormat, set_up_logs

if TYPE_CHECKING:
    from connectors.storage import StorageOptions
    from jobs.config import Pipeline, StoreSettings


def given_path(text: str) -> Path:
    """A path as it was given. An empty one, as of a variable that is not set, would be the working folder."""
    if not text.strip():
        raise typer.BadParameter("the path is empty")
    return Path(text)


LakeArgument = Annotated[str, typer.Argument(help="Folder or s3:// prefix of the lake.")]
AllowIdentified = Annotated[
    bool | None, typer.Option("--allow-identified", help="Say that identified tables may be written.")
]
Cpus = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="CPUs of the local Ray; 0: in this process, without Ray.",
        show_default="all; 0 for a small run",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Plan and say what would be done; write nothing.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
KeysFolder = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        help="Folder of the key files (else CLINRAY_KEYS, else ~/.config/clinray).",
        show_default=False,
        parser=given_path,
        metavar="PATH",
    ),
]
NoCreateKeys = Annotated[
    bool | None, typer.Option("--no-create-keys", help="Refuse where keys are missing instead of making them.")
]
MinScore = Annotated[float | None, typer.Option(help="Quarantine records that score below it (0 to 100).")]
FormatOfStage = Annotated[str, typer.Option("--format", help="Connector, for example hl7v2.")]


@dataclass(frozen=True)
class StoreFlags:
    """How the buckets of source and lake are reached."""

    endpoint: Annotated[
        str | None, typer.Option(help="S3 endpoint of source and lake (else AWS_ENDPOINT_URL).", show_default=False)
    ] = None
    region: Annotated[
        str | None,
        typer.Option(help="Region of the buckets (else AWS_REGION, then the profile).", show_default=False),
    ] = None
    virtual_hosted: Annotated[
        bool | None,
        typer.Option("--virtual-hosted", help="The bucket stands in the endpoint's host name.", show_default=False),
    ] = None

    def settings(self) -> StoreSettings:
        from jobs.config import StoreSettings

        return StoreSettings(endpoint=self.endpoint, region=self.region, virtual_hosted=bool(self.virtual_hosted))

    def options(self) -> StorageOptions:
        from jobs.access import storage_options

        return storage_options(self.settings())


@dataclass(frozen=True)
class RunFlags:
    """How a run works and what it says."""

    cpus: Cpus = None
    dry_run: DryRun = False
    quiet: Quiet = False
    as_json: AsJson = False
    log_format: LogFormat = "console"

    def report(self, work: Callable[..., Mapping[str, Any]]) -> int:
        """Runs work(cpus=, dry_run=, progress=), prints its report, and returns the exit code."""
        from jobs.console import done, emit, note
        from jobs.progress import bar
        from jobs.reports import print_run

        set_up_logs(self.log_format)
        with bar(self.quiet or self.as_json) as progress:
            report = work(cpus=self.cpus, dry_run=self.dry_run, progress=progress)
        code = done(report)
        note(
            "ended", run_id=report["run_id"], entries=report["entries"], seconds=report["seconds"], exit_code=int(code)
        )
        emit(report) if self.as_json else print_run(report)
        return code


@dataclass(frozen=True)
class PipelineFlags:
    """The pipeline: a file, and the flags that are laid over it. Each is named as its key of the file."""

    pipeline: Annotated[
        Path | None,
        typer.Argument(help="Pipeline file (YAML); flags are laid over it.", show_default=False, parser=given_path),
    ] = None
    source: Annotated[str | None, typer.Option(help="Folder or s3:// prefix to read.", show_default=False)] = None
    lake: Annotated[str | None, typer.Option(help="Folder or s3:// prefix of the lake.", show_default=False)] = None
    policy: Annotated[
        str | None, typer.Option(help="Privacy policy: a shipped name or a file.", show_default=False)
    ] = None
    format: Annotated[str | None, typer.Option(help="Connector, for example hl7v2.", show_default=False)] = None
    allow_identified: AllowIdentified = None
    stages: Annotated[
        str | None,
        typer.Option(help="Stages inside the run, by comma: validate,deidentify or none.", show_default=False),
    ] = None
    time_zone: Annotated[str | None, typer.Option(help="IANA zone of times without an offset.", show_default="UTC")] = (
        None
    )
    objects: Annotated[
        str | None, typer.Option(help="Inventory (text, CSV, Parquet) in place of listing.", show_default=False)
    ] = None
    pattern: Annotated[str | None, typer.Option(help="Only objects whose name matches this glob.")] = None
    settle_seconds: Annotated[
        float | None,
        typer.Option("--settle", help="Leave objects younger than so many seconds for the next run.", show_default="0"),
    ] = None
    bundle_bytes: Annotated[
        int | None, typer.Option(help="Bytes of a bundle.", show_default="16 MB at most, or a 64th of all up to 1 GB")
    ] = None
    chunk_bytes: Annotated[
        int | None, typer.Option(help="Bytes that are parsed at once in a task.", show_default="16 MB")
    ] = None
    commit_every: Annotated[int | None, typer.Option(help="Bundles of one commit.", show_default="1024")] = None
    min_score: MinScore = None
    max_quarantine: Annotated[
        float | None, typer.Option(help="Commit nothing if a larger share (0 to 1) of the records is quarantined.")
    ] = None

    def load(self, store: StoreFlags, keys: Path | None, *, create_keys: bool) -> Pipeline:
        """The pipeline file with the flags laid over it. Raises ConfigError."""
        from jobs.config import load_pipeline

        given: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "pipeline"}
        if self.stages is not None:
            given["stages"] = tuple(name.strip() for name in self.stages.split(",") if name.strip() not in ("", "none"))
        return load_pipeline(self.pipeline, given).with_access(
            endpoint=store.endpoint,
            region=store.region,
            virtual_hosted=store.virtual_hosted,
            keys=keys,
            create_keys=create_keys,
        )
