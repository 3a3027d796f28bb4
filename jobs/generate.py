"""`clinray generate`: synthetic messages to try the pipeline with."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs import flags
from jobs.console import AsJson, command, emit, say

app = typer.Typer(help="Make synthetic data: no real person stands in it.", no_args_is_help=True)

EXAMPLES = """
Synthetic HL7 v2 messages of four kinds (ADT^A01, ORU^R01, RDE^O11, ADT^A03) of an invented hospital. The same seed
gives the same bytes.

Examples:

  clinray generate hl7v2 --messages 10000 --out ./messages

  clinray generate hl7v2 --messages 1000000 --per-object 100 --out s3://raw/hl7
"""


@app.callback()
def _group() -> None:
    """Make synthetic data: no real person stands in it."""


@command
def hl7v2(
    out: Annotated[str, typer.Option(help="Folder or s3:// prefix to write to.")],
    store: flags.StoreFlags,
    messages: Annotated[int, typer.Option(min=0, help="How many messages.")] = 10_000,
    per_object: Annotated[int, typer.Option(min=1, help="Messages of an object.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 1,
    malformed: Annotated[float, typer.Option(min=0, max=1, help="Share of messages that are broken on purpose.")] = 0.0,
    quiet: flags.Quiet = False,
    as_json: AsJson = False,
) -> int:
    from connectors.hl7v2.generate import write
    from jobs.progress import bar

    with bar(quiet or as_json) as progress:
        progress.total(-(-messages // per_object), "objects")
        objects = write(
            out,
            messages,
            messages_per_object=per_object,
            seed=seed,
            malformed=malformed,
            options=store.options(),
            progress=progress.advance,
        )
    if as_json:
        emit({"objects": objects, "messages": messages, "out": out})
    else:
        say(f"{messages:,} messages in {objects:,} objects at {out}")
    return 0


hl7v2.__doc__ = EXAMPLES
app.command("hl7v2")(hl7v2)
