"""Flags that several commands share, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace (else that of the pod or the kubeconfig).", show_default=False),
]
Release = Annotated[str, typer.Option("--release", help="Name that the jobs belong to.")]
ValuesFiles = Annotated[
    list[Path] | None,
    typer.Option("--values", "-f", help="File of the chart's values; may be given again.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A value of the chart: name=value; may be given again.", show_default=False),
]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds that a job may take in all.")]
Starting = Annotated[
    float | None, typer.Option(min=1, help="Seconds that it may take until it runs.", show_default="--timeout")
]
Job = Annotated[str, typer.Argument(help="Name of the RayJob.")]
Inside = Annotated[bool, typer.Option("--inside/--no-inside", help="Start a pod that looks from inside the cluster.")]
