"""What a bucket, an endpoint and a region may be called; on others the libraries below panic or leave a traceback."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from connectors.errors import AccessError, ConfigError

_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{3,255}")
"""S3's rule, with the capitals, underscores and length of buckets from before 2018. Aliases of access points follow it;
their ARNs, which obstore cannot ask for, do not."""

_REGION: Final = re.compile(r"(?![0-9]+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_URL: Final = re.compile(r"https?://[!$-;=@-\[\]_a-z~]+")
"""The visible ASCII characters of a URL without query and fragment, as the bucket stands behind it."""

_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
"""The last label of a name that is read as an IPv4 address."""


def check_bucket(name: str) -> None:
    """Raises ConfigError STORE_URI for what cannot be a bucket's name."""
    if not name:
        raise ConfigError("STORE_URI", "an s3:// URI names a bucket: s3://bucket/prefix")
    if not _BUCKET.fullmatch(name):
        raise ConfigError(
            "STORE_URI", "the bucket of an s3:// URI has 3 to 255 letters (a to z), digits, dots, hyphens, underscores"
        )


def check_endpoint(url: str, *, virtual_hosted: bool = False) -> None:
    """Raises ConfigError STORE_ENDPOINT for what is no web address, or none that a bucket can stand before."""
    if not url.startswith(("http://", "https://")):
        raise ConfigError("STORE_ENDPOINT", "the endpoint of a store begins with http:// or https://")
    try:
        sound, numbers = _URL.fullmatch(url), _is_address(urlsplit(url))
    except ValueError:
        sound, numbers = None, False
    if not sound:
        raise ConfigError(
            "STORE_ENDPOINT", "the endpoint of a store is no web address; write https://host or http://host:port"
        )
    if virtual_hosted and numbers:
        raise ConfigError(
            "STORE_ENDPOINT", "no bucket can stand before an endpoint that is an IP address; leave virtual_hosted out"
        )


def check_region(name: str) -> None:
    """Raises AccessError STORE_REGION for what cannot be a region's name."""
    if not _REGION.fullmatch(name):
        raise AccessError(
            "STORE_REGION", "the region of a store has letters (a to z), digits and hyphens, as us-east-1"
        )


def _is_address(parts: SplitResult) -> bool:
    """Whether the host is an IP address. Raises ValueError where it is no host, or its port no port."""
    host = (parts.hostname or "").removesuffix(".")
    if parts.port == 0:
        raise ValueError
    if "[" in parts.netloc:
        if "%" in host:
            raise ValueError
        IPv6Address(host)
        return True
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError
    if _NUMBER.fullmatch(labels[-1]):
        IPv4Address(host)
        return True
    return False
