"""Escape sequences against a slow twin made of one regular expression."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import spans_of

from connectors.kernels.escapes import unescape
from connectors.kernels.gather import strings

USUAL = b"|^~\\&#"
ODD = b"!*+/;\0"


def decoded(values: list[str | None], separators: list[bytes]) -> list[str | None]:
    buf, start, length = spans_of([None if v is None else v.encode() for v in values])
    rows = np.frombuffer(b"".join(separators), np.uint8).reshape(-1, 6)
    return strings(*unescape(buf, start, length, rows), empty_is_null=False).to_pylist()


def one(value: str) -> str | None:
    return decoded([value], [USUAL])[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (r"\F\\S\\R\\E\\T\\P\ ", "|^~\\&# "),
        (r"a\.br\b", "a\nb"),
        (r"a\.sp\b\.sp3\c", "a\nb\n\n\nc"),
        (r"a\.sk4\b\.sk\c", "a    b c"),
        (r"\.ti+2\a\.ti-2\b\.ti\c", "  abc"),
        (r"\.in+4\a\.in-4\b", "ab"),
        (r"a\.ce\b\.fi\c\.nf\d", "a\nbcd"),
        (r"\H\loud\N\ quiet", "loud quiet"),
        (r"\X0D\\X0a\\X41420D\ ", "\r\nAB\r "),
        (r"\XC3A9\ \XE9\ \XE9C3A9\ ", "é é éé ".replace("éé", "é\u00c3\u00a9")),
        (r"\X0\ \XZZ\ \X\ ", r"\X0\ \XZZ\ \X\ "),
        (r"\C2842\ \M0123\ \Zmine\ ", r"\C2842\ \M0123\ \Zmine\ "),
        (r"\unknown\ \.zz\ \.sp100\ \.br2\ \\ ", r"\unknown\ \.zz\ \.sp100\ \.br2\ \\ "),
        (r"C:\temp", r"C:\temp"),
        (r"a\T\b\F", r"a&b\F"),
        ('""', '""'),
    ],
)
def test_a_sequence_becomes(value: str, text: str) -> None:
    assert one(value) == text


def test_each_row_has_the_separators_of_its_message() -> None:
    assert decoded([r"\F\/F/", r"\F\/F/", "plain", None], [USUAL, ODD, ODD, USUAL]) == ["|/F/", r"\F\!", "plain", None]


def test_a_message_without_a_truncation_or_escape_character_keeps_what_stands() -> None:
    assert decoded(["/P/", r"\F\ "], [ODD, b"|^~\0&\0"]) == ["/P/", r"\F\ "]


def test_columns_share_the_separators_of_their_rows() -> None:
    buf, start, length = spans_of([rb"\F\ ", b"/F/", b"/F/", rb"\S\ "])
    spans = unescape(buf, start.reshape(2, 2), length.reshape(2, 2), np.frombuffer(USUAL + ODD, np.uint8).reshape(2, 6))
    assert spans.start.shape == (2, 2)
    assert strings(spans.buf, spans.start.ravel(), spans.length.ravel()).to_pylist() == ["| ", "!", "/F/", r"\S\ "]


def test_without_an_escape_nothing_is_copied() -> None:
    buf, start, length = spans_of([b"plain", rb"one\only", None])
    assert unescape(buf, start, length, np.frombuffer(USUAL * 3, np.uint8).reshape(3, 6)).buf is buf


def test_a_value_of_megabytes_is_decoded_whole() -> None:
    assert one(r"line\.br\\XE9\ " * 300_000) == "line\né " * 300_000


FORMATS = {"br": (0, "\n", 1), "sp": (1, "\n", 1), "sk": (1, " ", 1), "ti": (1, " ", 0), "in": (1, "", 0)}
FORMATS |= {"ce": (0, "\n", 1), "fi": (0, "", 0), "nf": (0, "", 0)}


def twin(value: str, separators: bytes) -> str:
    field, component, repetition, escape, subcomponent, truncation = (chr(b) for b in separators)
    letters = {"F": field, "S": component, "R": repetition, "E": escape, "T": subcomponent, "P": truncation}

    def replaced(match: re.Match[str]) -> str:
        content = match[1]
        if content in letters and letters[content] != "\0":
            return letters[content]
        if content in ("H", "N"):
            return ""
        if re.fullmatch("X([0-9a-fA-F]{2})+", content):
            data = bytes.fromhex(content[1:])
            try:
                return data.decode()
            except UnicodeDecodeError:
                return data.decode("latin-1")
        formatted = re.fullmatch(r"\.(\w\w)([+-]?[0-9]{1,2})?", content, re.ASCII)
        if formatted and formatted[1] in FORMATS:
            counts, character, default = FORMATS[formatted[1]]
            if counts or formatted[2] is None:
                return character * max(int(formatted[2] or default), 0)
        return match[0]

    mark = re.escape(escape)
    return re.sub(f"{mark}([^{mark}]*){mark}", replaced, value)


CONTENTS = ["F", "S", "R", "E", "T", "P", "H", "N", "X", "X0D", "XE9", "XC3A9", "XF0908080", "XED", "X4", "Zy", "", "é"]
CONTENTS += [".br", ".sp", ".sp3", ".sk2", ".ti+4", ".ti-1", ".in+2", ".ce", ".fi", ".nf", ".b", ".sp+", "F1", ".br1"]
PARTS = st.sampled_from([*(f"\\{c}\\" for c in CONTENTS), *(f"/{c}/" for c in CONTENTS), "\\", "/", "a", "é€😀", "^&"])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.lists(PARTS, max_size=8).map("".join), st.sampled_from([USUAL, ODD])), min_size=1))
def test_any_text_agrees_with_the_twin(rows: list[tuple[str, bytes]]) -> None:
    values, separators = [v for v, _ in rows], [s for _, s in rows]
    assert decoded(list(values), separators) == [twin(v, s) for v, s in rows]
