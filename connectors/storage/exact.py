"""Keys as they stand, through boto3.

obstore reads keys as paths: it cannot say "a//b", "/a", "a/./b", "a/" or a control character. So listing goes this way,
and the reading of such keys.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from connectors.contract import RawObject
from connectors.errors import ClinrayError
from connectors.storage.credentials import Credentials
from connectors.storage.faults import boto_error
from connectors.storage.options import StorageOptions

_NO_PATH = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)|[\x00-\x1f\x7f]")


def is_path(key: str) -> bool:
    """Whether obstore can say the key: no empty part, no "." or ".." as one, no control character."""
    return not _NO_PATH.search(key)


class ExactBucket:
    """Listing and reading of a bucket by exact keys."""

    def __init__(self, bucket: str, options: StorageOptions, credentials: Credentials) -> None:
        self._bucket = bucket
        self._client = _client(options, credentials)
        parse = partial(_parse_listing, f"s3://{bucket}/")
        self._client.meta.events.register("before-parse.s3.ListObjectsV2", parse)

    def pages(self, prefix: str) -> Iterator[list[RawObject]]:
        """Objects whose key begins with `prefix`, 1,000 at a time. A key that ends in "/" and holds nothing is the
        marker of a folder, and is passed over."""
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                if listed := page.get("Listed", []):
                    yield listed
        except (ClientError, BotoCoreError) as error:
            raise self._fault(error, prefix) from None

    def head(self, key: str) -> RawObject | None:
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise self._fault(error, key) from None
        modified = round(found["LastModified"].timestamp() * 1_000_000)
        return RawObject(f"s3://{self._bucket}/{key}", found["ContentLength"], modified, found["ETag"])

    def bucket_exists(self) -> bool:
        """Raises AccessError where the store refuses to say."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise self._fault(error, "") from None
        except BotoCoreError as error:
            raise self._fault(error, "") from None
        return True

    def get(self, key: str, span: tuple[int, int] | None, etag: str | None) -> bytes:
        conditions: dict[str, Any] = {"IfMatch": etag} if etag else {}
        if span is not None:
            conditions["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        try:
            data: bytes = self._client.get_object(Bucket=self._bucket, Key=key, **conditions)["Body"].read()
            return data
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 416:
                return b""
            raise self._fault(error, key) from None
        except BotoCoreError as error:
            raise self._fault(error, key) from None

    def _fault(self, error: ClientError | BotoCoreError, key: str) -> ClinrayError:
        return boto_error(error, f"s3://{self._bucket}/{key}")


def _client(options: StorageOptions, credentials: Credentials) -> Any:
    endpoint = options.endpoint_url()
    virtual = options.is_virtual_hosted
    return credentials.session.client(
        "s3",
        endpoint_url=endpoint,
        region_name=credentials.region,
        config=Config(
            s3={"addressing_style": "virtual" if virtual else "path"},
            retries={"mode": "standard", "total_max_attempts": options.max_retries + 1},
            read_timeout=options.request_seconds,
            **credentials.unsigned,
        ),
    )


def _parse_listing(
    start: str, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Reads a page's objects in a fraction of the time of boto3's own parser, and hands it the rest of the page."""
    if response_dict["status_code"] != 200:
        return
    head, *objects = response_dict["body"].split(b"<Contents>")
    if not objects:
        return
    tail = objects[-1].partition(b"</Contents>")[2]
    response_dict["body"] = head + tail
    encoded = b"<EncodingType>url</EncodingType>" in head + tail
    listed = (_listed(start, text, encoded) for text in objects)
    customized_response_dict["Listed"] = [o for o in listed if not (o.size == 0 and o.uri.endswith("/"))]


def _listed(start: str, text: bytes, encoded: bool) -> RawObject:
    key = _value(text, b"<Key>")
    modified = datetime.fromisoformat(_value(text, b"<LastModified>"))
    return RawObject(
        start + (unquote_plus(key) if encoded else key),
        int(_value(text, b"<Size>")),
        round(modified.timestamp() * 1_000_000),
        _value(text, b"<ETag>"),
    )


def _value(text: bytes, tag: bytes) -> str:
    """The text of an element that holds no other; empty if there is none."""
    start = text.find(tag) + len(tag)
    if start < len(tag):
        return ""
    value = text[start : text.find(b"<", start)].decode()
    return html.unescape(value) if "&" in value else value
