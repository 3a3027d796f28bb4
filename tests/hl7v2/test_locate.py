"""The kernels against a slow, obvious twin, and against python-hl7; whatever is sent comes back."""

import itertools
import re

import hl7
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import chunks, read

from connectors.contract import Piece, RawObject, ReadOptions
from connectors.hl7v2.chunk import find_segments, find_values, texts
from connectors.hl7v2.framing import frames
from connectors.hl7v2.layout import Slot, make_layout
from connectors.hl7v2.locate import (
    NO_NAME,
    _name_code,
    code_name,
    find_separators,
    name_code,
    write_structures,
)
from connectors.hl7v2.patient_key import FIELDS, _repetitions
from connectors.hl7v2.relate import KINDS, by_row, relate
from connectors.hl7v2.values import ESCAPED
from connectors.hl7v2.values import find_values as locate_values

SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
POSITIONS = [
    *(f"PID-{f}" for f in range(1, 8)),
    *(f"PID-{f}.{c}" for f, c in itertools.product(range(1, 6), range(1, 4))),
    *(f"PID-{f}.{c}.{s}" for f, c, s in itertools.product((2, 3), (1, 2), (1, 2, 3))),
    *("PID-6.1", "PID-8.1"),
]


def lines_twin(text: str) -> list[str]:
    """The segments of a message: lines, those that are none joined to the one before with a line feed."""
    separator, found, gap = text[3], [], 0
    for line in re.split(r"\r\n|\r|\n", text):
        name, _, _ = line.partition(separator)
        if SEGMENT.match(name) and (len(line) == 3 or line[3] == separator):
            found.append(line)
            gap = 0
        elif line:
            found[-1] += "\n" * (gap + 1) + line
            gap = 0
        else:
            gap += 1
    return found


def value_twin(segment: str, position: str, separators: str) -> str | None:
    """What stands at a position, escapes and all; None for absent or empty."""
    field, component, repetition, _, subcomponent = (separators + "\0\0\0\0\0")[:5]
    numbers = [int(n) for n in position[4:].split(".")]
    value = dict(enumerate(segment.split(field))).get(numbers[0], "")
    for depth, separator in enumerate((component, subcomponent), 1):
        if len(numbers) > depth:
            if depth == 1:
                value = value.split(repetition)[0]
            value = dict(enumerate(value.split(separator), 1)).get(numbers[depth], "")
    return value or None


def located(data: bytes) -> list[dict[str, str | None]]:
    """The positions of each PID of an object, undecoded escapes aside."""
    layout = make_layout([Slot(position, "text", (position,)) for position in POSITIONS])
    piece = Piece(0, RawObject("/a", len(data), 0), [data])
    found = []
    for framed in frames([piece], ReadOptions()):
        segments = find_segments(framed.frame)
        relations = relate(segments.message, segments.name)
        own = np.flatnonzero(relations.kind == KINDS.index("PID")).astype(np.int32)
        values = find_values(segments, layout, {"PID": own}, segments.message[own])
        columns = texts(segments, values, list(range(len(POSITIONS))))
        nothing = [None] * len(own)
        lists = {p: columns[p].to_pylist() if p in columns else nothing for p in POSITIONS}
        found += [{p: lists[p][i] for p in POSITIONS} for i in range(len(own))]
    return found


@pytest.mark.parametrize("size", [0, 1, 60, 61, 62, 63, 64, 65, 130])
@pytest.mark.parametrize("fields", [1, 7, 9, 80])
def test_long_values_and_many_fields_are_where_the_twin_finds_them(size: int, fields: int) -> None:
    value = "x" * size + "^" + "y" * size + "&z^&w~second^third"
    segment = "|".join(["PID", *[value] * fields])
    found = located(f"MSH|^~\\&|A\r{segment}\rPID|{value}".encode())
    assert found == [{p: value_twin(s, p, "|^~\\&") for p in POSITIONS} for s in (segment, f"PID|{value}")]


def test_a_nul_divides_nothing_where_separators_are_missing() -> None:
    found = located(b"MSH|^|A\rPID|a\0b^c\0d|e\0f")
    assert [found[0][p] for p in ("PID-1", "PID-1.1", "PID-1.2", "PID-2.1.1")] == ["a\0b^c\0d", "a\0b", "c\0d", "e\0f"]


@pytest.mark.parametrize("head", ["MSH|^~\\&|A", "MSH|^~\\&#|A", "MSH|^|A", "MSH|^~\\&", "MSH|^~"])
def test_each_message_has_its_own_separators_whatever_stood_before(head: str) -> None:
    bodies = [head, "MSH|^~\\&|A", head, head, "MSH$*%?!$A", head]
    data = "\r".join(bodies).encode()
    ends = np.cumsum([len(body) + 1 for body in bodies]) - 1
    found = np.empty((len(bodies), 6), np.uint8)
    text = np.frombuffer(data + bytes(64), np.uint8)
    find_separators(text, ends - np.array([len(body) for body in bodies]), ends, found)
    wanted = [body[3:].split(body[3])[1] for body in bodies]
    assert [bytes(row).rstrip(b"\0").decode() for row in found] == [
        body[3] + own for body, own in zip(bodies, wanted, strict=True)
    ]


def test_of_several_segments_of_a_row_the_first_counts() -> None:
    segments, rows = np.array([5, 7, 9], np.int32), np.array([0, 2, 2], np.int32)
    assert by_row(segments, rows, 4).tolist() == [5, -1, 7, -1]
    assert by_row(segments, np.arange(3, dtype=np.int32), 3) is segments


SEPARATORS = st.permutations("|^~\\&#!$%*+,:;=?@_{}").map(lambda chosen: "".join(chosen[:5]))
ENDS = st.sampled_from(["\r", "\n", "\r\n", "\r\r", "\n\r\n"])


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, str]:
    """A message with its own separators, and the text as sent. No escape characters inside values."""
    separators = draw(SEPARATORS)
    alphabet = "aZ9 ü漢" + separators[1] + separators[2] + separators[4]
    field = st.text(alphabet, max_size=12)
    lines = [f"MSH{separators[0]}{separators[1:]}{separators[0]}A"]
    for _ in range(draw(st.integers(1, 4))):
        fields = draw(st.lists(field, max_size=8))
        name = draw(st.sampled_from(["PID", "PID", "PID", "ZZ1"]))
        lines.append(separators[0].join([name, *fields]))
    return separators, "".join(line + draw(ENDS) for line in lines).rstrip("\r\n")


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=3))
def test_every_value_is_where_the_twin_finds_it(sent: list[tuple[str, str]]) -> None:
    expected = [
        {position: value_twin(segment, position, separators) for position in POSITIONS}
        for separators, text in sent
        for segment in lines_twin(text)
        if segment[:3] == "PID"
    ]
    assert located("\r".join(text for _, text in sent).encode()) == expected


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=3))
def test_segments_hold_every_field_and_every_byte(sent: list[tuple[str, str]]) -> None:
    data = "\r".join(text for _, text in sent).encode()
    found = read(data)["hl7v2_segments"].to_pylist()
    expected = []
    for separators, text in sent:
        for segment in lines_twin(text):
            fields = segment.split(separators[0])[1:]
            expected.append([separators[0], *fields] if segment[:3] == "MSH" else fields)
    assert [row["fields"] for row in found] == expected
    together = {}
    for row in found:
        together[row["_offset"]] = together.get(row["_offset"], b"") + row["raw"] + row["terminator"]
    assert b"\r".join(together.values()) == data


VALUES = st.text("ab |^~\\&\"'é\t", max_size=10)


def escaped(value: str, separators: str) -> str:
    names = dict(zip(separators, "FSRET", strict=True))
    return "".join(f"{separators[3]}{names[c]}{separators[3]}" if c in names else c for c in value)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(SEPARATORS, st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6))
def test_what_was_escaped_comes_back(separators: str, pairs: list[tuple[str, str]]) -> None:
    field, component = separators[:2]
    lines = [f"MSH{field}{separators[1:]}{field}A{field * 14}UNICODE UTF-8"]
    lines += [
        f"NTE{field}{field}{field}{escaped(a, separators)}{field}{escaped(b, separators)}{component}x" for a, b in pairs
    ]
    found = read("\r".join(lines).encode())["hl7v2_notes"]
    assert found["text"].to_pylist() == [a or None for a, _ in pairs]
    assert found["comment_type"].to_pylist() == [b or None for _, b in pairs]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text("ab^&~", max_size=8), min_size=1, max_size=6), min_size=1, max_size=5))
def test_python_hl7_reads_the_same(segments: list[list[str]]) -> None:
    text = "\r".join(["MSH|^~\\&|A|B|||||||P", *("|".join(["PID", *fields]) for fields in segments)])
    parsed = [segment for segment in hl7.parse(text) if str(segment[0]) == "PID"]
    for segment, row in zip(parsed, located(text.encode()), strict=True):
        for position in POSITIONS:
            field, *parts = (int(n) for n in position[4:].split("."))
            value = segment[field] if field < len(segment) else ""
            if parts and not isinstance(value, str):
                value = value[0]
            for part in parts:
                several = [value] if isinstance(value, str) else value
                value = several[part - 1] if part <= len(several) else ""
            assert row[position] == (str(value) or None)


NAMES = st.lists(st.sampled_from(["MSH", "PID", "OBX", "Z9A"]), max_size=5)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(1, 3)), max_size=5))
def test_structures_are_the_names_of_the_segments(sent: list[tuple[list[str], int]]) -> None:
    sequences = [names for names, times in sent for _ in range(times)]
    name = np.array([name_code(each) for names in sequences for each in names], np.int32)
    bounds = np.cumsum([0, *map(len, sequences)])
    offsets = np.empty(len(sequences) + 1, np.int32)
    out = np.empty(5 * len(name), np.uint8)
    write_structures(bounds, name, offsets, out)
    runs = [[(each, len(list(run))) for each, run in itertools.groupby(names)] for names in sequences]
    assert [bytes(out[a:b]).decode() for a, b in itertools.pairwise(offsets)] == [
        " ".join(each + "+" * (times > 1) for each, times in row) for row in runs
    ]


def test_every_name_has_its_number() -> None:
    for name in ("MSH", "PID", "Z99", "AAA", "ZZZ", "A00"):
        assert code_name(name_code(name)) == name


@pytest.mark.parametrize("name", ["msh", "1AB", "PI ", "P|D", "pID", "P\u00e9"])
def test_what_is_no_name_has_no_number(name: str) -> None:
    assert _name_code(np.frombuffer(name.encode() + b"\0", np.uint8), 0) == NO_NAME


@pytest.mark.parametrize("size", [60, 61, 62, 63, 64, 65, 126, 127, 128, 129])
def test_segments_that_end_around_the_edge_of_a_block(size: int) -> None:
    data = b"MSH|^~\\&|A\rPID|1||" + b"x" * (size - 8) + b"|y\rZZZ|1"
    assert read(data)["hl7v2_segments"]["fields"].to_pylist()[1] == ["1", "", "x" * (size - 8), "y"]


def test_short_separators_leave_the_others_undeclared() -> None:
    data = b"MSH|^|A\rPID|1||7~8&9^G\\T\\"
    assert read(data)["hl7v2_identifiers"]["identifier"].to_pylist() == ["7~8&9"]


@pytest.mark.parametrize("line", ["PV2", "MRI", "Z12"])
def test_a_name_alone_is_a_segment_without_fields(line: str) -> None:
    found = read(f"MSH|^~\\&|A\rOBX|1|TX|c||one\r{line}\rPV1|1".encode())["hl7v2_segments"]
    assert found["name"].to_pylist() == ["MSH", "OBX", line, "PV1"]
    assert found["fields"].to_pylist()[1:] == [["1", "TX", "c", "", "one"], [], ["1"]]


@pytest.mark.parametrize("line", ["ECGs", "mri", "1AB", "AB", "A-B", "MRI normal", "MRI^a"])
def test_what_is_no_name_before_a_separator_or_a_line_end_continues_the_field_before(line: str) -> None:
    found = read(f"MSH|^~\\&|A\rOBX|1|TX|c||one\r{line}\rPV1|1".encode())
    assert found["hl7v2_segments"]["name"].to_pylist() == ["MSH", "OBX", "PV1"]
    assert found["hl7v2_observations"]["value"].to_pylist() == [f"one\n{line}"]


def test_utf16_segments_are_the_bytes_as_sent() -> None:
    data = "MSH|^~\\&|A\rPID|1||7||M\u00fcller\U0001f600\rZZZ".encode("utf-16-le")
    found = read(b"\xff\xfe" + data)["hl7v2_segments"]
    assert (
        b"".join(itertools.chain(*zip(found["raw"].to_pylist(), found["terminator"].to_pylist(), strict=True))) == data
    )


def test_latin1_segments_are_the_bytes_as_sent() -> None:
    data = "MSH|^~\\&|A|||||||||||||||8859/1\rPID|1||7||M\u00fcller|\u00e9\rZZZ".encode("latin-1")
    found = read(data)["hl7v2_segments"]
    assert found["raw"].to_pylist()[1:] == ["PID|1||7||M\u00fcller|\u00e9".encode("latin-1"), b"ZZZ"]
    assert found["fields"].to_pylist()[1][4:] == ["M\u00fcller", "\u00e9"]


def test_small_chunks_give_the_rows_of_large_ones() -> None:
    data = b"".join(b"MSH|^~\\&|A\rPID|1||%d^^^G^MR\rOBX|1|NM|1||%d\r" % (i, i) for i in range(200))
    assert len(chunks(data, chunk_bytes=512, block=100)) > 10
    for name, table in read(data, chunk_bytes=512, block=100).items():
        assert table.combine_chunks().equals(read(data)[name].combine_chunks()), name


def repetitions_twin(lines: list[str]) -> list[tuple[int, int, int, str]]:
    """(patient, field, repetition, value) of the fields of a PID that may hold identifiers, what is empty left out."""
    return [
        (patient, field, repetition, value)
        for patient, line in enumerate(lines)
        for field, sent in enumerate(line.split("|"))
        if field in FIELDS
        for repetition, value in enumerate(sent.split("~"), 1)
        if value
    ]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.text("|~^a", max_size=150).map("PID|".__add__), min_size=1, max_size=4))
def test_repetitions_are_those_of_split(lines: list[str]) -> None:
    data = "".join(f"MSH|^~\\&|A\r{line}\r" for line in lines).encode()
    frame = next(frames([Piece(0, RawObject("/a", len(data), 0), [data])], ReadOptions())).frame
    segments = find_segments(frame)
    pids = np.flatnonzero(segments.name == name_code("PID")).astype(np.int32)
    patient, field, repetition, start, end = _repetitions(segments, pids)
    values = [segments.text[a:b].tobytes().decode() for a, b in zip(start, end, strict=True)]
    found = list(zip(patient.tolist(), field.tolist(), repetition.tolist(), values, strict=True))
    assert found == repetitions_twin(lines)


def test_the_lengths_of_a_slot_without_a_value_are_zero_once_they_are_cleared() -> None:
    layout = make_layout([Slot(position, "text", (position,)) for position in ("PID-1", "PID-2", "PID-2.2")])
    piece = Piece(0, RawObject("/a", 50, 0), [b"MSH|^~\\&|A\rPID|1\rPID|\rPID|22||\r"])
    (framed,) = frames([piece], ReadOptions())
    segments = find_segments(framed.frame)
    own = np.arange(1, 4, dtype=np.int32)
    values = find_values(segments, layout, {"PID": own}, segments.message[own])
    values.clear(range(3))
    assert values.length.tolist() == [[1, 0, 2], [0, 0, 0], [0, 0, 0]]
    assert values.totals.tolist() == [3, 0, 0]


def test_the_starts_of_absent_values_are_not_read_where_others_are_escaped() -> None:
    text = b"PID|a|\\T\\\rPID||b\\\r"
    source = make_layout([Slot(position, "text", (position,)) for position in ("PID-1", "PID-2", "PID-3")]).sources[
        "PID"
    ]
    start, length = np.full((3, 2), (1 << 31) - 1, np.int32), np.full((3, 2), -1, np.int32)
    totals, state = np.zeros(3, np.int64), np.zeros(3, np.uint8)
    locate_values(
        np.frombuffer(text + bytes(64), np.uint8),
        np.array([0, 10], np.int32),
        np.array([9, 17], np.int32),
        np.frombuffer(b"|^~\\&\0", np.uint8).reshape(1, 6),
        np.zeros(2, np.int32),
        np.arange(2, dtype=np.int32),
        source,
        start,
        length,
        totals,
        state,
    )
    assert length[:2].tolist() == [[1, 0], [3, 2]]
    assert (start[0, 0], start[1].tolist()) == (4, [6, 15])
    assert (totals.tolist(), state.tolist()) == ([1, 5, 0], [0, ESCAPED, 0])


@pytest.mark.parametrize("position", ["2", "2.1", "2.1.2"])
def test_of_the_positions_of_a_slot_the_first_source_with_a_value_counts(position: str) -> None:
    lines = ["MSH|^~\\&|A", "ORC|n|a&b^c", "OBR|1|d&e|x", "ORC|n", "OBR|2|f&g|y", "ORC||h&i", "OBR", "ORC", "OBR|3||z"]
    (framed,) = frames([Piece(0, RawObject("/a", 99, 0), ["\r".join(lines).encode()])], ReadOptions())
    slots = [Slot("both", "text", (f"ORC-{position}", f"OBR-{position}")), Slot("one", "text", ("OBR-3",))]
    segments, layout = find_segments(framed.frame), make_layout(slots)
    sources = {"ORC": np.arange(1, 9, 2, dtype=np.int32), "OBR": np.arange(2, 9, 2, dtype=np.int32)}
    values = find_values(segments, layout, sources, np.zeros(4, np.int32))
    wanted = {"2": ["a&b^c", "f&g", "h&i", None], "2.1": ["a&b", "f&g", "h&i", None], "2.1.2": ["b", "g", "i", None]}
    found = {name: column.to_pylist() for name, column in texts(segments, values, [0, 1]).items()}
    assert found == {"both": wanted[position], "one": ["x", "y", None, "z"]}
    assert values.totals.tolist() == [sum(len(v or "") for v in wanted[position]), 3]


@pytest.mark.parametrize("declared", ["^~\\&", "^~\\&#", "^"])
@pytest.mark.parametrize("position", ["MSH-1", "MSH-3", "MSH-4.2", "MSH-9"])
def test_the_first_field_of_a_header_is_all_that_it_declares(declared: str, position: str) -> None:
    value = "x" * 40 + "^" + "y" * 40
    header = f"MSH|{declared}|A|{value}|||||Z"
    (framed,) = frames([Piece(0, RawObject("/a", len(header), 0), [header.encode()])], ReadOptions())
    segments, layout = find_segments(framed.frame), make_layout([Slot("it", "text", (position,))])
    values = find_values(segments, layout, {"MSH": np.zeros(1, np.int32)}, segments.message)
    wanted = {"MSH-1": "|" + declared, "MSH-3": "A", "MSH-4.2": "y" * 40, "MSH-9": "Z"}
    assert texts(segments, values, [0])["it"].to_pylist() == [wanted[position]]
