"""Many small objects from S3: CPU of the reading process an object, against boto3's get_object in a thread pool.

The server is a process of its own, and each side reads in one too: resource.getrusage counts the reader alone. Both
give If-Match with the listed etag, check nothing else, and hash nothing.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess

from benchmarks.rows import Row

BUCKET = "small-objects"
THREADS = 16
BYTES = 2000
CREDENTIALS = {"aws_access_key_id": "AKIABENCHMARK", "aws_secret_access_key": "benchmark"}

Key = tuple[str, str | None]
Reader = Callable[[str, list[Key]], int]


def rows(count: int = 10_000, rounds: int = 3) -> list[Row]:
    """The row of this work: `count` objects of 2,000 bytes, each side `rounds` times in alternation."""
    with server() as endpoint:
        keys = fill(endpoint, count)
        measured = [(cpu_of(read_ours, endpoint, keys), cpu_of(read_boto3, endpoint, keys)) for _ in range(rounds)]
    ratios = [peer / ours for ours, peer in measured]
    return [
        Row(
            work=f"{count:,} small objects from S3, CPU of the reader an object",
            peer="boto3 get_object in a thread pool",
            ratio=statistics.median(ratios),
            reach=3,
            spread=(min(ratios), max(ratios)),
            ours=statistics.median(ours for ours, _ in measured) / count * 1e6,
            peers_value=statistics.median(peer for _, peer in measured) / count * 1e6,
            unit="µs",
            note=f"objects of {BYTES:,} bytes, {THREADS} requests at once, server in another process, plain HTTP",
        )
    ]


def read_ours(endpoint: str, keys: list[Key]) -> int:
    """Bytes read through the store that Clinray reads with."""
    from connectors.storage import StorageOptions, open_store

    store = open_store(f"s3://{BUCKET}", StorageOptions(endpoint=endpoint, region="us-east-1"))
    return sum(len(data) for data in store.get_many(keys, concurrency=THREADS))


def read_boto3(endpoint: str, keys: list[Key]) -> int:
    """Bytes read as boto3's own guide has it: one client, a thread pool."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(max_pool_connections=THREADS)
    )

    def get(key: Key) -> int:
        return len(client.get_object(Bucket=BUCKET, Key=key[0], IfMatch=key[1])["Body"].read())

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(get, keys))


def cpu_of(reader: Reader, endpoint: str, keys: list[Key]) -> float:
    """CPU seconds (user and system) of a fresh process that reads the objects; imports and one object come first."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, reader, endpoint, keys))
    process.start()
    theirs.close()
    seconds, size = ours.recv()
    process.join()
    if size != BYTES * len(keys):
        raise RuntimeError(f"{size} bytes were read of {BYTES * len(keys)}")
    return float(seconds)


def _measure(out: object, reader: Reader, endpoint: str, keys: list[Key]) -> None:
    _own_credentials()
    reader(endpoint, keys[:1])
    before = _cpu()
    size = reader(endpoint, keys)
    out.send((_cpu() - before, size))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _own_credentials() -> None:
    import os

    for name in [n for n in os.environ if n.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update({name.upper(): value for name, value in CREDENTIALS.items()})


@contextmanager
def server() -> Iterator[str]:
    """The endpoint of an S3 server in a process of its own, on a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    process.start()
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _wait(endpoint, process)
        yield endpoint
    finally:
        process.terminate()
        process.join()


def _serve(port: int) -> None:
    import logging

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple("127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=True)


def _wait(endpoint: str, process: BaseProcess) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.is_alive():
        try:
            urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the S3 server did not start")


def fill(endpoint: str, count: int) -> list[Key]:
    """Makes the bucket and its objects; their keys and etags in order."""
    import boto3

    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **CREDENTIALS)
    client.create_bucket(Bucket=BUCKET)

    def put(n: int) -> Key:
        body = hashlib.sha256(str(n).encode()).hexdigest().encode() * (BYTES // 64 + 1)
        key = f"in/{n % 100:02}/{n:06}.hl7"
        return key, client.put_object(Bucket=BUCKET, Key=key, Body=body[:BYTES])["ETag"]

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(put, range(count)))


if __name__ == "__main__":
    size = partial(rows, *(int(argument) for argument in sys.argv[1:]))
    print(json.dumps([row.as_json() for row in size()], indent=2))
