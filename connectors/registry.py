"""Every format by name: name, extension or first bytes → connector, imported only when it is used."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Final

from connectors.contract import Connector
from connectors.errors import ConfigError

REGISTRY: Final = MappingProxyType({"hl7v2": "connectors.hl7v2:HL7v2"})
"""Name of a format → module and class of its connector."""


def connectors() -> tuple[str, ...]:
    """The names of all formats, in order."""
    return tuple(sorted(REGISTRY))


def connector(name: str) -> Connector:
    """The connector of a format. Raises ConfigError FORMAT_UNKNOWN for a name that is none."""
    if name not in REGISTRY:
        raise ConfigError(
            "FORMAT_UNKNOWN", f"there is no format of that name; choose one of: {', '.join(connectors())}"
        )
    module, _, kind = REGISTRY[name].partition(":")
    made: Connector = getattr(import_module(module), kind)()
    return made


def by_extension(key: str) -> tuple[str, ...]:
    """The formats whose objects may end like this key; a compressed object is looked at without its last extension."""
    lowered = key.lower()
    for compressed in (".gz", ".zst", ".bz2"):
        lowered = lowered.removesuffix(compressed)
    return tuple(name for name in connectors() if lowered.endswith(connector(name).extensions))


def sniff(head: bytes) -> tuple[str, ...]:
    """The formats that an object with these first bytes may be of; a few kilobytes are enough."""
    return tuple(name for name in connectors() if connector(name).sniff(head))
