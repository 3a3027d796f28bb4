"""What several rooms' tests share: an S3 of our own, the folder of real sample files, and files shut to this user."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from own_environment import OWN_ENVIRONMENT

from connectors.storage import StorageOptions


@dataclass(frozen=True)
class S3:
    """A fresh bucket of a server on loopback. AWS_ENDPOINT_URL names the server while a test runs."""

    endpoint: str
    bucket: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def options(self) -> StorageOptions:
        return StorageOptions(endpoint=self.endpoint)

    def client(self):
        return boto3.client("s3", endpoint_url=self.endpoint)

    def put(self, key: str, data: bytes) -> str:
        """Puts an object beside the code under test; its uri."""
        self.client().put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own credentials, and nothing of the AWS settings of whoever runs them."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in OWN_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3(s3_endpoint: str, aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> S3:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=s3_endpoint).create_bucket(Bucket=bucket)
    return S3(s3_endpoint, bucket)


@pytest.fixture
def corpus() -> Path:
    """The folder of real sample files that CLINRAY_CORPUS names."""
    folder = os.environ.get("CLINRAY_CORPUS")
    if not folder:
        pytest.skip("CLINRAY_CORPUS names no folder of sample files")
    return Path(folder)


@pytest.fixture
def shut() -> Iterator[Callable[[Path], Path]]:
    """Takes the right to read a file or folder; the path that is shut."""
    closed = []

    def close(place: Path) -> Path:
        closed.append(place)
        place.chmod(0)
        if os.access(place, os.R_OK):
            pytest.skip("this user may read every file")
        return place

    yield close
    for place in closed:
        place.chmod(0o700)
