"""Real files: as many rows as an independent count, or the missing ones stand in a span that is quarantined by name."""

import csv
import gzip
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest
from reading import chunks

from connectors.contract import Parsed

pytestmark = pytest.mark.corpus
COUNTED = {"MSH_lines": "MSH", "PID": "PID", "OBX": "OBX", "OBR": "OBR", "NTE": "NTE", "Z_segments": "Z"}
NAMED = {
    "HL7_SEPARATORS": "the separators of a header cannot be used",
    "HL7_MSH_SHORT": "a header ends before its first field",
    "HL7_NO_MESSAGE": "prose in which lines begin with MSH and a blank, which the count takes for messages",
    "HL7_TEXT_AFTER_ENVELOPE": "segments behind a batch header, without a message header",
}
"""Codes under which spans are quarantined that the count sees segments in."""


def files(corpus: Path) -> list[tuple[str, dict[str, str], bytes]]:
    """Name, counts and bytes of every file that is there."""
    found = []
    with (corpus / "counts" / "hl7v2.csv").open(newline="") as counts:
        for row in csv.DictReader(counts):
            path = corpus / row["file"].removeprefix("open/")
            if path.exists():
                data = path.read_bytes()
                found.append((row["file"], row, gzip.decompress(data) if path.suffix == ".gz" else data))
    return found


def read_rows(parsed: list[Parsed]) -> Counter[str]:
    """Rows of the typed tables by segment, and Z segments."""
    rows: Counter[str] = Counter()
    for each in parsed:
        tables = each.tables
        orders, notes = tables["hl7v2_orders"]["obr_index"], tables["hl7v2_notes"]["segment"]
        leading = zip(tables["hl7v2_patients"]["_offset"], tables["hl7v2_patients"]["segment_index"], strict=True)
        names = {
            (row["_offset"], row["sequence"]): row["name"]
            for row in tables["hl7v2_segments"].select(["_offset", "sequence", "name"]).to_pylist()
        }
        rows["MSH"] += tables["hl7v2_messages"].num_rows
        rows["PID"] += sum(names[offset.as_py(), index.as_py()] == "PID" for offset, index in leading)
        rows["OBX"] += tables["hl7v2_observations"].num_rows
        rows["OBR"] += len(orders) - orders.null_count
        rows["NTE"] += notes.to_pylist().count("NTE")
        rows["Z"] += sum(name[0] == "Z" for name in names.values())
    return rows


def quarantined(parsed: list[Parsed], data: bytes) -> Counter[str]:
    """Lines by segment in the spans that were rejected."""
    rows: Counter[str] = Counter()
    for each in parsed:
        for span in each.rejects.to_pylist():
            if span["code"] not in NAMED:
                continue
            text = data[span["_offset"] : span["_offset"] + span["_length"]]
            for name in re.findall(rb"(?:^|[\r\n\x0b])(MSH|PID|OBX|OBR|NTE|Z[A-Z0-9]{2})(?=[^A-Za-z0-9\r\n])", text):
                rows["Z" if name[:1] == b"Z" else name.decode()] += 1
    return rows


def test_rows_of_every_file_are_those_of_an_independent_count(corpus: Path) -> None:
    differences = {}
    for name, row, data in files(corpus):
        parsed = chunks(data)
        found, missing = read_rows(parsed), quarantined(parsed, data)
        for column, segment in COUNTED.items():
            counted = int(row[column])
            if not found[segment] <= counted <= found[segment] + missing[segment]:
                differences[name, segment] = (counted, found[segment], missing[segment])
    assert differences == {}


def test_segments_put_every_message_together_byte_for_byte(corpus: Path) -> None:
    together: dict[tuple[str, int, bytes], bytes] = {}
    for name, _, data in files(corpus):
        for each in chunks(data):
            columns = ("_offset", "_record_id", "raw", "terminator")
            for row in each.tables["hl7v2_segments"].select(columns).to_pylist():
                key = (name, row["_offset"], row["_record_id"])
                together[key] = together.get(key, b"") + row["raw"] + row["terminator"]
    assert len(together) > 1000
    assert all(hashlib.sha256(whole).digest() == record_id for (_, _, record_id), whole in together.items())


def test_every_table_of_every_file_is_valid_and_whole(corpus: Path) -> None:
    for name, _, data in files(corpus):
        for each in chunks(data):
            for table in each.tables.values():
                table.validate(full=True)
            assert each.tables["hl7v2_messages"]["_record_id"].null_count == 0, name
