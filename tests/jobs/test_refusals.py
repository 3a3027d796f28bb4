"""What stops a run before it begins: one sentence that names the fault, exit 2, and not a file more than before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.s3_faults import Fault, FaultLayer, fault_layer
from running import file_of, run, write
from typer.testing import CliRunner

from connectors.lake.layout import entry_key
from connectors.lake.signing import sign
from jobs.__main__ import app
from jobs.privacy.keys import signing_key

Refused = tuple[int, str]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a source of one message, a lake that holds it, and another message that came since."""
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    run(source, tmp_path / "lake", tmp_path / "keys")
    write(source, {"b.hl7": file_of("2")})
    return tmp_path


def ingest(place: Path, *more: object, **changes: object) -> Refused:
    """Exit code and code of the sentence of an ingest that must not change anything under `place`."""
    settings = {"source": place / "in", "lake": place / "lake", "policy": "pseudonymised", "keys": place / "keys"}
    flags = [word for name, value in {**settings, **changes}.items() for word in (f"--{name}", str(value))]
    before = files(place)
    result = CliRunner().invoke(app, ["ingest", *flags, "--cpus", "0", *map(str, more)])
    assert files(place) == before
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    program, code, _ = result.stderr.split(": ", 2)
    assert program == "clinray"
    return result.exit_code, code


def files(place: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and time, and every folder."""
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns if path.is_file() else 0)
        for path in place.rglob("*")
    }


def test_a_second_policy_on_a_bound_lake(place: Path) -> None:
    assert ingest(place, policy="hipaa-limited-data-set") == (2, "ZONE_BOUND")


def test_other_keys_on_a_bound_lake_are_not_even_made(place: Path) -> None:
    assert ingest(place, keys=place / "other") == (2, "ZONE_BOUND")


def test_keys_that_are_missing_and_may_not_be_made(place: Path) -> None:
    assert ingest(place, "--no-create-keys", keys=place / "other") == (2, "KEYS_MISSING")
    assert ingest(place, "--no-create-keys", keys=place / "other", lake=place / "new") == (2, "KEYS_MISSING")


def test_keys_of_another_lake_leave_nothing_in_this_one(place: Path) -> None:
    run(place / "in", place / "elsewhere", place / "other")
    assert ingest(place, keys=place / "other") == (2, "ZONE_BOUND")


def test_another_time_zone_on_a_bound_lake(place: Path) -> None:
    assert ingest(place, "--time-zone", "Asia/Tokyo") == (2, "ZONE_BOUND")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"policy": "nobody"}, "POLICY_UNKNOWN"),
        ({"policy": "identified"}, "IDENTIFIED_NOT_ALLOWED"),
        ({"format": "fax"}, "FORMAT_UNKNOWN"),
        ({"source": "none"}, "SOURCE_MISSING"),
        ({"min-score": 101}, "PIPELINE_INVALID"),
        ({"time-zone": "Mars/Base"}, "PIPELINE_INVALID"),
        ({"endpoint": "localhost:9000"}, "STORE_ENDPOINT"),
        ({"endpoint": "http://h:99999"}, "STORE_ENDPOINT"),
        ({"endpoint": "https://[::1"}, "STORE_ENDPOINT"),
        ({"source": "s3://my bucket/x"}, "STORE_URI"),
        ({"objects": "none.txt"}, "INVENTORY_MISSING"),
    ],
)
@pytest.mark.parametrize("lake", ["lake", "new"])
def test_a_setting_that_is_unknown_or_wrong(place: Path, lake: str, changes: dict[str, object], code: str) -> None:
    assert ingest(place, lake=place / lake, keys=place / lake, **changes) == (2, code)


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (None, 0o600, "KEY_UNREADABLE"),
        (b"", 0o600, "KEY_DAMAGED"),
        (b"\xff\x00", 0o600, "KEY_DAMAGED"),
        (b"{}", 0o600, "KEY_DAMAGED"),
        (b"{}", 0o644, "KEY_MODE"),
    ],
)
@pytest.mark.parametrize("name", ["data-key.json", "signing-key.pem"])
@pytest.mark.parametrize("lake", ["lake", "new"])
def test_a_key_that_cannot_be_read(
    place: Path, lake: str, name: str, content: bytes | None, mode: int, code: str
) -> None:
    key = place / "keys" / name
    key.unlink()
    if content is None:
        key.mkdir()
    else:
        key.write_bytes(content)
        key.chmod(mode)
    assert ingest(place, lake=place / lake) == (2, code)


@pytest.mark.parametrize("lake", ["lake", "new"])
def test_a_key_folder_that_cannot_be_one(place: Path, lake: str) -> None:
    (place / "file").write_text("x")
    code = "ZONE_BOUND" if lake == "lake" else "KEY_FOLDER"
    assert ingest(place, lake=place / lake, keys=place / "file") == (2, code)
    assert ingest(place, lake=place / lake, keys=place / "file" / "below") == (2, code)


def test_a_key_folder_that_may_not_be_written(place: Path, shut: Callable[[Path], Path]) -> None:
    (place / "closed").mkdir()
    shut(place / "closed").chmod(0o500)
    assert ingest(place, lake=place / "new", keys=place / "closed") == (2, "KEY_FOLDER")
    assert ingest(place, lake=place / "new", keys=place / "closed" / "keys") == (2, "KEY_FOLDER")


@pytest.mark.parametrize(
    ("name", "other"), [("data-key.json", "signing-key.pem"), ("signing-key.pem", "data-key.json")]
)
def test_a_key_that_cannot_be_read_beside_one_that_would_be_made(place: Path, name: str, other: str) -> None:
    for left in ("lone", "damaged"):
        (place / left).mkdir()
    (place / "lone" / name).mkdir()
    (place / "damaged" / name).write_bytes(b"{}")
    (place / "damaged" / name).chmod(0o600)
    assert ingest(place, lake=place / "new", keys=place / "lone") == (2, "KEY_UNREADABLE")
    assert ingest(place, lake=place / "new", keys=place / "damaged") == (2, "KEY_DAMAGED")


def newer_marker(place: Path) -> None:
    """The lake was made by a newer version."""
    marker = place / "lake" / "_runs" / "lake.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 99}))


def newer_entry(place: Path) -> None:
    """The lake was made by this version, and a newer one made its last entry."""
    file = place / "lake" / entry_key(1)
    content = {**json.loads(file.read_bytes()), "format": 2}
    del content["signature"]
    file.write_bytes(sign(content, signing_key(place / "keys" / "signing-key.pem")))


@pytest.mark.parametrize("age", [newer_marker, newer_entry])
@pytest.mark.parametrize("command", ["ingest", "verify", "runs", "vacuum", "quarantine", "validate", "deidentify"])
def test_a_lake_of_a_newer_version(place: Path, command: str, age: Callable[[Path], None]) -> None:
    age(place)
    if command == "ingest":
        assert ingest(place) == (2, "LAKE_NEWER")
        return
    keys = ["--keys", str(place / "keys")] if command in ("vacuum", "validate", "deidentify") else []
    policy = ["--policy", "pseudonymised"] if command == "deidentify" else []
    before = files(place)
    words = ["quarantine", "list"] if command == "quarantine" else [command]
    result = CliRunner().invoke(app, [*words, str(place / "lake"), *keys, *policy])
    assert (result.exit_code, result.stderr.split(":")[1].strip()) == (2, "LAKE_NEWER")
    assert (result.stderr.count("\n"), files(place)) == (1, before)


@pytest.fixture
def layer(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultLayer]:
    """Between the program and a bucket that holds a message."""
    s3.put("in/a.hl7", file_of("1"))
    with fault_layer(s3.endpoint) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.endpoint)
        yield between


def keys_of(s3: Any) -> list[str]:
    return [found["Key"] for found in s3.client().list_objects_v2(Bucket=s3.bucket)["Contents"]]


def test_a_bucket_that_refuses_to_be_listed(s3: Any, tmp_path: Path, layer: FaultLayer) -> None:
    layer.add(Fault("403", part="list-type"))
    assert ingest(tmp_path, source=f"{s3.uri}/in") == (2, "STORE_REFUSED")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_a_bucket_that_refuses_the_lake(s3: Any, tmp_path: Path, layer: FaultLayer, method: str) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    layer.add(Fault("403", part="/lake", method=method))
    assert ingest(tmp_path, source=source, lake=f"{s3.uri}/lake") == (2, "STORE_REFUSED")
    assert keys_of(s3) == ["in/a.hl7"]


@pytest.mark.parametrize("bucket", ["my bucket", "bucket<1", "buc\nket", "bü", "b%20"])
def test_a_bucket_whose_name_cannot_be_one(place: Path, aws_environment: None, bucket: str) -> None:
    assert ingest(place, source=f"s3://{bucket}/x") == (2, "STORE_URI")
    assert ingest(place, lake=f"s3://{bucket}/lake", keys=place / "new") == (2, "STORE_URI")


def test_a_bucket_that_does_not_exist(s3: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    assert ingest(tmp_path, source="s3://no-such-bucket/in") == (2, "BUCKET_MISSING")
    assert ingest(tmp_path, source=source, lake="s3://no-such-bucket/lake") == (2, "BUCKET_MISSING")


@pytest.mark.parametrize(
    ("method", "action", "code"),
    [
        ("PUT", "unconditional", "STORE_UNCONDITIONAL"),
        ("GET", "unconditional", "STORE_UNCONDITIONAL"),
        ("PUT", "501", "STORE_UNSUPPORTED"),
    ],
)
def test_a_store_without_conditional_writes(
    s3: Any, tmp_path: Path, layer: FaultLayer, method: str, action: Any, code: str
) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1")})
    layer.add(Fault(action, part="/lake", method=method))
    assert ingest(tmp_path, source=source, lake=f"{s3.uri}/lake") == (2, code)
    assert keys_of(s3) == ["in/a.hl7"]
