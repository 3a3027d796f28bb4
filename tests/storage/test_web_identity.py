"""A pod's web identity: the token of a service account is changed for keys, which every way to a bucket uses."""

from __future__ import annotations

from connectors.storage import open_store
from connectors.storage.s3 import S3Store


def test_a_web_identity_reaches_obstore_boto3_and_delta(s3, monkeypatch, tmp_path):
    token = tmp_path / "token"
    token.write_text("header.payload.signature")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ingest")
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "run")

    store = open_store(f"s3://{s3.bucket}/lake")
    assert isinstance(store, S3Store)
    store.put("a", b"rows")

    assert store.get("a") == b"rows"
    assert [found.uri for page in store.list() for found in page] == [f"s3://{s3.bucket}/lake/a"]
    keys = store.credentials()
    assert keys["access_key_id"].startswith("ASIA")
    assert keys["token"]
    assert store.delta_options()["AWS_SESSION_TOKEN"] == keys["token"]
