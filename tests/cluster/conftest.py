"""A namespace of a real cluster with an S3 in it, the messages in the S3, and the lake that they make here."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
BUCKETS = ("raw", "research")
MESSAGES, LARGE = (10_000, 1), (40_000, 2)
"""How many generated messages, and their seed."""

LAKE = """
import json, sys
from connectors.lake import Lake
lake = Lake.open(sys.argv[1])
parts = [[part.zone, part.table, part.path, part.rows, part.sha256] for part in lake.parts(sys.argv[2])]
print(json.dumps({"parts": parts, "entries": len(lake.entries())}))
"""
FIRST_PART = """
import boto3, json, sys, time
s3, (bucket, prefix) = boto3.client("s3"), sys.argv[1].removeprefix("s3://").split("/", 1)
for _ in range(3000):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/")
    found = sum(each["Key"].endswith(".parquet") for page in pages for each in page.get("Contents", []))
    if found:
        break
    time.sleep(0.1)
print(json.dumps(found))
"""
PUT = """
import boto3, sys, tarfile
s3, stream = boto3.client("s3"), tarfile.open(fileobj=sys.stdin.buffer, mode="r|")
for entry in stream:
    s3.put_object(Bucket="raw", Key="hl7/corpus/" + entry.name, Body=stream.extractfile(entry).read())
"""


@dataclass(frozen=True)
class Store:
    """The S3 of the namespace; what is asked of it is asked inside its own pod. messages: generated ones and the
    corpus. large: generated ones that take a run long enough to be disturbed."""

    namespace: Namespace
    messages: str = "s3://raw/hl7/"
    large: str = "s3://raw/large/"

    def lake(self, name: str) -> str:
        return f"s3://research/{name}"

    def inside(self, *command: str, stdin: bytes = b"") -> str:
        """What a command says that runs beside the server."""
        settings = {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}
        named = [f"{name}={value}" for name, value in settings.items()]
        return self.namespace.execute("deploy/s3", "env", *named, *command, stdin=stdin)

    def parts(self, lake: str, zone: str = "deidentified") -> dict[str, str]:
        """Path → SHA-256 of every part that the lake's log names."""
        return {path: digest for _, _, path, _, digest in self._lake(lake, zone)["parts"]}

    def tables(self, lake: str, zone: str = "deidentified") -> dict[str, int]:
        """Table → its rows."""
        rows: dict[str, int] = {}
        for _, table, _, count, _ in self._lake(lake, zone)["parts"]:
            rows[table] = rows.get(table, 0) + count
        return rows

    def entries(self, lake: str) -> int:
        return int(self._lake(lake, "deidentified")["entries"])

    def _lake(self, lake: str, zone: str) -> dict[str, Any]:
        return dict(json.loads(self.inside("python", "-c", LAKE, lake, zone)))

    def midway(self, lake: str) -> int:
        """Waits until parts of the lake are written, committed or not; how many."""
        return int(self.inside("python", "-c", FIRST_PART, lake))


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
def store(namespace: Namespace, keys: Path) -> Store:
    manifest = (ROOT / "k8s/kind/s3.yaml").read_text(encoding="utf-8").replace("localhost/clinray:dev", IMAGE)
    namespace.kubectl("apply", "-f", "-", stdin=manifest)
    literals = [f"--from-literal={name}={value}" for name, value in CREDENTIALS.items()]
    namespace.kubectl("create", "secret", "generic", "clinray-s3", *literals)
    namespace.kubectl("rollout", "status", "deployment/s3", "--timeout=180s")
    made = Store(namespace)
    buckets = f"import boto3; s3 = boto3.client('s3'); [s3.create_bucket(Bucket=b) for b in {BUCKETS}]"
    made.inside("python", "-c", buckets)
    for out, (count, seed) in {made.messages + "generated": MESSAGES, made.large: LARGE}.items():
        made.inside("clinray", "generate", "hl7v2", f"--messages={count}", f"--seed={seed}", f"--out={out}", "--quiet")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in corpus_files().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    made.inside("python", "-c", PUT, stdin=archive.getvalue())
    return made


def corpus_files() -> dict[str, bytes]:
    """The sample messages that CLINRAY_CORPUS names; none where it names no folder."""
    corpus = Path(os.environ.get("CLINRAY_CORPUS", "/nowhere")) / "hl7v2"
    paths = sorted(path for path in corpus.rglob("*") if path.suffix.lower() in (".hl7", ".txt"))
    return {str(path.relative_to(corpus)): path.read_bytes() for path in paths}


@pytest.fixture(scope="session")
def expected(
    store: Store, keys: Path, s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, str]]]:
    """Source → parts of a lake that was made here of the same objects under the same names, with the same keys."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in {**CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": s3_endpoint}.items():
            environment.setenv(name, value)
        client = boto3.client("s3", endpoint_url=s3_endpoint)
        client.create_bucket(Bucket="raw")
        write(store.messages + "generated", MESSAGES[0], messages_per_object=100, seed=MESSAGES[1])
        write(store.large, LARGE[0], messages_per_object=100, seed=LARGE[1])
        for name, data in corpus_files().items():
            client.put_object(Bucket="raw", Key=f"hl7/corpus/{name}", Body=data)
        lakes = {}
        for source in (store.messages, store.large):
            lake = tmp_path_factory.mktemp("lake") / "lake"
            running.run(source, lake, keys, bundle_bytes=BUNDLE_BYTES)
            lakes[source] = running.parts(lake)
        yield lakes


@pytest.fixture
def uninstalled(namespace: Namespace) -> Iterator[list[str]]:
    """Releases that a test names here are removed at its end."""
    releases: list[str] = []
    yield releases
    for release in releases:
        namespace.uninstall(release)
