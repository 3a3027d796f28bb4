"""Synthetic messages: the same for a seed, of the kinds asked for, believable, and broken only where asked."""

from __future__ import annotations

import bz2
import gzip
import re
from itertools import islice
from pathlib import Path

import hl7
import pytest
import zstandard

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.errors import ConfigError
from connectors.hl7v2.framing import frames
from connectors.hl7v2.generate import KINDS, bench_messages, canary_message, messages, objects, write


def fields(message: bytes, segment: bytes) -> list[bytes]:
    return next(line.split(b"|") for line in message.split(b"\r") if line.startswith(segment + b"|"))


def test_a_message_depends_on_seed_and_index_alone() -> None:
    many = list(messages(5000, 7))
    assert list(messages(3, 7)) == many[:3]
    assert list(messages(4100, 7))[-1] == many[4099]
    assert next(messages(1, 8)) != many[0]


def test_all_kinds_come_and_a_choice_is_kept_to() -> None:
    assert {fields(m, b"MSH")[8].decode().rpartition("^")[0] for m in messages(200, 1)} == set(KINDS)
    assert {fields(m, b"MSH")[8] for m in messages(50, 1, ["ADT^A03"])} == {b"ADT^A03^ADT_A03"}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="GENERATE_KIND"):
        next(messages(1, 1, ["ADT^A99"]))


def test_a_person_keeps_number_name_and_birth_date_over_visits() -> None:
    seen: dict[bytes, set[bytes]] = {}
    for message in messages(8000, 3):
        pid = fields(message, b"PID")
        seen.setdefault(pid[3].split(b"^")[0], set()).add(pid[5] + pid[7])
    assert len(seen) < 7500
    assert {len(people) for people in seen.values()} == {1}


def test_control_ids_differ() -> None:
    assert len({fields(m, b"MSH")[9] for m in messages(5000, 3)}) == 5000


def test_python_hl7_reads_positions_that_belong_there() -> None:
    admission = hl7.parse(next(messages(1, 5, ["ADT^A01"])).decode())
    assert str(admission["PV1.F19"]).startswith("V")
    assert re.fullmatch(r"\d{14}", str(admission["PV1.F44"]))
    assert re.fullmatch(r"H\d{9}", str(admission["IN1.F36"]))
    assert str(admission.segment("IN1")[16]) == "^".join(str(admission.segment("PID")[5]).split("^")[:2])


def test_flags_agree_with_values_and_ranges() -> None:
    checked = 0
    for message in messages(300, 2, ["ORU^R01"]):
        for line in (x.split(b"|") for x in message.split(b"\r") if x.startswith(b"OBX") and b"|NM|" in x):
            low, high = map(float, line[7].split(b"-"))
            want = b"L" if float(line[5]) < low else b"H" if float(line[5]) > high else b"N"
            assert line[8] == want
            checked += 1
    assert checked > 600


def test_escapes_and_repetitions_come_now_and_then() -> None:
    text = b"".join(messages(2000, 4))
    assert b"\\T\\" in text
    assert b"^MR~" in text
    assert b"|SN|20570-8" in text


def test_objects_hold_so_many_messages_and_all_of_them() -> None:
    found = list(objects(25, 10, 1))
    assert [key for key, _ in found] == ["000000.hl7", "000001.hl7", "000002.hl7"]
    assert b"".join(data for _, data in found) == b"".join(messages(25, 1))


@pytest.mark.parametrize(
    ("compress", "read"),
    [("gz", gzip.decompress), ("bz2", bz2.decompress), ("zst", lambda d: zstandard.ZstdDecompressor().decompress(d))],
)
def test_compressed_objects_hold_the_same(compress: str, read) -> None:
    (key, data), again = next(objects(5, 5, 1, compress=compress)), next(objects(5, 5, 1, compress=compress))
    assert (key, data) == again
    assert key == f"000000.hl7.{compress}"
    assert read(data) == b"".join(messages(5, 1))


def test_the_share_asked_for_is_broken_in_every_way() -> None:
    whole, broken = list(messages(2000, 1)), b"".join(data for _, data in objects(2000, 10, 1, malformed=0.2))
    untouched = sum(message in broken for message in whole)
    assert 1500 < untouched < 1750
    for sign in (b"MSH|||", b"X-UNHEARD-OF", b"-- connection reset", b"MSH|^~\\\r"):
        assert sign in broken


def test_writing_to_a_folder(tmp_path: Path) -> None:
    told: list[int] = []
    assert write(str(tmp_path), 7, 3, 1, progress=told.append) == 3
    assert told == [1, 1, 1]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == dict(objects(7, 3, 1))


def test_small_messages_are_about_312_bytes_and_of_five_segments() -> None:
    some = list(islice(bench_messages(1000, 1), 500))
    assert 270 < sum(map(len, some)) / 500 < 340
    assert {tuple(line[:3] for line in m.split(b"\r")) for m in some} == {(b"MSH", b"EVN", b"PID", b"PV1", b"OBX", b"")}


def test_a_canary_stands_once_in_each_component_of_each_position() -> None:
    positions = [
        ("PID", 3, "CX"),
        ("PID", 5, "XPN"),
        ("PID", 7, "DTM"),
        ("OBX", 2, "ID"),
        ("ZZZ", 2, "ST"),
        ("MSH", 3, "HD"),
    ]
    message, values = canary_message("CANARY", positions)
    assert len(values) == 12 + 15 + 1 + 1 + 3
    assert "OBX-2" not in values
    parsed = hl7.parse(message.decode())
    for position, value in values.items():
        assert message.count(value.encode()) == 1
        segment, _, rest = position.partition("-")
        field, _, component = rest.partition(".")
        held = str(parsed.segment(segment)[int(field)])
        assert (held.split("^")[int(component) - 1] if component else held) == value


def test_broken_messages_are_quarantined_and_the_others_read() -> None:
    made = list(objects(2000, 10, 1, malformed=0.2))
    pieces = [Piece(i, RawObject(key, len(data), 0), [data]) for i, (key, data) in enumerate(made)]
    framed = list(frames(pieces, ReadOptions()))
    codes = {row["code"] for f in framed for row in f.rejects.to_pylist()}
    assert codes == {"HL7_MSH_SHORT", "HL7_CHARSET_UNKNOWN", "HL7_TEXT_BEFORE_MESSAGE"}
    assert sum(f.rejects["records"].to_numpy().sum() + len(f.frame) for f in framed) == 2000
