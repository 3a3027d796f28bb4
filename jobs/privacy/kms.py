"""The data key wrapped by AWS KMS: only the key service can open it, and only with the same encryption context."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from connectors.errors import AccessError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_KEY_BYTES = 64


class WrappedKey(BaseModel):
    """A data key under a KMS key; holds no secret and pickles.

    ciphertext: base64 of KMS's blob. kms_key_id: id, ARN or alias of the KMS key. context: the encryption context,
    which KMS demands again and writes to its own log. region, endpoint: of the service; empty: boto3's chain.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ciphertext: str
    kms_key_id: str
    context: dict[str, str]
    region: str = ""
    endpoint: str = ""


def generate(kms_key_id: str, context: Mapping[str, str], region: str = "", endpoint: str = "") -> WrappedKey:
    """A new data key, made by KMS and returned wrapped alone. Raises AccessError where KMS refuses."""
    if not context:
        raise ConfigError("KMS_CONTEXT", "a data key wants an encryption context; name the dataset in it")
    with_context = dict(sorted(context.items()))
    wrapped = WrappedKey(ciphertext="", kms_key_id=kms_key_id, context=with_context, region=region, endpoint=endpoint)
    try:
        made = _client(wrapped).generate_data_key_without_plaintext(
            KeyId=kms_key_id, EncryptionContext=with_context, NumberOfBytes=DATA_KEY_BYTES
        )
    except (ClientError, BotoCoreError) as error:
        raise _refused(error) from None
    return _holding(wrapped, made["CiphertextBlob"])


def unwrap(wrapped: WrappedKey) -> bytes:
    """The data key. Raises AccessError where KMS refuses: another context, no permission, not reachable."""
    try:
        opened = _client(wrapped).decrypt(
            CiphertextBlob=_blob(wrapped), KeyId=wrapped.kms_key_id, EncryptionContext=wrapped.context
        )
    except (ClientError, BotoCoreError) as error:
        raise _refused(error) from None
    return bytes(opened["Plaintext"])


def rewrap(wrapped: WrappedKey, kms_key_id: str = "") -> WrappedKey:
    """The same data key under the KMS key's newest material, or under another KMS key, with the same context.

    The data key itself never leaves KMS, so no token changes.
    """
    to = kms_key_id or wrapped.kms_key_id
    try:
        made = _client(wrapped).re_encrypt(
            CiphertextBlob=_blob(wrapped),
            SourceKeyId=wrapped.kms_key_id,
            SourceEncryptionContext=wrapped.context,
            DestinationKeyId=to,
            DestinationEncryptionContext=wrapped.context,
        )
    except (ClientError, BotoCoreError) as error:
        raise _refused(error) from None
    return _holding(wrapped.model_copy(update={"kms_key_id": to}), made["CiphertextBlob"])


def _client(wrapped: WrappedKey) -> Any:
    # Imported by whose key is wrapped alone: it is a fifth of the time in which a command begins.
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = {"config": Config(retries={"mode": "standard", "max_attempts": 5})}
    if wrapped.region:
        options["region_name"] = wrapped.region
    if wrapped.endpoint:
        options["endpoint_url"] = wrapped.endpoint
    return boto3.client("kms", **options)


def _holding(wrapped: WrappedKey, blob: bytes) -> WrappedKey:
    return wrapped.model_copy(update={"ciphertext": base64.b64encode(blob).decode()})


def _blob(wrapped: WrappedKey) -> bytes:
    try:
        return base64.b64decode(wrapped.ciphertext, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("KEY_DAMAGED", "the wrapped data key is damaged; restore it from its backup") from None


def _refused(error: ClientError | BotoCoreError) -> AccessError:
    """The service's code alone: its sentence may repeat what it was sent."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return AccessError("KMS_REFUSED", f"the key service answered {code}; check key, encryption context and permission")
