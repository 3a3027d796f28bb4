"""Messages with a value of its own in every part of every field, and which of the values a policy lets out.

What may be let out follows from three things alone: what the reference table calls a field, what HL7 puts into a
component of its data type (chapter 2A), and what the policy does to that category.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import zstandard

from jobs.privacy.policy import Policy

MARK = "ZQXV"
DAY = "19470301"
FLAVOURS = {"token": "{}", "words": "{} Zara, Ann", "number": "{}", "second": "{}", "deep": "{}"}
"""How a value is written: one word, words, digits; as the second repetition, as a second subcomponent."""

_CODED = {1: "code", 3: "code", 4: "code", 6: "code"}
_THREE_CODES = {1: "code", 2: "code", 3: "code"}
COMPONENTS: dict[str, dict[int, str]] = {
    **dict.fromkeys(("CE", "CWE", "CNE", "CF"), _CODED),
    **dict.fromkeys(("MSG", "PT", "VID", "FC", "SPS"), _THREE_CODES),
    "CX": {4: "facility", 5: "code", 6: "facility"},
    "XPN": {7: "code"},
    "XAD": {3: "address_city", 4: "address_state", 5: "address_zip", 6: "address_country", 7: "code"},
    "HD": {1: "facility"},
    "EI": {1: "code", 2: "facility"},
    "XON": {1: "organisation"},
    "PL": {1: "location", 2: "location", 3: "location", 4: "facility", 7: "location"},
    "LA1": {1: "location"},
    "LA2": {1: "location"},
    "DLN": {2: "address_state"},
    "DLD": {1: "location"},
    "OG": dict.fromkeys(range(1, 13), "code"),  # number, group and sequence are one text
    "CQ": {1: "quantity", 2: "code"},
}
"""The category of components that are neither names, identifiers, dates nor text; all others are one of these."""
PLACES = ("facility", "location", "organisation")
"""What names a place or a house: a code or words, and in parts (HD), so that subcomponents belong to it."""
_ROWS_OF_REPETITIONS = ("CX", "DLN")
_CODED_TYPES = ("CE", "CWE", "CNE", "CF", "ID", "IS")
_IDENTIFIES = re.compile(r"^(?:[A-Z](?:/[A-Z])* )")
_PARTS = 12
_DAYS = {"DTM": (1,), "DT": (1,), "TS": (1,), "DR": (1, 2), "CX": (7, 8), "DLN": (3,)}
"""Components that hold a day."""
_SIMPLE = ("ID", "IS", "NM", "SI", "SN", "ST")
_HELD = {"MSH": {1, 2, 7, 9, 10, 11, 12, 18}, "OBX": {2, 5}}


@dataclass
class Planted:
    """fields: (segment, field) → data type, and what the reference calls it. houses: (segment, field, component) → the
    category of columns that name a place or a house, though the reference calls it a code.
    places: number of a value → (flavour, segment, field, component).
    """

    fields: dict[tuple[str, int], tuple[str, str]]
    houses: dict[tuple[str, int, int], str]
    places: dict[int, tuple[str, str, int, int]] = field(default_factory=dict)

    def value(self, flavour: str, segment: str, place: int, component: int) -> str:
        """A new value that stands there."""
        number = len(self.places)
        self.places[number] = flavour, segment, place, component
        written = f"8{number:06}8808" if flavour == "number" else f"{MARK}{number:06}"
        return FLAVOURS[flavour].format(written)

    def category(self, segment: str, place: int, component: int) -> str:
        """What the reference and the data type say about a component; free_text where they say that it may be all."""
        if (segment, place) not in self.fields:
            return "free_text"
        kind, told = self.fields[segment, place]
        if kind == "XON" and "employer" in told and not told.startswith("A/R"):
            return "employer"
        if told.startswith("none") and (segment, place, component) in self.houses:
            return self.houses[segment, place, component]
        if kind in COMPONENTS:
            return COMPONENTS[kind].get(component, "free_text")
        if component > 1 or (kind in _SIMPLE and _IDENTIFIES.match(told)):
            return "free_text"
        if kind in _SIMPLE:
            return {"NM": "quantity", "SI": "technical"}.get(kind, "code")
        return "free_text"

    def may_stand(self, number: int, policy: Policy) -> bool:
        """Whether a policy lets the value of that number out."""
        flavour, segment, place, component = self.places[number]
        kind, _ = self.fields.get((segment, place), ("", ""))
        category = self.category(segment, place, component)
        if flavour == "second" and kind not in _ROWS_OF_REPETITIONS:
            return False
        if flavour == "deep" and category not in PLACES and kind != "DLN":
            return False
        if flavour == "number" and category == "technical":
            return False
        action = policy.action(category).name
        return action == "keep" or (action == "one_word" and flavour != "words")


def message(planted: Planted, flavour: str) -> bytes:
    """An ORU^R01 with a value in each component of each field of each segment of the reference, and in Z segments."""
    segments: dict[str, dict[int, str]] = {"MSH": {}, "PID": {}, "OBX": {}}
    for segment, place in planted.fields:
        if place in _HELD.get(segment, ()):
            continue
        kind, _ = planted.fields[segment, place]
        values = [planted.value(flavour, segment, place, c) for c in range(1, _parts(kind) + 1)]
        if flavour == "token":
            for component in _DAYS.get(kind, ()):
                values[component - 1] = DAY
        if flavour == "second":
            values = [f"~{'^'.join(values)}"]
        elif flavour == "deep":
            values = [f"&{value}" for value in values]
        segments.setdefault(segment, {})[place] = "^".join(values)
    for unknown in ("ZPI", "ZZZ", "QQ1"):
        segments[unknown] = {place: planted.value(flavour, unknown, place, 1) for place in range(1, 6)}
    head = segments.pop("MSH") | {2: "^~\\&", 7: DAY + "080000", 9: "ORU^R01^ORU_R01", 10: f"C{flavour}", 11: "P"}
    head |= {12: "2.5.1", 18: "UNICODE UTF-8"}
    segments["OBX"][2] = "ST"
    first = ["PID", "PD1", "NK1", "PV1", "PV2", "ORC", "OBR", "OBX", "NTE"]
    order = [*(s for s in first if s in segments), *(s for s in segments if s not in first)]
    lines = [_line("MSH", head, 2), *(_line(name, segments[name], 1) for name in order)]
    return ("\r".join(lines) + "\r").encode()


def _parts(kind: str) -> int:
    """How many components are written: one more than a type has, more or less."""
    return 2 if kind in _SIMPLE else _PARTS


def _line(name: str, held: dict[int, str], first: int) -> str:
    return "|".join([name, *(held.get(place, "") for place in range(first, max(held) + 1))])


def numbers_in(data: bytes) -> Iterator[int]:
    """The numbers of planted values in bytes: as text of any case, in UTF-16, in hexadecimal, in base64, as digits."""
    for each in (data, data.replace(b"\0", b"")):
        for found in re.finditer(rb"(?i)ZQXV(\d{6})|8(\d{6})8808", each):
            yield int(found[1] or found[2])
    for found in re.finditer(rb"(?i)5a515856((?:3\d){6})|7a717876((?:3\d){6})", data):
        yield int(bytes.fromhex((found[1] or found[2]).decode()))
    for run in re.finditer(rb"[A-Za-z0-9+/]{12,}", data):
        for phase in range(4):
            whole = run[0][phase:] + b"AA"  # for what fills up
            yield from map(int, re.findall(rb"(?i)ZQXV(\d{6})", base64.b64decode(whole[: len(whole) // 4 * 4])))


def unpacked(data: bytes) -> Iterator[bytes]:
    """Bytes, and what each Zstandard frame in them holds, pages of dictionaries and leftovers too."""
    yield data
    for found in re.finditer(rb"\x28\xb5\x2f\xfd", data):
        try:
            yield zstandard.ZstdDecompressor().decompressobj().decompress(data[found.start() :])
        except zstandard.ZstdError:
            continue


TYPES = (
    *("NM", "SN", "CE", "CWE", "CNE", "CF", "ID", "IS", "DT", "TM", "TS", "DTM", "CX", "CK", "XPN", "PN", "XAD", "AD"),
    *("XTN", "TN", "XCN", "CN", "ED", "RP", "TX", "FT", "ST", "SI", "MO", "CP", "DR", "EI", "XON", "MA", "NA", "CD"),
    *("", "QQ", "nm", "Ce", " DT ", "NM^X", "TQ", "RPT", "VR", "FC", "HD", "AUI"),
)
"""Value types of HL7 table 0125, and what others write: none, unknown ones, lower case, blanks, parts."""

_AGE = "30525-0^Age^LN"


def observations(planted: Planted, codes: tuple[str, ...] = ("8888-8^X^LN", _AGE, "AGE^^L", "81954-0")) -> bytes:
    """Values that are not what their types announce; no policy may let one out."""

    def new(form: str = "{}") -> str:
        number = len(planted.places)
        planted.places[number] = "words", "OBX", 5, 0
        return form.format(f"{MARK}{number:06}", n=f"8{number:06}8808", w=f"{MARK}{number:06} Zara")

    forms = (
        *("{w}", "7 {}", "{w} 7", "^{}", "^^^^{}", "7^{}", "A^^^{w}", "{w}^^^B", "A~{w}", "7~{}", ">^7^{}", "{w}^7"),
        *("7&{w}", "A&{}", DAY + " {}", DAY + "^{}", "0800{}", "{n}", "<{n}", "^{n}", "7^-^{n}", "1~{n}", "a\\.br\\{}"),
        *(r"\H\{w}\N\ ", r"x \T\{}", "=^7^-^{n}"),
    )
    lines = [_header("ORU^R01", "OBX"), "PID|1||P1^^^H^MR", "OBR|1"]
    for kind in TYPES:
        for code in codes:
            coded = kind.strip().upper() in _CODED_TYPES  # in which one word is a code
            own = [form.replace("{}", "{w}").replace("{n}", "{w}") if coded else form for form in forms]
            lines += [f"OBX|1|{kind}|{code}||{new(form)}|||N" for form in own]
    hidden = "".join(f"{byte:02X}" for byte in new("{} Z").encode())
    lines += [f"OBX|1|{kind}|8^^L||\\X{hidden}\\|||N" for kind in TYPES]
    for units in ("", "mo", "a", "1", "mg/dL^{w}", "{w}", "%^^UCUM^{w}"):
        lines += [f"OBX|1|NM|{code}||7|{new(units)}|||F" for code in codes]
    typed = ("{w}", "3-{}", "<{}", "1~{}", "3^{}", "{n}", "1-2 {}", "{n}-9")
    lines += [f"OBX|1|NM|8888-8^X^LN||7|%|{new(form)}" for form in typed]
    lines += [f"OBX|1|NM|8888-8^X^LN||7|%||{new(form)}" for form in ("N^{}", "N~{}", "{w}", "N^^^A^{}")]
    times = (DAY + " {}", DAY + "{}", DAY + "120000.{n}", DAY + "^{}", "{w}", DAY + "1200+{}")
    lines += [f"OBX|1|NM|8888-8^X^LN||7|%|||||F|||{new(form)}" for form in times]
    lines += [f"OBX|1|ST|{code}||078-05-1120" for code in codes] + [f"NTE|1|{new('{w}')}|{new()}|{new('{w}')}"]
    lines += [f"OBX|1|{kind}|8888-8^X^LN||{DAY}" for kind in TYPES] + [f"OBX|1|ST|{c}||{DAY}" for c in codes]
    return ("\r".join(lines) + "\r").encode()


_HEADER_FORMS = (("words", 1, "{} Zara"), ("words", 2, "A^{} Zara"), ("second", 1, "A~{}"), ("deep", 1, "A&{}"))


def headers(planted: Planted) -> Iterator[bytes]:
    """Messages and envelopes in which a field that must be read holds words, names or dates."""
    for place in range(2, 26):
        held = {3: "A", 4: "B", 7: DAY + "08", 9: "ORU^R01", 10: "C", 11: "P", 12: "2.5"}
        for flavour, part, form in _HEADER_FORMS:
            number = len(planted.places)
            planted.places[number] = flavour, "MSH", place, part
            written = {2: "^~\\&"} | held | {place: form.format(f"{MARK}{number:06}")}
            yield (_line("MSH", written, 2) + "\rPID|1||P2^^^H^MR\r").encode()
    for name in ("FHS", "BHS", "BTS", "FTS"):
        values = [planted.value("token", "ZZZ", place, 1) for place in range(12)]
        yield (f"{name}|^~\\&|" + "|".join(values) + "\r").encode()


def odd(planted: Planted) -> Iterator[bytes]:
    """Messages with separators of their own, in other character sets, malformed, and text that is no message."""
    person = [planted.value("words", "ZZZ", place, 1) for place in range(12)]
    yield f"MSH#*!?%#A#B###{DAY}##ORU*R01#C1#P#2.5\rPID#1##P3***H*MR##{person[0]}*{person[1]}\r".encode()
    value = f"C*{person[2]}!D*{person[3]}$U%{person[4]}"
    yield f"MSH$*!?%$A$B$$${DAY}$$ORU*R01$C2$P$2.5\rOBX$1$CE$A*B*L$${value}\r".encode()
    wide = f"MSH|^~\\&|A|B|||{DAY}||ORU^R01|C3|P|2.5||||||UNICODE UTF-16\rPID|1||P4^^^H^MR||{person[5]}\r"
    yield wide.encode("utf-16")
    latin = f"MSH|^~\\&|A|B|||{DAY}||ORU^R01|C4|P|2.5||||||8859/1\rPID|1||P5^^^H^MR||É{person[6]}\r"
    yield latin.encode("latin-1")
    yield f"MSH|^~\\&|A|B|||{DAY}||ORU^R01|C5|P|2.5||||||{person[7]}\rPID|1||P6||{person[8]}\r".encode()
    yield f"{person[9]} stands before the first message\rMSH|\r".encode()
    yield f'{{"name": "{person[10]}"}}'.encode()
    yield f"MSH|||{person[11]}\r".encode()


_STARTS = ("ID", "PIDX", "1PID", "", "-", "P")


def damaged(planted: Planted) -> Iterator[bytes]:
    """Messages in which a line that names a person has lost its segment's name, behind segments of each kind."""
    before = (
        "",
        "PID|1||P7^^^H^MR",
        "PV1|1|I",
        "NK1|1",
        "IN1|1",
        "ORC|NW",
        "OBR|1",
        "OBX|1|NM|8888-8^X^LN||5|mg|||||F",
    )
    for segment in before:
        for start in _STARTS:
            values = [planted.value("token", "ZZZ", place, 1) for place in range(25)]
            lines = [_header("ADT^A01", "C7"), segment, f"{start}|{'|'.join(values)}", values[0]]
            yield ("\r".join(line for line in lines if line) + "\r").encode()


def _header(kind: str, control: str) -> str:
    return f"MSH|^~\\&|A|B|||{DAY}||{kind}|{control}|P|2.5"
