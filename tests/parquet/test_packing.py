"""The compiled encodings against decoders that follow the text of the format, a bit at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.parquet import packing

INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at


def zigzag(data: bytes, at: int) -> tuple[int, int]:
    number, at = varint(data, at)
    return (number >> 1) ^ -(number & 1), at


def unpacked(data: bytes, width: int, count: int) -> list[int]:
    whole = int.from_bytes(data, "little")
    return [(whole >> (width * k)) & ((1 << width) - 1) for k in range(count)]


def read_runs(data: bytes, width: int, count: int) -> list[int]:
    values: list[int] = []
    at = 0
    while len(values) < count:
        head, at = varint(data, at)
        if head & 1:
            size = (head >> 1) * width
            values += unpacked(data[at : at + size], width, (head >> 1) * 8)
        else:
            size = (width + 7) // 8
            values += [int.from_bytes(data[at : at + size], "little")] * (head >> 1)
        at += size
    assert at == len(data)
    return values[:count]


def read_differences(data: bytes, bits: int) -> list[int]:
    block, at = varint(data, 0)
    miniblocks, at = varint(data, at)
    count, at = varint(data, at)
    value, at = zigzag(data, at)
    values = [value] if count else []
    each = block // miniblocks
    while len(values) < count:
        least, at = zigzag(data, at)
        widths, at = data[at : at + miniblocks], at + miniblocks
        for width in widths:
            if len(values) >= count:
                break
            assert width <= bits
            for step in unpacked(data[at : at + width * each // 8], width, min(each, count - len(values))):
                wrapped = (values[-1] + least + step) % (1 << bits)
                values.append(wrapped - (1 << bits) if wrapped >= 1 << (bits - 1) else wrapped)
            at += width * each // 8
    assert at == len(data)
    return values


def runs(values: list[int], width: int) -> bytes:
    room = np.empty(packing.room_of_runs(len(values), width), np.uint8)
    size = packing.runs(np.array(values, np.int32), width, room)
    assert size + 8 <= len(room)
    return room[:size].tobytes()


def differences(values: list[int], narrow: bool) -> bytes:
    room = np.empty(packing.room_of_differences(len(values)), np.uint8)
    size = packing.differences(np.array(values, np.int64), narrow, room)
    assert size + 8 <= len(room)
    return room[:size].tobytes()


@st.composite
def numbers_in_runs(draw: st.DrawFn) -> tuple[int, list[int]]:
    width = draw(st.integers(1, 31))
    parts = draw(st.lists(st.tuples(st.integers(0, 2**width - 1), st.integers(1, 40)), max_size=30))
    return width, [value for value, count in parts for _ in range(count)]


def literals(values: list[int], width: int) -> bytes:
    groups = -(-len(values) // 8)
    whole = sum(value << (width * k) for k, value in enumerate(values))
    return number(groups << 1 | 1) + whole.to_bytes(groups * width, "little")


def number(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + number(value >> 7)


def runs_one_by_one(values: list[int], width: int) -> bytes:
    """Eight or more of the same are a run, but those that fill what stands before up to a multiple of eight."""
    out, before = b"", []
    for value, several in itertools.groupby(values):
        same = list(several)
        filling = -len(before) % 8
        if len(same) - filling < 8:
            before += same
            continue
        before += same[:filling]
        out += literals(before, width) if before else b""
        out += number((len(same) - filling) << 1) + value.to_bytes((width + 7) // 8, "little")
        before = []
    return out + (literals(before, width) if before else b"")


@settings(derandomize=True, max_examples=400, deadline=None)
@given(numbers_in_runs())
def test_runs_and_literals_are_those_found_one_by_one(case: tuple[int, list[int]]) -> None:
    width, values = case
    assert runs(values, width) == runs_one_by_one(values, width)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(numbers_in_runs())
def test_runs_and_literals_are_read_as_they_were_given(case: tuple[int, list[int]]) -> None:
    width, values = case
    assert read_runs(runs(values, width), width, len(values)) == values


def test_a_long_run_takes_a_few_bytes() -> None:
    assert runs([5] * 65_536, 3) == bytes([0x80, 0x80, 0x08, 5])


def test_a_run_too_short_for_one_is_written_with_its_neighbours() -> None:
    assert runs([1, 1, 1, 2, 2, 2, 3, 3], 2) == bytes([3, 0b10010101, 0b11111010])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(INT64, min_size=1, max_size=300))
def test_differences_of_64_bits_are_read_as_they_were_given(values: list[int]) -> None:
    assert read_differences(differences(values, False), 64) == values


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(INT32, min_size=1, max_size=300))
def test_differences_of_32_bits_are_read_as_they_were_given(values: list[int]) -> None:
    assert read_differences(differences(values, True), 32) == values


def test_the_widest_steps_take_all_bits() -> None:
    for bits in (32, 64):
        values = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] * 200
        assert read_differences(differences(values, bits == 32), bits) == values


def test_equal_steps_take_no_bits() -> None:
    assert len(differences(list(range(0, 70_000, 7)), False)) < 10_000 // 128 * 7


@settings(derandomize=True, max_examples=100, deadline=None)
@given(INT64, st.sampled_from([1, 2, 3, 127, 128, 129, 130, 257, 5000]))
def test_one_number_many_times_is_written_as_its_differences_are(value: int, count: int) -> None:
    for narrow in (False, True):
        number = (value + 2**31) % 2**32 - 2**31 if narrow else value
        assert packing.no_differences(number, count) == differences([number] * count, narrow)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=4)), max_size=20))
def test_levels_of_lists_say_where_each_row_and_value_begins(rows: list[list[str | None] | None]) -> None:
    repetition, definition, values = [], [], []
    flat = [element for row in rows for element in row or []]
    taken = 0
    for row in rows:
        if not row:
            repetition.append(0)
            definition.append(0 if row is None else 1)
            continue
        for k, element in enumerate(row):
            repetition.append(int(k > 0))
            definition.append(2 if element is None else 3)
            values += [taken] if element is not None else []
            taken += 1
    offsets = np.array(pa.array(rows, pa.list_(pa.string())).offsets, np.int64)
    valid = np.array([row is not None for row in rows], np.bool_)
    present = np.array([element is not None for element in flat], np.bool_)
    found = packing.list_levels(offsets, valid, present)
    assert [each.tolist() for each in found] == [repetition, definition, values]
