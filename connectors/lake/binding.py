"""What a zone is bound to: rows under another policy, key or time zone would not mean the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from connectors.errors import ConfigError, LakeError
from connectors.lake.canonical import canonical
from connectors.lake.layout import FORMAT, binding_key
from connectors.storage import Store


@dataclass(frozen=True, slots=True)
class Binding:
    """policy: its name ("" where nothing is de-identified). policy_digest: of its text. key_id: of the data key.
    time_zone: IANA name for times that carry no offset."""

    policy: str
    policy_digest: str
    key_id: str
    time_zone: str

    def encoded(self, zone: str) -> bytes:
        """The binding as it stands in the lake: canonical JSON."""
        return canonical({"format": FORMAT, "zone": zone, **asdict(self)})


def bind(store: Store, zone: str, binding: Binding) -> str:
    """Bind the zone unless it is bound; the SHA-256 of the binding's file, which every entry of the zone carries.

    Raises ConfigError (ZONE_BOUND) if the zone is bound to another.
    """
    key, wanted = binding_key(zone), binding.encoded(zone)
    if store.head(key) is None:
        store.put_if_absent(key, wanted)
    if store.get(key) != wanted:
        raise ConfigError(
            "ZONE_BOUND",
            f"zone {zone} of this lake is bound to another policy, key or time zone; use another lake for this one",
        )
    return hashlib.sha256(wanted).hexdigest()


def bound(store: Store, zone: str) -> str | None:
    """The SHA-256 of the zone's binding, or None if it is not bound."""
    key = binding_key(zone)
    return hashlib.sha256(store.get(key)).hexdigest() if store.head(key) is not None else None


def read_binding(store: Store, zone: str) -> Binding | None:
    """What the zone is bound to, or None if it is not bound. Raises LakeError (BINDING_FORM) if its file is none."""
    key = binding_key(zone)
    if store.head(key) is None:
        return None
    try:
        content = json.loads(store.get(key))
        return Binding(*(str(content[name]) for name in ("policy", "policy_digest", "key_id", "time_zone")))
    except (ValueError, KeyError, TypeError):
        raise LakeError("BINDING_FORM", f"the binding of zone {zone} cannot be read; run clinray verify") from None
