"""AES-SIV over columns: the library's bytes, whatever the shape of the column."""

from __future__ import annotations

import base64

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.privacy.distinct import over_distinct
from jobs.privacy.siv import LONGEST, ColumnSIV

KEY = bytes(range(64))


def one_by_one(values: list[str | None], key: bytes = KEY) -> list[str | None]:
    """The obvious twin."""
    cipher = AESSIV(key)
    sealed = [None if v is None else cipher.encrypt(v.encode(), None) for v in values]
    return [None if s is None else base64.urlsafe_b64encode(s).rstrip(b"=").decode() for s in sealed]


@given(st.lists(st.none() | st.text(max_size=80), max_size=30))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_any_column_equals_the_library_and_comes_back(values: list[str | None]) -> None:
    column = pa.array(values, pa.string())
    tokens = ColumnSIV(KEY).encrypt(column)
    tokens.validate(full=True)
    assert tokens.to_pylist() == one_by_one(values)
    assert ColumnSIV(KEY).decrypt(tokens).cast(pa.string()).equals(column)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_every_length_around_the_block_borders(kind: pa.DataType) -> None:
    lengths = [*range(100), *range(16 * LONGEST - 20, 16 * LONGEST + 20), 100_000]
    values = ["x" * n for n in lengths]
    tokens = ColumnSIV(KEY).encrypt(pa.array(values).cast(kind))
    assert tokens.to_pylist() == one_by_one(values)
    assert tokens.type == (pa.large_string() if "large" in str(kind) else pa.string())
    assert [len(v) for v in ColumnSIV(KEY).decrypt(tokens).to_pylist()] == lengths


@pytest.mark.parametrize("length", [32, 48, 64])
def test_every_key_length(length: int) -> None:
    assert ColumnSIV(KEY[:length]).encrypt(pa.array(["a"])).to_pylist() == one_by_one(["a"], KEY[:length])


def test_the_counter_bits_that_are_cleared_do_not_carry() -> None:
    values = [f"{i:040d}" for i in range(20_000)]
    assert ColumnSIV(KEY).encrypt(pa.array(values)).to_pylist() == one_by_one(values)


def test_slices_and_columns_without_values() -> None:
    values = ["a", None, "", "d" * 40, None, "f"]
    column, cipher = pa.array(values), ColumnSIV(KEY)
    for start in range(7):
        for size in range(7 - start):
            part = column.slice(start, size)
            assert cipher.encrypt(part).to_pylist() == one_by_one(values[start : start + size])
            assert cipher.decrypt(cipher.encrypt(column).slice(start, size)).cast(pa.string()).equals(part)
    assert cipher.encrypt(pa.nulls(3, pa.string())).to_pylist() == [None] * 3


def test_what_is_no_token_of_the_key_is_null() -> None:
    token = one_by_one(["patient 1"])[0]
    assert token is not None
    changed = [token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in range(len(token))]
    bad = [*changed, token[:-1], token + "A", "", "no token", token.replace(token[3], "+"), "é" * 30, None]
    opened = ColumnSIV(KEY).decrypt(pa.array(bad))
    assert opened.null_count == len(bad)
    assert b"patient" not in b"".join(b.to_pybytes() for b in opened.buffers() if b is not None)


def test_long_values_of_another_key_are_null() -> None:
    tokens = ColumnSIV(KEY[::-1]).encrypt(pa.array(["x" * 5000, "y"]))
    assert ColumnSIV(KEY).decrypt(tokens).to_pylist() == [None, None]


VALUE = st.one_of(st.none(), st.text(max_size=3), st.text(min_size=6, max_size=70))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(VALUE, min_size=1, max_size=6), st.integers(2, 9), st.sampled_from([pa.string(), pa.large_string()]))
def test_values_that_repeat_are_spread_over_their_rows(values: list[str | None], times: int, kind: pa.DataType) -> None:
    column = pa.array(values * times, kind)
    spread_out = over_distinct(column, lambda distinct: pc.binary_repeat(distinct, 2))
    spread_out.validate(full=True)
    assert spread_out.to_pylist() == [None if value is None else value * 2 for value in values * times]


@given(st.lists(st.none() | st.sampled_from(["a", "bb", "", "c" * 7, "c" * 8, "d" * 9, "é" * 20]), max_size=60))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_work_over_distinct_values_equals_work_over_all(values: list[str | None]) -> None:
    for kind in (pa.string(), pa.large_string()):
        column = pa.array(["first", *values], kind)[1:]
        done = over_distinct(column, ColumnSIV(KEY).encrypt)
        assert done.to_pylist() == one_by_one(values)
        assert done.type == kind


@pytest.mark.parametrize("distinct", [10, 5_000, 30_000, 60_000])
def test_distinct_work_over_many_rows(distinct: int) -> None:
    rows = np.random.default_rng(3).integers(0, distinct, 60_000)
    column = pa.array([None if i % 1001 == 0 else f"{i * 7919}" for i in rows])
    seen: list[int] = []

    def counted(values: pa.Array) -> pa.Array:
        seen.append(len(values))
        return ColumnSIV(KEY).encrypt(values)

    assert over_distinct(column, counted).equals(ColumnSIV(KEY).encrypt(column))
    assert len(seen) == 1
    if distinct <= 5_000:
        assert seen[0] == len(set(column.to_pylist()) - {None})
