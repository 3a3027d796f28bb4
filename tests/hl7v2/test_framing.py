"""Bytes → messages: where they begin, what is quarantined, and that every split gives what the whole gives."""

import dataclasses
import hashlib
import itertools
import re
from unittest import mock

import hl7
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import ROOM_BEHIND, Piece, Pieces, RawObject, ReadOptions, Stretch
from connectors.hl7v2.frame import PADDING
from connectors.hl7v2.framing import frames
from connectors.storage import ranges
from connectors.storage.ranges import RangeBlocks

ADT = b"MSH|^~\\&|A|B|C|D|20200102||ADT^A01|1|P|2.5\rPID|1||77\rPV1|1|I"
ORU = b"MSH|^~\\&|A|B|C|D|20200102||ORU^R01|2|P|2.5\nPID|1\n\nOBX|1|TX|X||two\nlines"
SHORT = b"MSH|^~\\&\rPID|1"
TWICE = b"MSH|^^\\&|A|B\rPID|1"
ODDITIES = (
    b"\xef\xbb\xbf \r\nprose before\n\x0bFHS|^~\\&|x\rBHS|^~\\&\r"
    + ADT
    + b"\r\r\n\x1c\r\n--- sent ---\n\x0b"
    + ORU
    + b"\n\x00\xef\xbb\xbf"
    b"BTS|2\rafter the trailer\r" + SHORT + b"\rBHS\xff^\r" + TWICE + b"\rFTS|1\r\x1a\n" + ADT + b"\r\nMSHX|no\nMSH"
)

NUMBERS = ("records", "quarantined", "record_bytes", "quarantined_bytes", "envelope_bytes")


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


def placed(data, start, end, ordinal):
    """The same, of blocks that are read to where they are wanted."""

    def copy(place, at):
        place[:] = np.frombuffer(data[at : at + len(place)], np.uint8)

    blocks = RangeBlocks(copy, start, end, len(data))
    assert blocks.before == data[max(start - 4, 0) : start]
    return Piece(ordinal, RawObject("/in/a.hl7", len(data), 0), blocks, start, end, blocks.before)


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
        ("HL7_TEXT_AFTER_MESSAGE", 12),
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


def split(data, cuts, **options):
    """The data read in ranges that end at the cuts; where their blocks are read to changes nothing."""
    borders = [0, *sorted(cuts), len(data)]
    found = read([piece(data, a, b, n) for n, (a, b) in enumerate(itertools.pairwise(borders))], **options)
    with mock.patch.multiple(ranges, BLOCK_BYTES=7, BEYOND_BYTES=3, _ROOM_BYTES=21):
        pieces = [placed(data, a, b, n) for n, (a, b) in enumerate(itertools.pairwise(borders)) if a < b]
        assert not data or read(pieces, **options) == found
    return found


def assert_same(one, other):
    assert one[0] == other[0]
    assert without_piece(one[1]) == without_piece(other[1])
    assert one[2] == other[2]
    assert without_lone_counts(one[3]) == without_lone_counts(other[3])


def without_lone_counts(envelopes):
    """No rows where an object has no envelope line: ranges cannot know that, and count their messages."""
    lined = {row["_object"] for row in envelopes if row["kind"] != "MSH"}
    return [row for row in envelopes if row["_object"] in lined]


@pytest.mark.parametrize("cut", range(1, len(ODDITIES)))
def test_two_ranges_give_what_the_whole_gives(cut):
    assert_same(split(ODDITIES, [cut], chunk_bytes=64), read([piece(ODDITIES)]))


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_many_ranges_give_what_the_whole_gives(size):
    assert_same(split(ODDITIES, range(size, len(ODDITIES), size)), read([piece(ODDITIES)]))


@pytest.mark.parametrize("longest", [20, 45, 64, 70])
@pytest.mark.parametrize("cut", [0, 90, 200, 301])
def test_records_over_the_limit_are_rejected_alike_in_any_range_and_chunk(longest, cut):
    whole = read([piece(ODDITIES)], max_record_bytes=longest)
    assert_same(split(ODDITIES, [cut] if cut else [], max_record_bytes=longest, chunk_bytes=64), whole)
    assert_balanced(ODDITIES, whole)
    assert "HL7_RECORD_TOO_LONG" in {row["code"] for row in whole[1]}


FRAGMENTS = [
    *(ADT, ORU, SHORT, TWICE, b"text", b"\xe4", b"{", b"<x>"),
    *(b"\r", b"\n", b"\r\n", b"\x0b", b"\x1c\r", b"\x1c", b"\0", b"\x1a", b"\xef\xbb\xbf", b"\xef\xbb", b" ", b"\t"),
    *(b"FHS|^~\\&", b"BHS", b"BTS|2|", b"BTS", b"FTS|1", b"FTS||"),
    *(b"MSH", b"MSH|", b"MSH ", b"MSHA", b"MSH\xff^", b"MSH: 5", b"BTS$4", b"FTS$$", b"BTS: 4", b"FHS:a"),
    b"\rMSH|^~\\&|" + b"|" * 14 + b"8859/1|\rNTE|1||\xe4",
    b"\rMSH$%~|$" + b"$" * 15 + b"UTF-8~ASCII$\xe4",
]
PIECES_OF_TEXT = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map(b"".join)
LINE_END = rb"[\r\n\x0b\x1c\0\x1a]"
SEPARATOR = rb"[^A-Za-z0-9 \r\n\x0b\x1c\0\x1a]"
START = re.compile(
    rb"(?:(?<=" + LINE_END + rb")|(?<=\xef\xbb\xbf)|\A)"
    rb"(?:(?:(?P<message>MSH)|[FB]HS)(?=\||" + SEPARATOR + SEPARATOR + rb")"
    rb"|[FB]TS(?=\||\Z|" + LINE_END + rb"|(?P<s>" + SEPARATOR + rb")(?:[0-9]|(?P=s)|\Z|" + LINE_END + rb")))"
)


END_BLOCK = re.compile(rb"(?<=[\r\n])\x1c|\x1c(?=\r)")


def message_starts(data):
    """(offset, bytes) of every message start, the slow and obvious way."""
    found = list(START.finditer(data))
    ends = [match.start() for match in found[1:]] + [len(data)] * bool(found)
    for match, end in zip(found, ends, strict=True):
        if match.group("message"):
            content = END_BLOCK.split(data[match.start() : end])[0]
            content = re.sub(rb"(?:[\r\n\x0b\x1c\0\x1a]|\xef\xbb\xbf)+\Z", b"", content)
            yield match.start(), content


@settings(derandomize=True, max_examples=300, deadline=None)
@given(PIECES_OF_TEXT)
def test_messages_equal_the_obvious_reading(data):
    messages, rejects, _, _ = result = read([piece(data)])
    rejected = [row for row in rejects if row["position"] or row["code"] == "HL7_RECORD_TOO_LONG"]
    found = [(offset, raw) for _, offset, raw, _ in messages]
    found += [(row["_offset"], data[row["_offset"] : row["_offset"] + row["_length"]]) for row in rejected]
    assert sorted(found) == list(message_starts(data))
    assert_balanced(data, result)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(PIECES_OF_TEXT, st.data(), st.integers(64, 200), st.sampled_from([30, 80, 1 << 20]))
def test_any_split_chunk_and_limit_gives_what_the_whole_gives(data, draw, chunk_bytes, longest):
    cuts = draw.draw(st.sets(st.integers(1, len(data) - 1), max_size=4)) if len(data) > 1 else set()
    whole = read([piece(data)], max_record_bytes=longest)
    assert_same(split(data, cuts, max_record_bytes=longest, chunk_bytes=chunk_bytes), whole)
    assert_same(read([piece(data, block=3)], max_record_bytes=longest, chunk_bytes=chunk_bytes), whole)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(PIECES_OF_TEXT, max_size=5), st.integers(64, 400))
def test_objects_read_together_give_what_each_gives_alone(objects, chunk_bytes):
    pieces = [piece(data, ordinal=n, uri=f"/in/{n}") for n, data in enumerate(objects)]
    alone = [read([one]) for one in [piece(data, ordinal=n, uri=f"/in/{n}") for n, data in enumerate(objects)]]
    together = read(pieces, chunk_bytes=chunk_bytes)
    for part in (0, 1, 3):
        assert together[part] == [row for result in alone for row in result[part]]
    for name, total in together[2].items():
        assert total == sum(result[2][name] for result in alone)


@pytest.mark.parametrize(
    "line", [b"MSH: 5.1 pg/ml", b"MSH-3 low", b"MSH", b"BTS notified", b"BTS: see note", b"FHS, BHS"]
)
@pytest.mark.parametrize("end", [b"\r", b"\n", b""])
def test_a_line_of_free_text_that_begins_like_a_segment_starts_nothing(line, end):
    data = ORU + b"\n" + line + end
    assert [raw for _, _, raw, _ in read([piece(data)])[0]] == [ORU + b"\n" + line]


@pytest.mark.parametrize("trailer", [b"BTS", b"BTS|1", b"BTS|", b"BTS$1", b"FTS$$x", b"FTS$"])
@pytest.mark.parametrize("end", [b"\r", b"\n", b""])
def test_a_trailer_ends_the_message_with_or_without_fields_and_with_any_separator(trailer, end):
    assert [raw for _, _, raw, _ in read([piece(ADT + b"\r" + trailer + end)])[0]] == [ADT]


def test_no_pieces_give_no_chunks():
    assert list(frames([], ReadOptions())) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "HL7_EMPTY"),
        (b"\xef\xbb\xbf \r\n\0\x1a", "HL7_EMPTY"),
        (b'\xef\xbb\xbf {"resourceType": "Bundle"}', "HL7_JSON"),
        (b"\n[1]", "HL7_JSON"),
        (b"<?xml version='1.0'?><ADT_A01/>", "HL7_XML"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "HL7_BINARY"),
        (b"name,value\nMSHX,1 MSH|^~\\&|", "HL7_NO_MESSAGE"),
        ("{}".encode("utf-16"), "HL7_JSON"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [64, 1 << 20])
def test_an_object_without_a_message_is_one_rejected_record_with_its_own_code(data, code, chunk_bytes):
    data += b" " * 100 * bool(data) if b"{}" not in data.replace(b"\0", b"") else b""
    _, rejects, sums, _ = result = read([piece(data)], chunk_bytes=chunk_bytes)
    assert [(row["code"], row["records"], row["_offset"], row["_length"]) for row in rejects] == [
        (code, 1, 0, len(data))
    ]
    assert (sums["records"], sums["envelope_bytes"]) == (1, 0)
    assert_balanced(data, result)


def test_an_envelope_without_messages_is_an_empty_batch_and_no_error():
    data = b"FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|1\r"
    assert read([piece(data)])[1:3] == ([], dict.fromkeys(NUMBERS, 0) | {"envelope_bytes": len(data)})


@pytest.mark.parametrize(
    ("header", "code", "position"),
    [
        (b"MSH|", "HL7_MSH_SHORT", "MSH"),
        (b"MSH||A", "HL7_MSH_SHORT", "MSH"),
        (b"MSH|^~\\&", "HL7_MSH_SHORT", "MSH"),
        (b"MSH|^~\\&#@|A", "HL7_SEPARATORS", "MSH-2"),
        (b"MSH|^~\\^|A", "HL7_SEPARATORS", "MSH-2"),
        (b"MSH|^~a&|A", "HL7_SEPARATORS", "MSH-2"),
        (b"MSH|^~ &|A", "HL7_SEPARATORS", "MSH-2"),
        (b"MSH|^~\x07&|A", "HL7_SEPARATORS", "MSH-2"),
        (b"MSH\t^~\\&\tA", "HL7_SEPARATORS", "MSH-2"),
        (b"MSH\xa7^~\\&\xa7A", "HL7_SEPARATORS", "MSH-2"),
    ],
)
def test_a_message_with_an_unreadable_header_is_rejected_and_its_neighbours_go_on(header, code, position):
    messages, rejects, _, _ = read([piece(ADT + b"\r" + header + b"\rPID|1\r" + ORU)])
    assert [raw for _, _, raw, _ in messages] == [ADT, ORU]
    assert [(row["code"], row["position"], row["records"]) for row in rejects] == [(code, position, 1)]
    assert (rejects[0]["_offset"], rejects[0]["_length"]) == (len(ADT) + 1, len(header) + 6)


@pytest.mark.parametrize(
    "header", [b"MSH|^|A", b"MSH|^~|A", b"MSH|^~\\|A", b"MSH|^~\\&#|A", b"MSH^|~\\&^A", b"MSH$%@/!$A"]
)
def test_short_long_and_other_separators_are_read(header):
    assert [raw for _, _, raw, _ in read([piece(header)])[0]] == [header]


def test_every_header_is_judged_as_if_it_stood_alone_whatever_the_headers_before_it():
    headers = [
        ADT,
        b"MSH|^~\\&|",
        b"MSH|^~\\&",
        b"MSH|^~\\&#|A",
        b"MSH|^~\\^|A",
        b"MSH#^~\\&#A",
        b"MSH|~^\\&|A",
        b"MSH|^|~\\&|",
    ]
    alone = {header: not read([piece(header)])[1] for header in headers}
    for three in itertools.product(headers, repeat=3):
        messages, rejects, _, _ = read([piece(b"\r".join(three), block=1000)])
        assert [raw for _, _, raw, _ in messages] == [header for header in three if alone[header]]
        assert len(rejects) == sum(not alone[header] for header in three)


def test_a_name_at_the_end_of_an_object_starts_nothing_though_the_next_object_begins_with_a_bar():
    messages, _, _, _ = read([piece(ADT + b"\rMSH"), piece(b"|A|B\r" + ADT, ordinal=1, uri="/in/b.hl7")])
    assert [raw for _, _, raw, _ in messages] == [ADT + b"\rMSH", ADT]


def test_the_frame_is_padded_with_zeros_and_shares_its_buffer_when_nothing_is_transcoded():
    frame = next(frames([piece(ADT + b"\r")], ReadOptions())).frame
    assert frame.raw is frame.text
    assert frame.text.size == frame.size + PADDING == len(ADT) + 1 + PADDING
    assert not frame.text[frame.size :].any()


def test_reading_stops_soon_behind_the_end_of_a_range():
    data = (ADT + b"\r") * 20_000
    taken = []
    blocks = (taken.append(at) or data[at : at + 4096] for at in range(0, len(data), 4096))
    result = read([Piece(0, RawObject("/in/a", len(data), 0), blocks, 0, 100_000, b"")])
    assert len(result[0]) == -(-100_000 // (len(ADT) + 1))
    assert max(taken) < 100_000 + (128 << 10)


def test_a_range_is_parsed_where_it_was_read():
    data = (ADT + b"\r") * 400_000
    read_to = []

    def copy(place, at):
        read_to.append((place.ctypes.data, at, len(place)))
        place[:] = np.frombuffer(data[at : at + len(place)], np.uint8)

    start, end = 9_000_000, 18_000_000
    blocks = RangeBlocks(copy, start, end, len(data))
    with mock.patch.object(RangeBlocks, "__iter__", side_effect=AssertionError):
        [framed] = frames(
            [Piece(0, RawObject("/in/a", len(data), 0), blocks, start, end, blocks.before)], ReadOptions()
        )
    room = read_to[0][0] - read_to[0][1]
    assert [address - at for address, at, _ in read_to] == [room] * len(read_to)
    assert framed.frame.text.ctypes.data == room + -(-start // (len(ADT) + 1)) * (len(ADT) + 1)
    assert len(framed.frame) == -(-end // (len(ADT) + 1)) - -(-start // (len(ADT) + 1))
    assert not framed.frame.text[framed.frame.size :].any()


def test_one_long_message_in_small_chunks_is_read_whole():
    message = ADT + b"\rOBX|1|ED|X||" + b"QUJD" * 500_000
    messages, rejects, _, _ = read([piece(ADT + b"\r" + message + b"\r" + ORU, block=1 << 16)], chunk_bytes=1 << 16)
    assert [raw for _, _, raw, _ in messages] == [ADT, message, ORU]
    assert rejects == []


def test_python_hl7_splits_a_batch_into_the_same_messages():
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + b"\r".join([ADT, ADT.replace(b"77", b"78")]) + b"\rBTS|2\rFTS|1\r"
    twin = [str(message).rstrip("\r").encode() for message in hl7.parse_file(batch.decode())[0]]
    assert [raw for _, _, raw, _ in read([piece(batch)])[0]] == twin


OBJECTS = (b"", ADT, ODDITIES, ADT + b"\r" + ORU, b"prose", ADT.decode().encode("utf-16"), b"\xfe", b"\r\0", ORU * 9)


def stretch(data, first):
    room = np.zeros(sum(map(len, data)) + ROOM_BEHIND, np.uint8)
    room[:-ROOM_BEHIND] = np.frombuffer(b"".join(data), np.uint8)
    ordinals = range(first, first + len(data))
    raws = [RawObject(f"/in/{n}", len(each), 0) for n, each in zip(ordinals, data, strict=True)]
    return Stretch(ordinals, raws, np.cumsum([0, *map(len, data)]), room)


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=6), max_size=4),
    chunk_bytes=st.sampled_from([64, 300, 1000, 1 << 20]),
)
def test_small_objects_together_give_what_each_gives_alone(data, chunk_bytes):
    firsts = [0, *itertools.accumulate(map(len, data))]
    stretches = [stretch(each, first) for each, first in zip(data, firsts, strict=False)]
    together = list(frames(Pieces(iter(stretches)), ReadOptions(chunk_bytes=chunk_bytes)))
    alone = list(frames(list(Pieces(iter(stretches))), ReadOptions(chunk_bytes=chunk_bytes)))
    assert len(together) == len(alone)
    for one, other in zip(together, alone, strict=True):
        assert (one.rejects, one.accounts, one.envelopes) == (other.rejects, other.accounts, other.envelopes)
        for name in (field.name for field in dataclasses.fields(one.frame)):
            mine, theirs = getattr(one.frame, name), getattr(other.frame, name)
            assert np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs
