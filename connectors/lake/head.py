"""The last entry of the log as a writer finds it: what is built on it says that it was right."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.errors import ConfigError, LakeError, ObjectChanged
from connectors.lake.layout import public_key_key
from connectors.lake.log import Entry
from connectors.lake.signing import from_pem, is_signed, key_id
from connectors.storage import Store


def public_key_of(store: Store, signer: str) -> Ed25519PublicKey | None:
    """The public key of this id that stands in the lake; None where there is none, or it is not what its name says."""
    if not signer.isalnum() or store.head(public_key_key(signer)) is None:
        return None
    return _named(store.get(public_key_key(signer)), signer)


def _named(data: bytes, signer: str) -> Ed25519PublicKey | None:
    """The key of a PEM file; None where it is none, or not that of the id."""
    try:
        key = from_pem(data)
    except ConfigError:
        return None
    return key if key_id(key) == signer else None


def check_own(store: Store, own: Ed25519PublicKey) -> None:
    """Raises LakeError (SIGNER_KEY_MISSING) if the file of the writer's own key is not what its name says. One that is
    gone is put back by the next commit."""
    signer = key_id(own)
    try:
        data = store.get(public_key_key(signer))
    except ObjectChanged:
        return
    if _named(data, signer) is None:
        raise LakeError(
            "SIGNER_KEY_MISSING", f"{public_key_key(signer)} is not the key that its name says; run clinray verify"
        )


def check_head(store: Store, entry: Entry, lake: str, own: Ed25519PublicKey | None = None) -> None:
    """Raises LakeError (ENTRY_LAKE, SIGNER_KEY_MISSING, SIGNATURE) unless the entry is of the lake of this identity and
    signed. As each entry holds the hash of the one before, this stands for all before it.

    own: the writer's key, which need not be looked for in the lake.
    """
    number, signer = entry.number, str(entry.content.get("signed_by"))
    if entry.content.get("lake") != lake:
        raise LakeError("ENTRY_LAKE", f"entry {number}, the last one, is of another lake; run clinray verify")
    key = own if own is not None and key_id(own) == signer else public_key_of(store, signer)
    if key is None:
        raise LakeError(
            "SIGNER_KEY_MISSING",
            f"the public key of entry {number}, the last one, is not in the lake; run clinray verify",
        )
    if not is_signed(dict(entry.content), key):
        raise LakeError("SIGNATURE", f"the signature of entry {number}, the last one, is wrong; run clinray verify")
