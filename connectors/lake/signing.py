"""Ed25519 signatures (RFC 8032) over canonical JSON, and how a public key is named."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from connectors.errors import ConfigError
from connectors.lake.canonical import Json, canonical

ID_DIGITS = 32


def key_id(key: Ed25519PublicKey) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of the key's 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:ID_DIGITS]


def to_pem(key: Ed25519PublicKey) -> bytes:
    """The key as SubjectPublicKeyInfo in PEM (RFC 8410)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def from_pem(data: bytes) -> Ed25519PublicKey:
    """The key of a PEM file. Raises ConfigError (PUBLIC_KEY) if it is none of Ed25519."""
    try:
        key = load_pem_public_key(data)
    except ValueError:
        raise ConfigError(
            "PUBLIC_KEY", "a public key file is not PEM; give the file that the lake's signer made"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("PUBLIC_KEY", "a public key is not of Ed25519; give the file that the lake's signer made")
    return key


def sign(content: dict[str, Json], signer: Ed25519PrivateKey) -> bytes:
    """Canonical JSON of the content with `signed_by` and `signature` (base64) added.

    The signature is over the canonical JSON of everything but `signature` itself.
    """
    whole = {**content, "signed_by": key_id(signer.public_key())}
    return canonical({**whole, "signature": base64.b64encode(signer.sign(canonical(whole))).decode()})


def is_signed(content: dict[str, Json], key: Ed25519PublicKey) -> bool:
    """Whether `signature` is the key's, over everything else in the content."""
    signature = content.get("signature")
    try:
        if not isinstance(signature, str):
            return False
        unsigned = {name: value for name, value in content.items() if name != "signature"}
        key.verify(base64.b64decode(signature, validate=True), canonical(unsigned))
    except (InvalidSignature, binascii.Error, ValueError, TypeError):
        return False
    return True
