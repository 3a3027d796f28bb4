"""`clinray show`: one message for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs import flags
from jobs.console import AsJson, command, emit, say


@command
def show(
    uri: Annotated[str, typer.Argument(metavar="OBJECT", help="The object that holds the message.")],
    store: flags.StoreFlags,
    at: Annotated[int, typer.Option(min=0, help="Byte offset of the message, as quarantine and tables name it.")] = 0,
    length: Annotated[int | None, typer.Option(min=1, help="Bytes of the message; else to the next message.")] = None,
    allow_identified: flags.AllowIdentified = None,
    as_json: AsJson = False,
) -> int:
    """One message with its fields named, read from its source: identified data, so it wants --allow-identified.

    Example: clinray show s3://raw/hl7/000001.hl7 --at 3120 --allow-identified
    """
    from connectors.errors import ConfigError
    from connectors.hl7v2.show import show as render
    from jobs.one_message import message_at

    if not allow_identified:
        raise ConfigError(
            "IDENTIFIED_NOT_ALLOWED", "show prints a message as it was sent; say so with --allow-identified"
        )
    shown = render(message_at(uri, at, length, store.options()))
    emit({"object": uri, "offset": at, "lines": shown.splitlines()}) if as_json else say(shown)
    return 0
