"""A namespace of a real cluster with an S3 in it, the messages in the S3, and the lake that they make here."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import running
from released import BUNDLE_BYTES, IMAGE, ROOT, Namespace, run

from connectors.hl7v2.generate import write
from jobs.privacy.keys import initialise

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-cluster-tests-0123456789",
}

MESSAGES, LARGE = 10_000, 40_000


@dataclass(frozen=True)
class Store:
    """The S3 of the namespace, reached from here. messages: generated ones and the corpus. large: generated ones that
    take a run long enough to be disturbed."""

    bucket: str = "research"
    messages: str = "s3://raw/hl7/"
    large: str = "s3://raw/large/"

    def client(self):
        return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])

    def lake(self, name: str) -> str:
        return f"s3://{self.bucket}/{name}"

    def parts_written(self, lake: str) -> int:
        """Parts that lie in a lake, committed or not."""
        prefix = lake.removeprefix(f"s3://{self.bucket}/") + "/"
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return sum(found["Key"].endswith(".parquet") for page in pages for found in page.get("Contents", []))


@pytest.fixture(scope="session")
def namespace() -> Iterator[Namespace]:
    if shutil.which("kubectl") is None or shutil.which("helm") is None:
        pytest.skip("kubectl and helm are not on the PATH")
    if run("kubectl", "get", "crd", "rayjobs.ray.io", check=False).returncode:
        pytest.skip("KUBECONFIG leads to no cluster with KubeRay")
    made = Namespace(f"clinray-{uuid.uuid4().hex[:8]}")
    run("kubectl", "create", "namespace", made.name)
    try:
        restricted = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn", "audit")]
        run("kubectl", "label", "namespace", made.name, *restricted)
        yield made
    finally:
        run("kubectl", "delete", "namespace", made.name, "--wait=false")


@pytest.fixture(scope="session")
def keys(namespace: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key files of the Secret that releases are given."""
    folder = tmp_path_factory.mktemp("keys")
    initialise(folder)
    namespace.kubectl("create", "secret", "generic", "clinray-keys", f"--from-file={folder}")
    return folder


@pytest.fixture(scope="session")
def store(namespace: Namespace) -> Iterator[Store]:
    manifest = (ROOT / "k8s/kind/s3.yaml").read_text(encoding="utf-8").replace("localhost/clinray:dev", IMAGE)
    namespace.kubectl("apply", "-f", "-", stdin=manifest)
    literals = [f"--from-literal={name}={value}" for name, value in CREDENTIALS.items()]
    namespace.kubectl("create", "secret", "generic", "clinray-s3", *literals)
    namespace.kubectl("rollout", "status", "deployment/s3", "--timeout=180s")
    with namespace.forwarded("svc/s3", 5000) as endpoint, pytest.MonkeyPatch.context() as environment:
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint}.items():
            environment.setenv(name, value)
        made = Store()
        for bucket in ("raw", made.bucket):
            made.client().create_bucket(Bucket=bucket)
        write(made.messages + "generated", MESSAGES, messages_per_object=100, seed=1)
        write(made.large, LARGE, messages_per_object=100, seed=2)
        _put_corpus(made)
        yield made


def _put_corpus(store: Store) -> None:
    """The sample messages that CLINRAY_CORPUS names beside the generated ones; none where it names no folder."""
    corpus = Path(os.environ.get("CLINRAY_CORPUS", "/nowhere")) / "hl7v2"
    for path in sorted(path for path in corpus.rglob("*") if path.suffix.lower() in (".hl7", ".txt")):
        store.client().put_object(Bucket="raw", Key=f"hl7/corpus/{path.relative_to(corpus)}", Body=path.read_bytes())


@pytest.fixture(scope="session")
def expected(store: Store, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Source → a lake that was made of it here, with the same keys and without Ray."""
    lakes = {}
    for source in (store.messages, store.large):
        lakes[source] = tmp_path_factory.mktemp("lake") / "lake"
        running.run(source, lakes[source], keys, bundle_bytes=BUNDLE_BYTES)
    return lakes
