"""`clinray show` finds what the tables and the quarantine name, and where it ends."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from running import file_of, message, run, write
from typer.testing import CliRunner

from connectors.errors import ConfigError
from connectors.lake import Lake
from connectors.storage import StorageOptions
from jobs.__main__ import app
from jobs.one_message import message_at
from jobs.quarantined import spans

QUARANTINED = {
    "HL7_CHARSET_UNKNOWN": b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\rPID|1||7",
    "HL7_MSH_SHORT": b"MSH|^~\\&\rPID|1||7",
    "HL7_SEPARATORS": b"MSH|^^\\&|LAB\rPID|1||7",
    "HL7_UNDECODABLE": b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||UNICODE UTF-8\rPID|1||\xff",
}


def shown(path: Path, at: int, length: int | None = None) -> bytes:
    return message_at(str(path), at, length, StorageOptions())


@pytest.mark.parametrize("code", QUARANTINED)
@pytest.mark.parametrize("behind", [b"\r" + message("2"), b""], ids=["a message behind", "at the end"])
def test_a_quarantined_message_is_shown_to_where_its_span_ends(tmp_path: Path, code: str, behind: bytes) -> None:
    source = write(tmp_path / "in", {"a.hl7": file_of("1") + QUARANTINED[code] + behind})
    run(source, tmp_path / "lake", tmp_path / "keys")
    at = len(file_of("1"))
    (span,) = spans(Lake.open(str(tmp_path / "lake")), None, 100, everything=False)
    assert (span["code"], span["offset"], span["length"]) == (code, at, len(QUARANTINED[code]))
    assert shown(source / "a.hl7", at) == QUARANTINED[code]


def test_all_that_the_quarantine_names_is_shown_by_its_offset_alone(tmp_path: Path) -> None:
    call = CliRunner().invoke
    words = ["generate", "hl7v2", "--messages", "300", "--per-object", "30", "--malformed", "0.03", "--seed", "7"]
    assert call(app, [*words, "--out", str(tmp_path / "in"), "--quiet"]).exit_code == 0
    run(tmp_path / "in", tmp_path / "lake", tmp_path / "keys")
    found: list[dict[str, Any]] = spans(Lake.open(str(tmp_path / "lake")), None, 100, everything=False)
    assert (len(found), {s["code"] for s in found}) == (9, {"HL7_CHARSET_UNKNOWN", "HL7_MSH_SHORT"})
    for span in found:
        place = [span["object"], "--at", str(span["offset"]), "--allow-identified"]
        alone, by_length = call(app, ["show", *place]), call(app, ["show", *place, "--length", str(span["length"])])
        assert (alone.exit_code, alone.stdout) == (0, by_length.stdout)
        assert alone.stdout.startswith("MSH  Message header\n")


def test_a_message_of_a_compressed_object_and_of_one_in_utf16_is_shown(tmp_path: Path) -> None:
    broken = QUARANTINED["HL7_MSH_SHORT"]
    data = file_of("1") + broken + b"\r" + file_of("2")
    wide = data.decode().encode("utf-16-le")
    write(tmp_path, {"a.hl7.gz": gzip.compress(data), "w.hl7": wide})
    at = len(file_of("1"))
    assert shown(tmp_path / "a.hl7.gz", at) == broken
    assert shown(tmp_path / "w.hl7", 2 * at) == broken.decode().encode("utf-16-le")
    assert shown(tmp_path / "a.hl7.gz", at + len(broken) + 1) == message("2")


@pytest.mark.parametrize("at", [1, len(file_of("1")) + 3, len(file_of("1", "2")) - 9])
def test_where_no_message_begins_none_is_shown(tmp_path: Path, at: int) -> None:
    write(tmp_path, {"a.hl7": file_of("1") + file_of("2")})
    with pytest.raises(ConfigError) as caught:
        shown(tmp_path / "a.hl7", at)
    assert caught.value.code == "NO_MESSAGE_THERE"


def test_text_that_is_no_message_is_shown_by_its_length(tmp_path: Path) -> None:
    write(tmp_path, {"a.hl7": b"hello\r" + file_of("1")})
    with pytest.raises(ConfigError) as caught:
        shown(tmp_path / "a.hl7", 0)
    assert caught.value.code == "NO_MESSAGE_THERE"
    assert shown(tmp_path / "a.hl7", 0, 5) == b"hello"
