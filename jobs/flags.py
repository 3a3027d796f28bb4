"""Flags that several commands share, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PipelineFile = Annotated[
    Path | None, typer.Argument(help="Pipeline file (YAML); flags are laid over it.", show_default=False)
]
Source = Annotated[str | None, typer.Option(help="Folder or s3:// prefix to read.", show_default=False)]
Lake = Annotated[str | None, typer.Option(help="Folder or s3:// prefix of the lake.", show_default=False)]
LakeArgument = Annotated[str, typer.Argument(help="Folder or s3:// prefix of the lake.")]
Policy = Annotated[str | None, typer.Option(help="Privacy policy: a shipped name or a file.", show_default=False)]
Format = Annotated[str | None, typer.Option("--format", help="Connector, for example hl7v2.", show_default=False)]
AllowIdentified = Annotated[
    bool | None, typer.Option("--allow-identified", help="Say that identified tables may be written.")
]
Cpus = Annotated[
    int | None, typer.Option(min=0, help="CPUs of the local Ray; 0: in this process, without Ray.", show_default="all")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Plan and say what would be done; write nothing.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
KeysFolder = Annotated[
    Path | None,
    typer.Option(
        "--keys", help="Folder of the key files (else CLINRAY_KEYS, else ~/.config/clinray).", show_default=False
    ),
]
NoCreateKeys = Annotated[
    bool | None, typer.Option("--no-create-keys", help="Refuse where keys are missing instead of making them.")
]
Endpoint = Annotated[
    str | None, typer.Option(help="S3 endpoint of source and lake (else AWS_ENDPOINT_URL).", show_default=False)
]
