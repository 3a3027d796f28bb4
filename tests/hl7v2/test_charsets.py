"""Character sets: what MSH-18 names, and that every message becomes the UTF-8 that Python's codec gives."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.hl7v2 import charsets
from connectors.hl7v2.framing import frames

CODECS = {row["name"]: row["codec"] for row in charsets._rows()}
SINGLE = [name for name in charsets.NAMES if CODECS[name] not in ("ascii", "utf-8", "utf-16")]


def message(declared, content, separators=b"|^~\\&"):
    fields = separators[:1] * 15
    return b"MSH" + separators + separators[:1] + fields + declared + separators[:1] + b"\rNTE|1||" + content


def decoded(*messages):
    """(texts, names, assumed, rejects) of an object of these messages."""
    data = b"\r".join(messages)
    texts, names, assumed, rejects = [], [], [], []
    for framed in frames([Piece(0, RawObject("/in/a", len(data), 0), [data])], ReadOptions()):
        frame = framed.frame
        texts += [frame.text[a:b].tobytes() for a, b in zip(frame.starts, frame.ends, strict=True)]
        names += [charsets.NAMES[index] for index in frame.charset]
        assumed += frame.charset_assumed.tolist()
        rejects += [(row["code"], row["position"]) for row in framed.rejects.to_pylist()]
        for i, (a, b) in enumerate(zip(frame.raw_starts, frame.raw_ends, strict=True)):
            assert frame.record_id[i].tobytes() == hashlib.sha256(frame.raw[a:b].tobytes()).digest()
        assert not frame.text[frame.size :].any()
    return texts, names, assumed, rejects


def test_every_name_of_the_data_file_is_one_of_the_names_and_the_other_way_round():
    assert tuple(CODECS) == charsets.NAMES


# The names of each set, and bytes of it with their text, written out: nothing here comes from the data file. But for
# ASCII's no other codec of Python makes the same text of them. There is no 8859/12.
SETS = [
    ("ASCII", ("US-ASCII", "ISO-646-US", "ISO IR6", "ANSI X3.4-1968", "7-BIT ASCII"), b"Zoe #1", "Zoe #1"),
    ("8859/1", ("ISO-8859-1", "ISO IR100", "LATIN1", "LATIN-1"), b"\xddr \xa4\xa5\xfd\x80", "Ýr ¤¥ý\x80"),
    ("8859/2", ("ISO-8859-2", "ISO IR101", "LATIN2", "LATIN-2"), b"\xa3\xf3d\xbc \xb1", "Łódź ą"),
    ("8859/3", ("ISO-8859-3", "ISO IR109", "LATIN3"), b"\xa1a\xbf-\xafebbu\xf5 \xfd", "Ħaż-Żebbuġ ŭ"),
    ("8859/4", ("ISO-8859-4", "ISO IR110", "LATIN4"), b"K\xe0r\xb6\xb9 \xbf\xa2", "Kārļš ŋĸ"),
    ("8859/5", ("ISO-8859-5", "ISO IR144"), b"\xa7\xd6\xd0\xda \xf0", "Їжак №"),
    ("8859/6", ("ISO-8859-6", "ISO IR127"), b"\xe5\xcd\xe5\xcf", "محمد"),
    ("8859/7", ("ISO-8859-7", "ISO IR126"), b"\xb6\xed\xed\xe1 \xa4", "Άννα €"),
    ("8859/8", ("ISO-8859-8", "ISO IR138"), b"\xf9\xec\xe5\xed \xa4\xdf", "שלום ¤‗"),
    ("8859/9", ("ISO-8859-9", "ISO IR148", "LATIN5"), b"I\xf0d\xfdr \xde\xdd\xd0\x80", "Iğdır ŞİĞ\x80"),
    ("8859/10", ("ISO-8859-10", "ISO IR157", "LATIN6"), b"\xde\xf3r\xf0ur \xaf\xff", "Þórður Ŋĸ"),
    ("8859/11", ("ISO-8859-11", "ISO IR166"), b"\xe4\xb7\xc2\xa0\x80", "ไทย\xa0\x80"),
    ("8859/13", ("ISO-8859-13", "ISO IR179"), b"\xde\xe0sis \xa1", "Žąsis ”"),
    ("8859/14", ("ISO-8859-14", "ISO IR199"), b"\xd0\xfe \xa1\xb1", "Ŵŷ Ḃḟ"),
    ("8859/15", ("ISO-8859-15", "ISO IR203", "LATIN9", "LATIN-9"), b"\xa4 \xbcuvre \xb4\xe5", "€ Œuvre Žå"),
    ("UNICODE UTF-8", ("UNICODE", "UTF-8", "ISO IR192"), b"Zo\xc3\xab \xf0\x9f\x98\x80", "Zoë 😀"),
    (
        "WINDOWS-1252",
        ("CP1252", "CP-1252", "ANSI", "WINDOWS LATIN 1", "X-CP1252"),
        b"\x80 \x8cuvre \x8e\x9a",
        "€ Œuvre Žš",
    ),
]


@pytest.mark.parametrize(("name", "aliases", "content", "text"), SETS, ids=[each[0] for each in SETS])
def test_the_bytes_of_a_set_become_this_text_by_whichever_of_its_names(name, aliases, content, text):
    for declared in (name, *aliases):
        raw = message(declared.encode(), content)
        expected = raw.removesuffix(content) + text.encode()
        assert decoded(raw) == ([expected], [name], [False], []), declared


@pytest.mark.parametrize("declared", ["UNICODE UTF-16", "UTF-16", "UTF-16LE", "UTF-16BE", "UCS-2"])
def test_the_units_of_utf16_become_this_text_by_whichever_of_its_names(declared):
    head = message(declared.encode(), b"")
    low_first = b"\xff\xfe" + bytes(b for each in head for b in (each, 0)) + b"\xeb\x00\x3d\xd8\x00\xde"
    high_first = b"\xfe\xff" + bytes(b for each in head for b in (0, each)) + b"\x00\xeb\xd8\x3d\xde\x00"
    for data in (low_first, high_first):
        assert decoded(data) == ([head + "ë😀".encode()], ["UNICODE UTF-16"], [False], [])


def test_no_set_is_without_its_bytes_and_text_here():
    assert {*(each[0] for each in SETS), "UNICODE UTF-16"} == set(charsets.NAMES)


@pytest.mark.parametrize("name", SINGLE)
def test_every_byte_of_a_single_byte_set_becomes_what_its_codec_says(name):
    codec = CODECS[name]
    for byte in range(0x80, 0x100):
        raw = message(name.encode(), bytes([byte]))
        text = bytes([byte]).decode(codec, "ignore") or (chr(byte) if codec == "cp1252" else "")
        if text:
            assert decoded(raw) == ([raw[:-1] + text.encode()], [name], [False], [])
        else:
            assert decoded(raw) == ([], [], [], [("HL7_UNDECODABLE", "MSH-18")])


def test_the_declared_set_is_found_however_long_the_fields_before_it_are():
    for length in range(200):
        raw = message(b"8859/1", b"\xe9").replace(b"|||", b"|" + b"A" * length + b"||", 1)
        assert decoded(raw) == ([raw[:-1] + "é".encode()], ["8859/1"], [False], [])


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (b"8859/1", "8859/1"),
        (b"ISO-8859-15", "8859/15"),
        (b"iso 8859-2", "8859/2"),
        (b"8859/9~UNICODE UTF-8", "8859/9"),
        (b"8859/9^x", "8859/9"),
        (b"Windows-1252", "WINDOWS-1252"),
        (b"CP1252", "WINDOWS-1252"),
    ],
)
def test_the_first_repetition_of_msh_18_names_the_set(declared, name):
    raw = message(declared, b"\xe4")
    assert decoded(raw) == ([raw[:-1] + "ä".encode()], [name], [False], [])


@pytest.mark.parametrize("declared", [b"UNICODE UTF-8", b"UNICODE", b"utf8", b"UTF-8"])
def test_declared_utf8_passes_and_anything_else_in_it_is_rejected(declared):
    raw = message(declared, "Zoë 😀".encode())
    assert decoded(raw, message(declared, b"\xe4")) == (
        [raw],
        ["UNICODE UTF-8"],
        [False],
        [("HL7_UNDECODABLE", "MSH-18")],
    )


@pytest.mark.parametrize("declared", [b"", b'""', b"ASCII", b"US-ASCII"])
def test_bytes_above_ascii_without_a_declaration_are_utf8_if_they_can_be_else_windows_1252(declared):
    plain, utf8, other = (message(declared, content) for content in (b"a", "ß".encode(), b"\x80\x81"))
    texts, names, assumed, rejects = decoded(plain, utf8, other)
    assert texts == [plain, utf8, other[:-2] + "€\x81".encode()]
    assert (names, assumed, rejects) == (["ASCII", "UNICODE UTF-8", "WINDOWS-1252"], [False, True, True], [])


@pytest.mark.parametrize("declared", [b"KLINGON", b"ISO IR87", b"GB 18030-2000", b"8859/12", b"UNICODE UTF-32"])
def test_a_set_that_is_not_supported_is_rejected_even_for_plain_ascii_and_the_neighbours_go_on(declared):
    good = message(b"8859/1", b"\xfc")
    assert decoded(message(declared, b"a"), good) == (
        [good[:-1] + "ü".encode()],
        ["8859/1"],
        [False],
        [("HL7_CHARSET_UNKNOWN", "MSH-18")],
    )


def test_a_declaration_of_utf16_in_single_bytes_is_rejected():
    assert decoded(message(b"UNICODE UTF-16", b"a"))[3] == [("HL7_UNDECODABLE", "MSH-18")]


def test_msh_18_is_read_with_the_separators_of_its_own_message():
    raw = message(b"8859/5~x", b"\xd0", separators=b"$!~%@")
    assert decoded(raw)[:2] == ([raw[:-1] + "а".encode()], ["8859/5"])


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf16_objects_are_read_by_mark_or_pattern_with_offsets_of_the_raw_bytes(codec, mark):
    texts = [message(b"UNICODE UTF-16", b"").decode() + "Zoë ☃ 😀", message(b"", b"").decode() + "plain"]
    data = (mark + "FHS|^~\\&\r\n" + "\r\n".join(texts) + "\r\nFTS|1\r\n").encode(codec)
    framed = list(frames([Piece(0, RawObject("/in/a", len(data), 0), [data])], ReadOptions()))
    frame = framed[0].frame
    assert [frame.text[a:b].tobytes().decode() for a, b in zip(frame.starts, frame.ends, strict=True)] == texts
    spans = zip(frame.offset, frame.raw_ends - frame.raw_starts, strict=True)
    plain = "utf-16-be" if codec == "utf-16-be" else "utf-16-le"
    assert [data[a : a + n].decode(plain) for a, n in spans] == texts
    account = framed[0].accounts.to_pylist()[0]
    assert account["record_bytes"] == sum(len(text.encode(plain)) for text in texts)
    assert account["record_bytes"] + account["envelope_bytes"] == len(data)
    assert [row["declared"] for row in framed[0].envelopes.to_pylist()] == [None, None, 1]


@pytest.mark.parametrize("cut", [1, 2, 40, 101])
def test_an_object_in_utf16_belongs_to_its_first_range(cut):
    data = ("\ufeff" + message(b"", b"a").decode() + "\r\n").encode("utf-16-be") * 2
    raw = RawObject("/in/a", len(data), 0)
    pieces = [Piece(0, raw, [data], 0, cut), Piece(1, raw, [data[cut:]], cut, len(data), data[max(cut - 4, 0) : cut])]
    framed = list(frames(pieces, ReadOptions()))
    assert [len(one.frame) for one in framed] == [2, 0]
    sizes = [sum(row[name] for row in one.accounts.to_pylist()) for one in framed for name in BYTES]
    assert sum(sizes) == len(data)


BYTES = ("record_bytes", "quarantined_bytes", "envelope_bytes")


def test_a_broken_message_in_utf16_is_rejected_alone_and_half_a_unit_at_the_end_too():
    good = message(b"", b"a").decode().encode("utf-16-le")
    data = b"\xff\xfe" + good + b"\r\0" + good + b"\x00\xd8\r\0" + good + b"\n\0x"
    framed = next(frames([Piece(0, RawObject("/in/a", len(data), 0), [data])], ReadOptions()))
    assert len(framed.frame) == 2
    codes = [(row["code"], row["records"], row["_length"]) for row in framed.rejects.to_pylist()]
    assert codes == [("HL7_UNDECODABLE", 1, len(good) + 2), ("HL7_TEXT_CUT", 0, 1)]
    assert sum(framed.accounts[name].to_pylist()[0] for name in BYTES) == len(data)


def test_an_object_in_utf16_over_the_limit_is_rejected_whole_with_its_message_starts():
    data = ("\ufeff" + (message(b"", b"a").decode() + "\r") * 3).encode("utf-16-le")
    piece = Piece(0, RawObject("/in/a", len(data), 0), [data[:50], data[50:]])
    framed = next(frames([piece], ReadOptions(max_record_bytes=60)))
    row = framed.rejects.to_pylist()[0]
    assert (row["code"], row["records"], row["_length"]) == ("HL7_OBJECT_TOO_LONG", 3, len(data))
    assert row["_record_id"] == hashlib.sha256(data).digest()


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=12), st.text(max_size=80).map(str.encode)))
def test_well_formed_utf8_is_what_python_decodes(data):
    try:
        data.decode()
        expected = True
    except UnicodeDecodeError:
        expected = False
    for before in (b"", b"a" * 70):
        buf = np.frombuffer(before + data + b"\xbf" * 65, np.uint8)
        assert charsets.is_utf8(buf, 0, len(before + data)) == expected


@pytest.mark.parametrize("at", [0, 1, 63, 64, 65, 127, 130])
def test_a_high_byte_is_found_wherever_it_stands(at):
    data = np.zeros(131 + 64, np.uint8)
    data[at] = 0x80
    assert charsets.first_high(data, 0, 131) == at
    assert charsets.first_high(data, at + 1, 131) == 131
    assert charsets.first_high(data, 0, at) == at


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "ASCII", "UNICODE UTF-8", *SINGLE]), st.text("aé€Ж\x81", max_size=5))))
def test_mixed_sets_in_one_chunk_each_decode_as_declared(parts):
    raws, texts = [], []
    for name, content in parts:
        codec = CODECS[name] if name not in ("", "ASCII") else "utf-8"
        raw = content.encode(codec, "ignore")
        head = message(name.encode(), b"<")
        raws.append(head + raw + b">")
        texts.append(head + raw.decode(codec).encode() + b">")
    assert decoded(*raws)[0] == texts
