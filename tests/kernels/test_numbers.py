"""Numbers against Python's float()."""

from __future__ import annotations

import re
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import spans_of

from connectors.kernels.numbers import components, integers, numbers, structured_numbers

FORM = re.compile(r"[ \t]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))[ \t]*", re.ASCII)
TEXTS = st.one_of(
    st.from_regex(r"\A[+-]?[0-9]{0,25}\.?[0-9]{0,30}\Z"),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: format(x, "f")[:400]),
    st.decimals(-1000, 1000, places=3).map(str),
    st.sampled_from(
        ["", '""', " 5 ", "1,000", "1e5", "-", ".", "5.", ".5", "1.2.3", "--1", "positive", "-0", "0x1", "٣"]
    ),
)


def twin(text: str) -> float | None:
    match = FORM.fullmatch(text)
    return float(match[1]) if match else None


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<d", value)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_every_number_is_that_of_python_bit_for_bit(texts: list[str]) -> None:
    values, bad = numbers(*spans_of([t.encode() for t in texts]))
    want = [twin(t) for t in texts]
    assert [bits(v) for v in values.to_pylist()] == [bits(v) for v in want]
    absent = [t.strip(" \t") in ("", '""') for t in texts]
    assert bad.tolist() == [v is None and not a for v, a in zip(want, absent, strict=True)]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_integers_are_the_whole_numbers_of_at_most_15_digits(texts: list[str]) -> None:
    values, bad = integers(*spans_of([t.encode() for t in texts]))
    numbers = [twin(t) for t in texts]
    want = [int(v) if v is not None and v % 1 == 0 and abs(v) < 1e15 else None for v in numbers]
    assert (values.type, values.to_pylist()) == (pa.int64(), want)
    absent = [t.strip(" \t") in ("", '""') for t in texts]
    assert bad.tolist() == [v is None and not a for v, a in zip(want, absent, strict=True)]


def test_null_empty_and_the_explicit_null_are_null_and_not_bad() -> None:
    values, bad = numbers(*spans_of([None, b"", b'""', b"  ", b"7"]))
    assert (values.to_pylist(), bad.tolist()) == ([None, None, None, None, 7.0], [False] * 5)


def test_a_number_beyond_float64_is_bad() -> None:
    values, bad = numbers(*spans_of([b"1" * 310, b"-" + b"9" * 400, b"1" * 309, b"0" * 400]))
    assert (values.to_pylist(), bad.tolist()) == ([None, None, float("1" * 309), 0.0], [True, True, False, False])


def test_components_are_found_with_each_rows_separator() -> None:
    buf, start, length = spans_of([b">^10", b"*5", b"a^b^c^d^e", None, b""])
    at, size = components(buf, start, length, np.frombuffer(b"^*^^^", np.uint8), 4)
    parts = [
        [bytes(buf[a : a + n]) if n >= 0 else None for a, n in zip(at[:, r], size[:, r], strict=True)] for r in range(5)
    ]
    assert parts == [
        [b">", b"10", None, None],
        [b"", b"5", None, None],
        [b"a", b"b", b"c", b"d"],
        [None, None, None, None],
        [b"", None, None, None],
    ]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (b">^100", (">", 100.0, None, None, False)),
        (b"^100^-^200", (None, 100.0, "-", 200.0, False)),
        (b"^1^:^128", (None, 1.0, ":", 128.0, False)),
        (b"<=^0.5", ("<=", 0.5, None, None, False)),
        (b"^many", (None, None, None, None, True)),
        (b"about^5", ("about", 5.0, None, None, True)),
        (b"", (None, None, None, None, False)),
    ],
)
def test_a_structured_number_has_four_parts(text: bytes, want: tuple[object, ...]) -> None:
    buf, start, length = spans_of([text])
    found = structured_numbers(buf, *components(buf, start, length, np.frombuffer(b"^", np.uint8), 4))
    got = [c.to_pylist()[0] for c in (found.comparator, found.num1, found.separator, found.num2)]
    assert (*got, bool(found.bad[0])) == want
