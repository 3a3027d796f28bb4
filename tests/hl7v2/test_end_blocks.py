"""A message ends at its MLLP end block; text behind that is quarantined."""

import pytest

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.hl7v2.framing import frames

ADT = b"MSH|^~\\&|A|B|C|D|20200102||ADT^A01|1|P|2.5\rPID|1||77\rPV1|1|I"
ORU = b"MSH|^~\\&|A|B|C|D|20200102||ORU^R01|2|P|2.5\nPID|1\n\nOBX|1|TX|X||two\nlines"
SHORT = b"MSH|^~\\&\rPID|1"
TWICE = b"MSH|^^\\&|A|B\rPID|1"


def spans(data, **options):
    """(messages, quarantined spans with their code and how many records they count as) of an object."""
    messages, rejects, size = [], [], 0
    for framed in frames([Piece(0, RawObject("/in/a.hl7", len(data), 0), [data])], ReadOptions(**options)):
        frame = framed.frame
        messages += [frame.raw[a:b].tobytes() for a, b in zip(frame.raw_starts, frame.raw_ends, strict=True)]
        for row in framed.rejects.to_pylist():
            rejects += [(row["code"], data[row["_offset"] :][: row["_length"]], row["records"])]
        [account] = framed.accounts.to_pylist()
        size += account["record_bytes"] + account["quarantined_bytes"] + account["envelope_bytes"]
    assert size == len(data)
    return messages, rejects


@pytest.mark.parametrize("end", [b"\r\x1c\r", b"\x1c\r", b"\n\x1c\n", b"\r\n\x1c\r\n", b"\r\x1c", b"\r\x1c\x1c\r\0"])
@pytest.mark.parametrize("text", [b"------------", b"PID|1||lost", b"sent 1\r\n\r\n\x1c\rsent 2", b"\xe4 \x1c"])
def test_a_message_ends_at_its_end_block_and_text_behind_that_is_quarantined(end, text):
    data = b"\x0b" + ADT + end + b" \n" + text + b"\n\t\x0b" + ORU + b"\r\x1c\r"
    assert spans(data) == ([ADT, ORU], [("HL7_TEXT_AFTER_MESSAGE", text.rstrip(b"\x1c "), 0)])


@pytest.mark.parametrize("behind", [b"", b"BTS|1\r", b"\x0b" + ORU, b"\xef\xbb\xbf\r" + ORU])
def test_nothing_is_quarantined_between_an_end_block_and_what_starts_behind_blank_lines(behind):
    assert spans(b"\x0b" + ADT + b"\r\x1c\r\r\n \t\n" + behind)[1] == []
    assert spans(b"\x0b" + ADT + b"\r\x1c\r\r\n \t\n" + behind)[0][0] == ADT


@pytest.mark.parametrize("byte", [b"\x1c", b"\x1c ", b"\x1c\n", b"\x1c\x1c|", b"\x0b\x1c|", b"\x1c|\r"])
def test_the_byte_of_an_end_block_within_a_line_and_not_before_cr_is_content(byte):
    message = ADT + b"|a" + byte + b"NTE|1"
    assert spans(message + b"\r\x1c\r") == ([message], [])


@pytest.mark.parametrize(("header", "code"), [(SHORT, "HL7_MSH_SHORT"), (TWICE, "HL7_SEPARATORS")])
def test_a_message_that_cannot_be_read_and_the_text_behind_its_end_block_are_two_spans(header, code):
    rejects = [(code, header, 1), ("HL7_TEXT_AFTER_MESSAGE", b"sent", 0)]
    assert spans(header + b"\r\x1c\rsent\r" + ADT) == ([ADT], rejects)


def test_a_message_that_is_too_long_with_the_text_behind_its_end_block_is_quarantined_with_it():
    both = ADT + b"\r\x1c\r" + b"sent " * 20 + b"."
    rejects = [("HL7_RECORD_TOO_LONG", both, 1)]
    assert spans(both + b"\r" + ADT, max_record_bytes=len(both)) == ([ADT], rejects)


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_message_in_utf16_ends_at_its_end_block(order):
    codec = f"utf-16-{order[0]}e"
    parts = [each.encode(codec) for each in ("\ufeff", ADT.decode(), "\r\x1c\r", "sent", "\n", ORU.decode())]
    assert spans(b"".join(parts)) == ([parts[1], parts[5]], [("HL7_TEXT_AFTER_MESSAGE", parts[3], 0)])
