"""`python -m jobs demo`: synthetic messages in an embedded S3, ingested, ingested again, verified, drawn."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import flags
from jobs.console import command, emit, say, table

BUCKET = "hospital"
MARKER = "made-by-clinray-demo"


@command
def demo(
    out: Annotated[Path, typer.Option(help="Folder for keys, lake and report; made anew each time.")] = Path("demo"),
    messages: Annotated[int, typer.Option(min=1, help="How many synthetic messages.")] = 10_000,
    cpus: flags.Cpus = None,
    quiet: flags.Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> int:
    """Try everything: generate, ingest with de-identification, ingest again, verify, report.

    Example: clinray demo --messages 1000
    """
    from connectors.hl7v2.generate import write
    from connectors.lake.verify import verify
    from connectors.storage import StorageOptions
    from jobs.config import load_pipeline
    from jobs.drawing import write_report
    from jobs.progress import bar
    from jobs.run import executor, ingest

    fresh(out)
    source = f"s3://{BUCKET}/messages"
    started = time.monotonic()
    with embedded_s3() as endpoint, bar(quiet or as_json) as progress:
        progress.total(-(-messages // 100), "generating")
        options = StorageOptions(endpoint=endpoint)
        write(
            source,
            messages,
            messages_per_object=100,
            seed=1,
            malformed=0.002,
            options=options,
            progress=progress.advance,
        )
        settings = {
            "source": source,
            "lake": str(out / "lake"),
            "policy": "pseudonymised",
            "time_zone": "Europe/Zurich",
        }
        pipeline = load_pipeline(None, settings).with_access(endpoint=endpoint, keys=out / "keys", create_keys=True)
        with executor(cpus):
            first = ingest(pipeline, cpus=cpus, progress=progress)
            second = ingest(pipeline, cpus=cpus, progress=progress)
    proof = verify(str(out / "lake"), StorageOptions())
    report = out / "report.html"
    write_report(out / "lake", report)
    query = ready_query(out / "lake")
    if as_json:
        emit({"first": first, "second": second, "verified": proof.as_json(), "report": str(report), "query": query})
    else:
        _tell(first, second, proof, report, query, time.monotonic() - started)
    return int(proof.exit_code)


def fresh(out: Path) -> None:
    """An empty folder for the demo. Raises ConfigError if it holds something else, or cannot be one."""
    from connectors.errors import ConfigError

    try:
        if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
            raise ConfigError(
                "DEMO_FOLDER", f"{out} holds something that is not a demo; name another folder with --out"
            )
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        (out / MARKER).touch()
    except OSError as error:
        raise ConfigError("DEMO_FOLDER", f"{out} cannot be made a folder for the demo: {error.strerror}") from None


@contextmanager
def embedded_s3() -> Iterator[str]:
    """An S3 of this process on a free loopback port, with one bucket; its endpoint."""
    import os

    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    before = {name: os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")}
    os.environ |= {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_REGION": "us-east-1"}
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield endpoint
    finally:
        server.stop()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def ready_query(lake: Path) -> str:
    """SQL that DuckDB runs over the lake as it is."""
    folder = lake / "deidentified" / "hl7v2_observations"
    return (
        "SELECT code, count(*) AS results, round(avg(value_number), 2) AS mean, any_value(units) AS units "  # noqa: S608
        f"FROM read_parquet('{folder}/*.parquet') WHERE value_number IS NOT NULL GROUP BY code ORDER BY results DESC"
    )


def _tell(first: dict[str, Any], second: dict[str, Any], proof: Any, report: Path, query: str, seconds: float) -> None:
    rows = []
    for name in ("objects", "records", "bytes"):
        for what, count in first[name].items():
            rows.append((name, what, count, second[name][what]))
    table(("what", "", "first run", "run again"), rows)
    say()
    table(("table", "rows"), first["tables"].items())
    say()
    for line in proof.lines():
        say(line)
    say()
    say(f"report: {report}")
    say(f"done in {seconds:.0f} s. A query over the result:")
    say()
    say(f'  {sys.executable} -c "import duckdb; print(duckdb.sql(\\"\\"\\"{query}\\"\\"\\"))"')
