"""`clinray keys`: the data key and the signing key."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from jobs import flags
from jobs.console import AsJson, command, emit, say

app = typer.Typer(help="Make keys, show their public sides, wrap the data key by a key service.", no_args_is_help=True)


@app.command("init")
@command
def init(
    keys: flags.KeysFolder = None,
    kms_key: Annotated[str | None, typer.Option(help="KMS key that wraps the data key (id, ARN or alias).")] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="Encryption context, name=value; may be given again.", show_default=False)
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Endpoint of the key service.")] = None,
    as_json: AsJson = False,
) -> int:
    """Make the keys of a folder where they are missing; an existing key is never touched.

    Examples:

      clinray keys init

      clinray keys init --kms-key alias/clinray --context dataset=stroke-2026
    """
    from connectors.errors import ConfigError
    from jobs.config import KeySettings, keys_folder
    from jobs.privacy import keys as files
    from jobs.privacy import kms

    if context and kms_key is None:
        raise ConfigError("KMS_CONTEXT", "an encryption context goes with the key that wraps: give --kms-key")
    folder = keys_folder(KeySettings(folder=keys))
    wrap = partial(kms.generate, kms_key, _context(context), endpoint=endpoint or "") if kms_key is not None else None
    made = files.initialise(folder, wrap).created
    if as_json:
        emit({"folder": str(folder), "created": [str(path) for path in made]})
        return 0
    for path in made:
        say(f"made {path}")
    say("keep a copy of the folder where only you can read it" if made else f"the keys of {folder} were there already")
    return 0


@app.command("show")
@command
def show(keys: flags.KeysFolder = None, as_json: AsJson = False) -> int:
    """The public side of the keys: the data key's fingerprint and the public key that verifies the log.

    Example: clinray keys show --keys /secure/keys
    """
    from jobs.config import KeySettings, keys_folder
    from jobs.privacy import keys as files

    folder = keys_folder(KeySettings(folder=keys))
    ring = files.load(files.reference(folder / files.DATA_KEY))
    facts = {
        "folder": str(folder),
        "key_id": ring.key_id,
        "epoch": ring.epoch,
        "public_key": str(folder / files.PUBLIC_KEY),
    }
    if as_json:
        emit(facts)
        return 0
    for name, value in facts.items():
        say(f"{name:11} {value}")
    return 0


@app.command("rewrap")
@command
def rewrap(
    kms_key: Annotated[str | None, typer.Option(help="Another KMS key to wrap by; else the same one's newest.")] = None,
    keys: flags.KeysFolder = None,
    as_json: AsJson = False,
) -> int:
    """Wrap the data key anew after its KMS key was rotated. No token changes.

    Examples:

      clinray keys rewrap

      clinray keys rewrap --kms-key alias/clinray-2027
    """
    from jobs.config import KeySettings, keys_folder
    from jobs.privacy import keys as files
    from jobs.privacy import kms

    path = keys_folder(KeySettings(folder=keys)) / files.DATA_KEY
    wrapped = files.reference(path).wrapped
    if wrapped is None:
        from connectors.errors import ConfigError

        raise ConfigError("KEY_NOT_WRAPPED", f"the data key {path} is not wrapped by a key service")
    files.replace_wrapped(path, kms.rewrap(wrapped, kms_key or wrapped.kms_key_id))
    emit({"rewrapped": str(path)}) if as_json else say(f"wrapped {path} anew")
    return 0


def _context(pairs: list[str] | None) -> dict[str, str]:
    from connectors.errors import ConfigError

    context = {}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not (name and sign and value):
            raise ConfigError("KMS_CONTEXT", "an encryption context is given as name=value")
        context[name] = value
    return context
