"""How a bucket is reached, and that nothing secret shows on the way."""

from __future__ import annotations

import json
import os
import pickle
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from faults.s3_faults import Fault, fault_layer
from running import file_of

from connectors.errors import ClinrayError, ConfigError, ObjectChanged, TransientError
from connectors.lake.delta import open_table
from connectors.storage import StorageOptions, open_store
from connectors.storage.credentials import Credentials

SECRET = "secret-of-the-tests-0123456789abcdef0123"
KEY_ID = "AKIATESTTESTTESTTEST"


def test_the_option_goes_before_the_environment_and_the_s3_endpoint_before_the_general_one() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://general:1", "AWS_ENDPOINT_URL_S3": "http://for-s3:2/"}
    assert StorageOptions(endpoint="http://own:3").endpoint_url(environment) == "http://own:3"
    assert StorageOptions().endpoint_url(environment) == "http://for-s3:2"
    assert StorageOptions().endpoint_url({"AWS_ENDPOINT_URL": "http://general:1"}) == "http://general:1"
    assert StorageOptions().endpoint_url({}) is None


def test_the_region_comes_from_option_or_environment() -> None:
    assert StorageOptions(region="eu-central-1").region_name({"AWS_REGION": "us-west-2"}) == "eu-central-1"
    assert StorageOptions().region_name({"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "x"}) == "us-west-2"
    assert StorageOptions().region_name({"AWS_DEFAULT_REGION": "eu-west-1"}) == "eu-west-1"


@pytest.mark.parametrize("uri", ["s3://", "gs://bucket/x", "https://host/x", ""])
def test_an_address_that_is_not_read_is_told(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(uri)
    assert caught.value.code == "STORE_URI"


def test_an_endpoint_without_a_scheme_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        StorageOptions(endpoint="minio:9000")
    assert caught.value.code == "STORE_ENDPOINT"


def test_no_secret_is_printed_or_pickled(s3) -> None:
    store = open_store(s3.uri, s3.options)
    store.put("k", b"x")
    credentials = Credentials(s3.options)
    assert credentials()["secret_access_key"] == SECRET
    shown = [repr(store), str(store), repr(s3.options), repr(credentials)]
    assert not any(SECRET in s or KEY_ID in s for s in shown)
    for thing in (store, s3.options, credentials):
        assert SECRET.encode() not in pickle.dumps(thing)
        assert KEY_ID.encode() not in pickle.dumps(thing)


def test_a_refusal_names_no_credentials(s3) -> None:
    store = open_store("s3://no-such-bucket", s3.options)
    with pytest.raises(ClinrayError) as caught:
        store.get("k")
    assert KEY_ID not in str(caught.value)


def test_credentials_are_asked_for_again_before_they_end(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = Credentials(s3.options)
    first = credentials()
    assert first["expires_at"] is not None
    assert first["expires_at"].tzinfo is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    assert credentials()["access_key_id"] == KEY_ID


def test_descriptions_of_services_are_read_once_a_process(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    def client() -> list[str]:
        session = Credentials(s3.options).session
        return session.client("s3", endpoint_url=s3.endpoint)._loader.search_paths

    paths = list(client())
    monkeypatch.setattr("botocore.loaders.JSONFileLoader.load_file", lambda *names: pytest.fail(f"read again: {names}"))
    assert client() == paths


def test_deltalake_gets_endpoint_and_credentials_and_a_folder_nothing(s3, tmp_path) -> None:
    found = open_store(s3.uri, s3.options).delta_options()
    assert found == {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
    }
    assert open_store(str(tmp_path)).delta_options() == {}


def test_an_anonymous_request_reads_and_asks_for_no_credentials(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.client().put_object(Bucket=s3.bucket, Key="k", Body=b"x", ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = open_store(s3.uri, StorageOptions(endpoint=s3.endpoint, anonymous=True))
    assert store.get("k") == b"x"


def test_the_bucket_stands_in_the_path_of_a_named_endpoint_and_in_the_host_name_of_aws(s3) -> None:
    assert not StorageOptions(endpoint="http://own:3").is_virtual_hosted
    assert StorageOptions(endpoint="http://own:3", virtual_hosted=True).is_virtual_hosted
    assert not StorageOptions(endpoint=None, virtual_hosted=False).is_virtual_hosted


def test_a_bucket_in_the_host_name_is_asked_for_there(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    options = StorageOptions(endpoint="http://store.invalid", virtual_hosted=True)
    with fault_layer(s3.endpoint) as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.endpoint)
        proxy.add(Fault("404"))
        with pytest.raises(ObjectChanged):
            open_store("s3://bucket/in", options).get("k")
        with pytest.raises(ObjectChanged):
            list(open_store("s3://bucket/in", options).list())
        asked = [path.partition("?")[0] for _, path in proxy.requests]
    assert asked == ["http://bucket.store.invalid/in/k", "http://bucket.store.invalid/"]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Files of a self-signed certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    return folder / "cert.pem", folder / "key.pem"


def test_a_store_with_a_certificate_of_its_own_is_trusted_through_aws_ca_bundle(
    s3, monkeypatch, tmp_path: Path
) -> None:
    trusted, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    s3.put("k", b"x")
    with fault_layer(s3.endpoint, context) as secure:
        options = StorageOptions(endpoint=secure.endpoint, max_retries=0)
        with pytest.raises(TransientError):
            open_store(s3.uri, options).get("k")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(trusted))
        assert open_store(s3.uri, options).get("k") == b"x"
        assert len(list(open_store(s3.uri, options).list())) == 1


def test_a_whole_lake_stands_on_a_store_with_a_certificate_of_its_own(s3, tmp_path: Path) -> None:
    trusted, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    s3.put("in/a.hl7", file_of("1"))
    environment = {**os.environ, "AWS_CA_BUNDLE": str(trusted)}
    for name in ("AWS_ENDPOINT_URL", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        environment.pop(name, None)
    with fault_layer(s3.endpoint, context) as secure:
        said = []
        for more in ("ingest --source {}/in --lake {}/lake --policy pseudonymised --cpus 0 --keys k", "verify {}/lake"):
            arguments = [*more.replace("{}", s3.uri).split(), "--endpoint", secure.endpoint, "--json"]
            command = [sys.executable, "-m", "jobs", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
            assert done.returncode == 0, done.stderr
            said.append(json.loads(done.stdout))
    assert said[0]["records"]["written"] == 1
    assert said[1]["checked"]["tables"] > 3


def test_certificates_that_were_named_for_all_of_a_process_stay() -> None:
    chosen = {"AWS_CA_BUNDLE": "/store.pem", "SSL_CERT_FILE": "/all.pem"}
    StorageOptions.trust_ca_bundle(chosen)
    assert chosen["SSL_CERT_FILE"] == "/all.pem"
    none: dict[str, str] = {}
    StorageOptions.trust_ca_bundle(none)
    assert none == {}


def test_a_delta_table_whose_store_is_not_trusted_is_left_for_the_next_run(s3, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    with fault_layer(s3.endpoint, context) as secure:
        store = open_store(f"{s3.uri}/lake", StorageOptions(endpoint=secure.endpoint))
        with pytest.raises(TransientError) as caught:
            open_table(store, "deidentified/t")
    assert caught.value.code == "TABLE_COMMIT"


def test_a_ca_bundle_that_cannot_be_read_is_told(s3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError) as caught:
        open_store(s3.uri, s3.options).get("k")
    assert caught.value.code == "STORE_CA_BUNDLE"
