"""Prefixes of S3 buckets. obstore moves the bytes; boto3 finds the credentials."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from obstore import exceptions as raised
from obstore.store import S3Store as Client

from connectors.contract import RawObject
from connectors.errors import AccessError, ClinrayError, ConfigError, ObjectChanged, TransientError
from connectors.storage.addresses import check_bucket, check_endpoint
from connectors.storage.credentials import Credentials
from connectors.storage.exact import ExactBucket, is_path
from connectors.storage.faults import backoff, s3_error, status_of
from connectors.storage.options import StorageOptions
from connectors.storage.store import BLOCK_BYTES, PAGE_OBJECTS, Content

if TYPE_CHECKING:
    from obstore import GetOptions

T = TypeVar("T")

_MARK = "clinray-put"

_REQUEST = timedelta(minutes=15)
"""The longest that one request may take, its body included. Large objects are read in several."""


@dataclass(frozen=True)
class S3Store:
    """A prefix of a bucket. The connection is made on first use, in the process that uses it."""

    bucket: str
    prefix: str
    options: StorageOptions
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def open(cls, uri: str, options: StorageOptions) -> S3Store:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        check_bucket(bucket)
        if endpoint := options.endpoint_url():
            check_endpoint(endpoint, virtual_hosted=options.is_virtual_hosted)
        return cls(bucket, prefix.strip("/"), options)

    def __reduce__(self) -> tuple[type[S3Store], tuple[str, str, StorageOptions]]:
        return type(self), (self.bucket, self.prefix, self.options)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @cached_property
    def credentials(self) -> Credentials:
        return Credentials(self.options)

    @property
    def client(self) -> Client:
        """The connection, one for all threads. Raises AccessError where no credentials are found."""
        with self._lock:
            return self._client

    @property
    def exact(self) -> ExactBucket:
        """The way for listing, and for keys that obstore cannot say."""
        with self._lock:
            return self._exact

    @cached_property
    def _exact(self) -> ExactBucket:
        return ExactBucket(self.bucket, self.options, self.credentials)

    @cached_property
    def _client(self) -> Client:
        o = self.options
        self.credentials.find()
        endpoint = o.endpoint_url()
        virtual = o.is_virtual_hosted
        config: dict[str, Any] = {"virtual_hosted_style_request": virtual, "region": self.credentials.region}
        if endpoint:
            config["endpoint"] = _hosted(endpoint, self.bucket) if virtual else endpoint
        if o.anonymous:
            config["skip_signature"] = True
        connection: dict[str, Any] = {
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "timeout": _REQUEST,
            "read_timeout": timedelta(seconds=o.request_seconds),
        }
        if certificates := o.ca_bundle():
            connection["root_certificate"] = certificates
        return Client(
            self.bucket,
            config=config,  # type: ignore[arg-type]
            client_options=connection,  # type: ignore[arg-type]
            retry_config={
                "max_retries": o.max_retries,
                "retry_timeout": timedelta(seconds=o.retry_seconds),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=10),
                    "base": 2,
                },
            },
            credential_provider=None if o.anonymous else self.credentials,
        )

    def unfinished(self, prefix: str = "") -> Iterator[list[RawObject]]:
        """Nothing: an object stands when it is whole, and uploads that broke off have no key."""
        return iter(())

    def list(self, prefix: str = "") -> Iterator[list[RawObject]]:
        """See Store.list. In the order of the service: by UTF-8 bytes for S3 itself."""
        below = "/".join(p for p in (self.prefix, prefix.strip("/")) if p)
        return self.exact.pages(f"{below}/" if below else "")

    def head(self, key: str) -> RawObject | None:
        path, uri = self._at(key)
        if not is_path(path):
            return self.exact.head(path)
        try:
            return self._raw(self.client.head(path))
        except FileNotFoundError:
            # The answer to HEAD has no body: it does not say which of the two is missing.
            if not self.exact.bucket_exists():
                raise AccessError("BUCKET_MISSING", f"the bucket of {uri} does not exist") from None
            return None
        except (raised.BaseError, OSError, ValueError) as error:
            raise s3_error(error, uri) from None

    def head_many(self, keys: Iterable[str], *, concurrency: int = 16) -> Iterator[RawObject | None]:
        with ThreadPoolExecutor(concurrency, "head") as threads:
            yield from threads.map(self.head, keys)

    def get(self, key: str, *, etag: str | None = None) -> bytes:
        path, uri = self._at(key)
        if not is_path(path):
            return self.exact.get(path, None, etag)
        return self._do(uri, lambda: self.client.get(path, options=_conditions(etag)).bytes().to_bytes())

    def get_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> bytes:
        return bytes(self._received(key, start, end, etag))

    def read_into(self, place: memoryview, key: str, start: int, *, etag: str | None = None) -> int:
        received = self._received(key, start, start + len(place), etag)
        place[: len(received)] = received
        return len(received)

    def _received(self, key: str, start: int, end: int, etag: str | None) -> memoryview:
        """The bytes of a range where they arrived."""
        path, uri = self._at(key)
        if end <= start:
            return memoryview(b"")
        if not is_path(path):
            return memoryview(self.exact.get(path, (start, end), etag))
        try:
            got = self.client.get(path, options={**_conditions(etag), "range": (start, end)})
            return memoryview(got.bytes())
        except (raised.BaseError, OSError, ValueError) as error:
            if status_of(error) == 416:
                return memoryview(b"")
            raise s3_error(error, uri) from None

    def stream(
        self, key: str, start: int = 0, *, etag: str | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[bytes]:
        """See Store.stream. One block is fetched ahead; each is a request of its own, with retries of its own."""
        found = self.head(key)
        if found is None:
            raise ObjectChanged("OBJECT_GONE", f"{self._at(key)[1]} is no longer there")
        version = etag or found.etag
        starts = range(start, found.size, block_bytes)
        with ThreadPoolExecutor(1, "stream") as thread:
            following: Future[bytes] | None = None
            for n, at in enumerate(starts):
                current = following or thread.submit(self.get_range, key, at, at + block_bytes, etag=version)
                block = current.result()
                if n + 1 < len(starts):
                    at = starts[n + 1]
                    following = thread.submit(self.get_range, key, at, at + block_bytes, etag=version)
                yield block
            if not starts and etag is not None and found.etag != etag:
                raise ObjectChanged("OBJECT_CHANGED", f"{found.uri} is another version than was listed")

    def get_many(self, objects: Iterable[tuple[str, str | None]], *, concurrency: int = 16) -> Iterator[bytes]:
        ahead: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(concurrency, "fetch") as threads:
            try:
                for key, etag in objects:
                    ahead.append(threads.submit(self.get, key, etag=etag))
                    if len(ahead) >= 2 * concurrency:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def put(self, key: str, data: Content) -> None:
        path, uri = self._named(key)
        whole = data if isinstance(data, bytes) else b"".join(data)
        self._do(uri, lambda: self.client.put(path, whole, mode="overwrite"))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See Store.put_if_absent. obstore does not repeat a conditional write, as one whose answer was lost may have
        been made; here the object's own mark tells whether it is of this call."""
        path, uri = self._named(key)
        mark = secrets.token_hex(8)
        for attempt in range(self.options.max_retries):
            try:
                return self._create(path, uri, data, mark)
            except TransientError:
                time.sleep(backoff(attempt))
        return self._create(path, uri, data, mark)

    def _create(self, path: str, uri: str, data: bytes, mark: str) -> bool:
        try:
            self.client.put(path, data, mode="create", use_multipart=False, attributes={_MARK: mark})
        except raised.AlreadyExistsError:
            return self._do(uri, lambda: self.client.get(path).attributes.get(_MARK)) == mark
        except (raised.BaseError, OSError, ValueError) as error:
            raise s3_error(error, uri) from None
        return True

    def delete(self, keys: Iterable[str]) -> None:
        paths = [self._named(key)[0] for key in keys]
        for n in range(0, len(paths), PAGE_OBJECTS):
            try:
                self._do(self.uri, lambda n=n: self.client.delete(paths[n : n + PAGE_OBJECTS]))  # type: ignore[misc]
            except ClinrayError as error:
                if error.code != "OBJECT_GONE":
                    raise

    def delta_options(self) -> dict[str, str]:
        """See Store.delta_options. Where AWS_CA_BUNDLE is set, the process trusts it for Delta tables from here on."""
        self.options.trust_ca_bundle()
        found = {**self.credentials.as_environment(), "AWS_REGION": self.credentials.region}
        virtual = self.options.is_virtual_hosted
        found["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] = str(virtual).lower()
        if endpoint := self.options.endpoint_url():
            found["AWS_ENDPOINT_URL"] = _hosted(endpoint, self.bucket) if virtual else endpoint
            found["AWS_ALLOW_HTTP"] = str(endpoint.startswith("http://")).lower()
        return found

    def _at(self, key: str) -> tuple[str, str]:
        """The key in the bucket, and the URI."""
        path = f"{self.prefix}/{key}" if self.prefix else key
        return path, f"s3://{self.bucket}/{path}"

    def _named(self, key: str) -> tuple[str, str]:
        """The same for a key that is written: it must be a path."""
        path, uri = self._at(key)
        if not is_path(path):
            raise ConfigError(
                "STORE_KEY", "a key that is written has an empty part, '.' or '..' as one, or a control character"
            )
        return path, uri

    def _raw(self, meta: Any) -> RawObject:
        modified = round(meta["last_modified"].timestamp() * 1_000_000)
        return RawObject(f"s3://{self.bucket}/{meta['path']}", meta["size"], modified, meta["e_tag"] or "")

    def _do(self, uri: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except (raised.BaseError, OSError, ValueError) as error:
            raise s3_error(error, uri) from None


def _hosted(endpoint: str, bucket: str) -> str:
    """The endpoint with the bucket in its host name."""
    scheme, _, host = endpoint.partition("://")
    return f"{scheme}://{bucket}.{host}"


def _conditions(etag: str | None) -> GetOptions:
    return {"if_match": etag} if etag else {}
