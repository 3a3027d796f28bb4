"""What a bucket, an endpoint and a region may be called; all else is told before a request is made."""

from __future__ import annotations

import pytest

from connectors.errors import AccessError, ConfigError
from connectors.storage import StorageOptions, open_store
from connectors.storage.addresses import check_endpoint
from connectors.storage.opening import Roots

BUCKETS = [
    "research",
    "abc",
    "Old_Bucket.of-2009",
    "a" * 255,
    "point-0123456789abcdefghijklmnopqrstuvwx-s3alias",
    "fast--usw2-az1--x-s3",
]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_names_of_buckets_old_and_new_and_aliases_of_access_points_are_taken(bucket: str) -> None:
    assert open_store(f"s3://{bucket}/x").uri == f"s3://{bucket}/x"


@pytest.mark.parametrize(
    "bucket",
    [
        "my bucket",
        "bucket<1",
        "bucket\n",
        "buck\net",
        "bü",
        "bücher",
        "b%20",
        "user@bucket",
        "bucket:1",
        "bucket?x",
        "bucket#x",
        "ab",
        "a" * 256,
        "arn:aws:s3:us-east-1:123456789012:accesspoint:point",
    ],
)
def test_what_cannot_be_a_bucket_is_told_in_one_line_that_does_not_repeat_it(bucket: str) -> None:
    for opened in (open_store, Roots().locate):
        with pytest.raises(ConfigError) as caught:
            opened(f"s3://{bucket}/x")
        assert (caught.value.code, caught.value.message) == (
            "STORE_URI",
            "the bucket of an s3:// URI has 3 to 255 letters (a to z), digits, dots, hyphens, underscores",
        )


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://minio",
        "https://s3.example.org:443/",
        "http://127.0.0.1:9000",
        "http://[::1]:9000",
        "https://gateway.example.org/s3/v1",
        "http://user:word@store:1",
        "http://store.:65535",
        "http://store:",
    ],
)
def test_hosts_addresses_ports_and_paths_are_endpoints(endpoint: str) -> None:
    assert StorageOptions(endpoint=endpoint).endpoint_url({}) == endpoint.rstrip("/")


WRONG = [
    "http://",
    "https:///",
    "http://:9000",
    "http://h:99999",
    "http://h:0",
    "http://h:+9",
    "http://h:port",
    "http://h:٩",
    "http://a b",
    "http://h/a b",
    "http://h\n",
    "http://h\t:1",
    "http://bü:9000",
    "http://h%20x",
    "http://-h",
    "http://a..b",
    "http://a_b:9000",
    "http://" + "a" * 64,
    "http://999.1.1.1",
    "http://1.2.3.4.5",
    "http://h.0x1",
    "https://[::1",
    "http://[::1%25lo]",
    "http://[v1.x]",
    "http://[h]",
    "http://h/a<b",
    "http://h/a`b",
    "http://h?x",
    "http://h#x",
]


@pytest.mark.parametrize("endpoint", WRONG)
def test_what_is_no_web_address_is_told_by_option_and_by_environment(endpoint: str) -> None:
    told = ("STORE_ENDPOINT", "the endpoint of a store is no web address; write https://host or http://host:port")
    with pytest.raises(ConfigError) as caught:
        StorageOptions(endpoint=endpoint)
    assert (caught.value.code, caught.value.message) == told
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        with pytest.raises(ConfigError) as caught:
            StorageOptions().endpoint_url({name: endpoint})
        assert (caught.value.code, caught.value.message) == told


def test_an_endpoint_of_the_environment_is_told_when_a_bucket_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "minio:9000")
    with pytest.raises(ConfigError) as caught:
        open_store("s3://bucket")
    assert (caught.value.code, caught.value.message) == (
        "STORE_ENDPOINT",
        "the endpoint of a store begins with http:// or https://",
    )


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "http://[::1]:9000"])
def test_no_bucket_stands_before_an_ip_address(endpoint: str) -> None:
    check_endpoint(endpoint)
    check_endpoint("http://localhost:9000", virtual_hosted=True)
    with pytest.raises(ConfigError) as caught:
        open_store("s3://bucket", StorageOptions(endpoint=endpoint, virtual_hosted=True))
    assert (caught.value.code, caught.value.message) == (
        "STORE_ENDPOINT",
        "no bucket can stand before an endpoint that is an IP address; leave virtual_hosted out",
    )


@pytest.mark.parametrize("region", ["a b", "ü", "a\nb", "a:b", "a%b", "a_b", "-a", "1"])
def test_what_cannot_be_a_region_is_told(s3, region: str) -> None:
    with pytest.raises(AccessError) as caught:
        open_store(s3.uri, StorageOptions(region=region)).get("k")
    assert (caught.value.code, caught.value.message) == (
        "STORE_REGION",
        "the region of a store has letters (a to z), digits and hyphens, as us-east-1",
    )
