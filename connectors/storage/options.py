"""How a bucket is reached. Credentials are never held here: they come by boto3's chain when a store is first used."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import ConfigError
from connectors.storage.addresses import check_endpoint


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """How a bucket is reached. Holds no secret, so that it may be pickled and printed.

    endpoint: URL of an S3-compatible service; None: AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL, else AWS itself.
    region: None: AWS_REGION, else AWS_DEFAULT_REGION, else the profile's, else us-east-1.
    virtual_hosted: the bucket stands in the host name; False: in the path. None: in the host name for AWS itself, in
        the path for an endpoint that was named.
    anonymous: requests are not signed. profile: name of a profile of the AWS configuration files.
    max_retries: attempts after the first. retry_seconds: no attempt begins later than this after the first.
    request_seconds: a connection on which nothing arrives for so long is given up.
    """

    endpoint: str | None = None
    region: str | None = None
    virtual_hosted: bool | None = None
    anonymous: bool = False
    profile: str | None = None
    max_retries: int = 6
    retry_seconds: float = 60.0
    request_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.endpoint is not None:
            check_endpoint(self.endpoint)

    def endpoint_url(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """The endpoint that counts, or None for AWS itself. Raises ConfigError STORE_ENDPOINT for no web address."""
        named = self.endpoint or environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        if not named:
            return None
        check_endpoint(named)
        return named.rstrip("/")

    def region_name(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """The region by option or environment, or None where the profile decides."""
        return self.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")

    @staticmethod
    def ca_bundle(environment: Mapping[str, str] = os.environ) -> bytes | None:
        """The PEM certificates of the file that AWS_CA_BUNDLE names, trusted beside the system's.

        Raises ConfigError STORE_CA_BUNDLE where it cannot be read.
        """
        if not (path := environment.get("AWS_CA_BUNDLE")):
            return None
        try:
            return Path(path).read_bytes()
        except OSError:
            raise ConfigError("STORE_CA_BUNDLE", f"AWS_CA_BUNDLE names {path}, which cannot be read") from None

    @staticmethod
    def trust_ca_bundle(environment: MutableMapping[str, str] = os.environ) -> None:
        """Let SSL_CERT_FILE name the file of AWS_CA_BUNDLE, unless it names another one already.

        For Delta tables, whose store takes certificates by that variable alone and in place of the system's.
        """
        if path := environment.get("AWS_CA_BUNDLE"):
            environment.setdefault("SSL_CERT_FILE", path)

    @property
    def is_virtual_hosted(self) -> bool:
        """Whether the bucket stands in the host name."""
        return self.endpoint_url() is None if self.virtual_hosted is None else self.virtual_hosted
