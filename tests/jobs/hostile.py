"""A folder of everything that a sender may put where messages are wanted, with what must become of each object."""

from __future__ import annotations

import base64
import bz2
import gzip
from dataclasses import dataclass

import zstandard
from running import file_of

CANARY = b"ZQ"
"""Begins every value of these files that tells about a person, and nothing else in them."""
CANARIES = ["ZQNAME", "ZQGIVEN", "ZQSTREET", "ZQ77", "ZQJSON", "ZQXML", "ZQTEXT", "ZQBROKEN", "ZQBINARY", "ZQNUL"]

HEADER = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5"
BROKEN = HEADER + b"||||||KLINGON\rPID|1||ZQBROKEN"
TEXT_CODES = ("HL7_TEXT_BEFORE_MESSAGE", "HL7_TEXT_AFTER_MESSAGE", "HL7_TEXT_AFTER_ENVELOPE")
"""Spans that count as bytes and as no record."""
READABLE_HEADER = len(b"MSH|^~\\&|")
"""From here on a header that is cut has an MSH-2 that ends, and so separators."""


@dataclass(frozen=True)
class Expected:
    """What becomes of an object. written: records. spans: code, offset, length of what is quarantined.

    read: bytes that are read from it, after decompression. counted: records of an object that is quarantined whole.
    """

    content: bytes
    read: int
    written: int = 0
    spans: tuple[tuple[str, int, int], ...] = ()
    counted: int | None = None

    @property
    def quarantined(self) -> int:
        return self.counted if self.counted is not None else sum(code not in TEXT_CODES for code, _, _ in self.spans)

    @property
    def outcome(self) -> str:
        return "written" if self.written else "quarantined"


def good(*controls: str, **facts: int) -> bytes:
    """Messages whose patient is a canary."""
    named = file_of(*controls, patient="ZQ77", **facts)
    return named.replace(b"DOE^JANE", b"ZQNAME^ZQGIVEN").replace(b"1 ELM ST", b"ZQSTREET")


def written(content: bytes, records: int, *spans: tuple[str, int, int], read: int | None = None) -> Expected:
    return Expected(content, len(content) if read is None else read, records, spans)


def whole(code: str, content: bytes, read: int | None = None, records: int = 1) -> Expected:
    """An object that is quarantined as one span, of so many records."""
    size = len(content) if read is None else read
    return Expected(content, size, 0, ((code, 0, size),), records)


def small() -> dict[str, Expected]:
    """Key → what becomes of it; none over 6 KB."""
    return {**_named(), **_no_messages(), **_compressed(), **_encoded(), **_cut(), **_mixed()}


def large() -> dict[str, Expected]:
    """A document of 5 MB in OBX-5 between two neighbours, and what a few bytes become 100 MB of."""
    document = base64.b64encode(b"ZQTEXT" * 655_360)
    middle = good("2").replace(b"|NM|", b"|ED|").replace(b"||90|", b"||^AP^^Base64^" + document + b"|")
    return {
        "large/document.hl7": written(good("1") + middle + good("3"), 3),
        "large/bomb.hl7.gz": whole("EXPANSION_LIMIT", gzip.compress(bytes(100 << 20))),
        "large/bomb.hl7.bz2": whole("EXPANSION_LIMIT", bz2.compress(bytes(100 << 20))),
    }


def _named() -> dict[str, Expected]:
    """Good objects under names that are no trouble to a store."""
    names = [
        "a name with blanks.hl7",
        "100%.hl7",
        "percent%2Fencoded%41.hl7",
        "quotes'\"`.hl7",
        "back\\slash.hl7",
        "plus+and=more&#?.hl7",
        "[a]{b}*?.hl7",
        "Zürich/名前 🏥.hl7",
        "zu\u0308rich decomposed.hl7",
        "tab\tand bell\a.hl7",
        "x.hl7/within.hl7",
        "named.gz/within.hl7",
        "plain.hl7.gz",
        "without an ending",
        ".hidden.hl7",
        "-dash.hl7",
        "case.hl7",
        "CASE.hl7",
        "Case.HL7",
        "n/" * 300 + "deep.hl7",
    ]
    return {f"names/{name}": written(good(name[-9:], "b"), 2) for name in names}


def _no_messages() -> dict[str, Expected]:
    return {
        "none/empty.hl7": whole("HL7_EMPTY", b""),
        "none/empty.hl7.gz": whole("HL7_EMPTY", b""),
        "none/lines.hl7": whole("HL7_EMPTY", b"\r\n\n\r\r\n"),
        "none/nul.hl7": whole("HL7_EMPTY", bytes(5000)),
        "none/mark.hl7": whole("HL7_EMPTY", b"\xef\xbb\xbf"),
        "none/wide mark.hl7": whole("HL7_EMPTY", b"\xff\xfe"),
        "none/a.json": whole("HL7_JSON", b'{"name": "ZQJSON", "note": "MSH|^~"}'),
        "none/a.xml": whole("HL7_XML", b"<?xml version='1.0'?><ADT_A01>ZQXML</ADT_A01>"),
        "none/a.png": whole("HL7_BINARY", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20 + b"ZQBINARY"),
        "none/a.txt": whole("HL7_NO_MESSAGE", b"Dear ZQTEXT,\r\nno message today.\r\n"),
        "none/segments.hl7": whole("HL7_NO_MESSAGE", b"PID|1||ZQ77\rPV1|1|I\r"),
    }


def _compressed() -> dict[str, Expected]:
    two, size = good("1", "2"), len(good("1", "2"))
    return {
        "packed/good.gz": written(gzip.compress(two), 2, read=size),
        "packed/good.zst": written(zstandard.compress(two), 2, read=size),
        "packed/good.bz2": written(bz2.compress(two), 2, read=size),
        "packed/unnamed.hl7": written(gzip.compress(two), 2, read=size),
        "packed/nothing.zst": whole("HL7_EMPTY", zstandard.compress(b""), read=0),
        "packed/nothing.gz": whole("HL7_EMPTY", gzip.compress(b""), read=0),
        "packed/torn.gz": whole("COMPRESSION_DAMAGED", gzip.compress(two)[:-12], records=2),
        "packed/torn.zst": whole("COMPRESSION_DAMAGED", zstandard.compress(two)[:-5]),
        "packed/torn.bz2": whole("COMPRESSION_DAMAGED", bz2.compress(two)[:-5], records=2),
        "packed/tail.gz": whole("COMPRESSION_DAMAGED", gzip.compress(two) + b"ZQTEXT", records=2),
    }


def _encoded() -> dict[str, Expected]:
    text = good("1", "2").decode()
    little, big = b"\xff\xfe" + text.encode("utf-16-le"), b"\xfe\xff" + text.encode("utf-16-be")
    return {
        "encoded/little.hl7": written(little, 2),
        "encoded/big.hl7": written(big, 2),
        "encoded/half a character.hl7": written(little[:-1], 2),
        "encoded/marked.hl7": written(b"\xef\xbb\xbf" + good("1"), 1),
        "encoded/framed.hl7": written(b"\x0b" + good("1") + b"\x1c\r\x0b" + good("2") + b"\x1c\r\x1a", 2),
        "encoded/logged.hl7": written(
            b"\x0b" + good("1") + b"\x1c\rZQTEXT sent\n\x0b" + good("2") + b"\x1c\r",
            2,
            ("HL7_TEXT_AFTER_MESSAGE", len(good("1")) + 3, len(b"ZQTEXT sent")),
        ),
        "encoded/between nul.hl7": written(b"\0\0" + good("1") + b"\0\0" + good("2") + b"\0", 2),
        "encoded/within nul.hl7": written(good("1").replace(b"ZQNAME", b"ZQN\0AME\0"), 1),
        "encoded/windows.hl7": written(good("1").replace(b"ZQNAME", b"ZQNAM\xc9\x80"), 1),
        "encoded/declared.hl7": whole("HL7_UNDECODABLE", HEADER + b"||||||UNICODE UTF-8\rPID|1||ZQNAM\xc9"),
        "encoded/unknown.hl7": whole("HL7_CHARSET_UNKNOWN", BROKEN),
    }


def _cut() -> dict[str, Expected]:
    """A header cut at every short length: alone, and between two neighbours."""
    found: dict[str, Expected] = {}
    before, behind = good("1"), good("2")
    for size in range(1, 24):
        head = HEADER[:size]
        between = before + head + b"\r" + behind
        if size < READABLE_HEADER:
            alone = whole("HL7_NO_MESSAGE" if size < len(b"MSH|") else "HL7_MSH_SHORT", head)
            short = [("HL7_MSH_SHORT", len(before), size)] if size >= len(b"MSH|") else []
            among = written(between, 2, *short)
        else:
            alone, among = written(head, 1), written(between, 3)
        found |= {f"cut/{size:02}.hl7": alone, f"cut/{size:02} between.hl7": among}
    return found


def _mixed() -> dict[str, Expected]:
    """Bad and good in one object."""
    one, two, same = good("1"), good("2"), b"MSH|||||\rPID|1||ZQ77"
    at = len(one)
    return {
        "mixed/unknown.hl7": written(one + BROKEN + b"\r" + two, 2, ("HL7_CHARSET_UNKNOWN", at, len(BROKEN))),
        "mixed/separators.hl7": written(one + same + b"\r" + two, 2, ("HL7_MSH_SHORT", at, len(same))),
        "mixed/before.hl7": written(b"ZQTEXT before\r" + one, 1, ("HL7_TEXT_BEFORE_MESSAGE", 0, 13)),
        "mixed/json line.hl7": written(one + b'{"name": "ZQJSON"}\r' + two, 2),
        "mixed/binary behind.hl7": written(one + b"\x89PNG\x00\x01\x02ZQBINARY\r" + two, 2),
        "mixed/batch.hl7": written(b"FHS|^~\\&\rBHS|^~\\&\r" + one + two + b"BTS|7\rFTS|9\r", 2),
    }
