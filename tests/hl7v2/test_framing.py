"""Bytes → messages: where they begin, what is quarantined, and that every split gives what the whole gives."""

import hashlib

import pyarrow as pa
import pytest

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.hl7v2.framing import frames

ADT = b"MSH|^~\\&|A|B|C|D|20200102||ADT^A01|1|P|2.5\rPID|1||77\rPV1|1|I"
ORU = b"MSH|^~\\&|A|B|C|D|20200102||ORU^R01|2|P|2.5\nPID|1\n\nOBX|1|TX|X||two\nlines"
SHORT = b"MSH|^~\\&\rPID|1"
TWICE = b"MSH|^^\\&|A|B\rPID|1"
ODDITIES = (
    b"\xef\xbb\xbf \r\nprose before\n\x0bFHS|^~\\&|x\rBHS|^~\\&\r"
    + ADT
    + b"\r\r\n\x1c\r\x0b"
    + ORU
    + b"\n\x00\xef\xbb\xbf"
    b"BTS|2\rafter the trailer\r" + SHORT + b"\rBHS\xff\r" + TWICE + b"\rFTS|1\r\x1a\n" + ADT + b"\r\nMSHX|no\nMSH"
)


def read(pieces, **options):
    """The chunks of the pieces as plain values: messages (object, offset, raw, text), rejects, sums, envelopes."""
    messages, rejects, accounts, envelopes = [], [], [], []
    for framed in frames(pieces, ReadOptions(**options)):
        f = framed.frame
        for i in range(len(f)):
            raw = f.raw[f.raw_starts[i] : f.raw_ends[i]].tobytes()
            text = f.text[f.starts[i] : f.ends[i]].tobytes()
            assert f.record_id[i].tobytes() == hashlib.sha256(raw).digest()
            messages.append((f.objects[int(f.object_of[i])].as_py(), int(f.offset[i]), raw, text))
        rejects += framed.rejects.to_pylist()
        accounts.append(framed.accounts)
        envelopes += framed.envelopes.to_pylist()
    sums = pa.concat_tables(accounts).drop_columns("piece").to_pydict() if accounts else {}
    return messages, rejects, {name: sum(column) for name, column in sums.items()}, merged(envelopes)


def merged(rows):
    """Envelope rows with neighbouring counts of messages added up, as a reader of whole objects gives them."""
    out = []
    for row in rows:
        row = {name: value for name, value in row.items() if name != "piece"}
        if out and row["kind"] == "MSH" == out[-1]["kind"] and row["_object"] == out[-1]["_object"]:
            out[-1]["count"] += row["count"]
        else:
            out.append(row)
    return out


def piece(data, start=0, end=None, ordinal=0, block=5, uri="/in/a.hl7"):
    blocks = (data[i : i + block] for i in range(start, len(data), block))
    return Piece(ordinal, RawObject(uri, len(data), 0), blocks, start, end, data[max(start - 4, 0) : start])


def without_piece(rejects):
    return [{name: value for name, value in row.items() if name != "piece"} for row in rejects]


def assert_balanced(data, result):
    messages, rejects, sums, _ = result
    assert sums["record_bytes"] + sums["quarantined_bytes"] + sums["envelope_bytes"] == len(data)
    assert sums["record_bytes"] == sum(len(raw) for _, _, raw, _ in messages)
    assert sums["quarantined_bytes"] == sum(row["_length"] for row in rejects)
    assert sums["records"] == len(messages) + sums["quarantined"]
    assert sums["quarantined"] == sum(row["records"] for row in rejects)
    for row in rejects:
        span = data[row["_offset"] : row["_offset"] + row["_length"]]
        assert row["_record_id"] == hashlib.sha256(span).digest()


def test_all_oddities_of_one_file_are_told_apart():
    messages, rejects, sums, envelopes = result = read([piece(ODDITIES)])
    assert [raw for _, _, raw, _ in messages] == [ADT, ORU, ADT + b"\r\nMSHX|no\nMSH"]
    assert [(row["code"], row["_length"]) for row in rejects] == [
        ("HL7_TEXT_BEFORE_MESSAGE", 12),
        ("HL7_TEXT_AFTER_ENVELOPE", 17),
        ("HL7_MSH_SHORT", len(SHORT)),
        ("HL7_SEPARATORS", len(TWICE)),
    ]
    assert [(row["kind"], row["declared"], row["count"]) for row in envelopes] == [
        ("FHS", None, None),
        ("BHS", None, None),
        ("MSH", None, 2),
        ("BTS", 2, None),
        ("MSH", None, 1),
        ("BHS", None, None),
        ("MSH", None, 1),
        ("FTS", 1, None),
        ("MSH", None, 1),
    ]
    assert (sums["records"], sums["quarantined"]) == (5, 2)
    assert_balanced(ODDITIES, result)


@pytest.mark.parametrize("cut", range(1, len(ODDITIES)))
def test_two_ranges_give_what_the_whole_gives(cut):
    messages, rejects, sums, envelopes = read([piece(ODDITIES)])
    halves = read([piece(ODDITIES, 0, cut), piece(ODDITIES, cut, len(ODDITIES), 1)], chunk_bytes=64)
    assert halves[0] == messages
    assert without_piece(halves[1]) == without_piece(rejects)
    assert halves[2:] == (sums, envelopes)
