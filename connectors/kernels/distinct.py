"""A text column as its distinct values and which of them each row holds, and what is known of columns so."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import pyarrow as pa

from connectors.kernels.gather import is_all, picked
from connectors.kernels.interning import (
    MOSTLY_DISTINCT,
    NEVER,
    Codes,
    Integers,
    all_differ,
    codes_in_any_case,
    codes_of,
    codes_of_numbers,
    gathered,
    in_order,
)
from connectors.kernels.short_values import probe_after
from connectors.kernels.spans import BUFFERS, bitmap, place_of, spans_of, validity

_FEW: Final = 4
"""Pairs of values are numbered by a table of all that could be, if they are not more than so many a row."""


@dataclass(frozen=True)
class Distinct:
    """A column of text or bytes as its distinct values and which of them each row holds.

    values: in order of appearance, without nulls. codes: int32[n], -1 for null. Where nearly every value is another,
    codes is None, and values are the column as it stands. exact: it is sure that `distinct` of the column gives the
    same. Else a value may stand among the distinct ones twice or, without codes, values of the column may repeat.
    """

    values: pa.Array
    codes: Codes | None
    exact: bool = False

    def column(self, made: pa.Array) -> pa.Array:
        """The column that has made[i] where this one has values[i]."""
        if self.codes is None:
            return made
        if made.null_count or not has_spans(made.type):
            return made.take(pa.array(self.codes, mask=self.codes < 0))
        return gathered(spans_of(made), self.codes, made.type)

    def encoded(self) -> pa.Array:
        """The column as a dictionary of Arrow, which takes no copy of any value; as it stands where it has no codes."""
        if self.codes is None:
            return self.values
        kind = pa.dictionary(pa.int32(), self.values.type)
        buffers = [bitmap(self.codes >= 0), pa.py_buffer(self.codes)]
        return pa.DictionaryArray.from_buffers(kind, len(self.codes), buffers, self.values)

    def sliced(self, begin: int, count: int) -> Distinct | None:
        """Some of the rows, if no value stands among the distinct ones twice; None where that is not known without a
        look at the values, or where the rows are none of the column's."""
        if self.codes is None or begin < 0 or begin + count > len(self.codes):
            return None
        told = spread(self.values, self.codes[begin : begin + count])
        return None if told.codes is None else Distinct(told.values, told.codes, exact=True)

    def mapped(self, made: pa.Array) -> Distinct:
        """The distinct values of the column that has made[i] where this one has values[i]."""
        several = distinct(made)
        if self.codes is None:
            return Distinct(made, None, several.codes is None)
        if several.codes is None or len(several.values) == len(made):
            return Distinct(made, self.codes, several.codes is not None)
        return Distinct(several.values, picked(np.append(several.codes, np.int32(-1)), self.codes), exact=True)

    def places(self) -> Codes:
        """int32[n]: the place of each row's value among `values`, -1 for null."""
        if self.codes is not None:
            return self.codes
        return np.where(validity(self.values), np.arange(len(self.values), dtype=np.int32), np.int32(-1))

    def equals(self, other: Distinct) -> bool:
        """Whether the columns are surely the same. Where they are told apart differently the answer is no though they
        are equal, which costs work alone."""
        if self.codes is None or other.codes is None:
            return self.codes is other.codes and bool(self.values.equals(other.values))
        return np.array_equal(self.codes, other.codes) and bool(self.values.equals(other.values))


def distinct(values: pa.Array) -> Distinct:
    """The distinct values of a text or binary array."""
    if len(values) and values.null_count == len(values):
        return Distinct(values.slice(0, 0), np.full(len(values), -1, np.int32), exact=True)
    spans = spans_of(values)
    found = codes_of(spans)
    if found is None:
        return Distinct(values, None, exact=True)
    codes, rows = found
    if len(rows) == 1:
        return Distinct(values.slice(rows[0], 1), codes, exact=True)
    return Distinct(gathered(spans, rows.astype(np.int32), values.type), codes, exact=True)


def written_out(column: pa.Array) -> pa.Array:
    """The same column, no dictionary of Arrow."""
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def spread(names: pa.StringArray, codes: Codes) -> Distinct:
    """The column whose row i holds names[codes[i]], null for -1. No name is null, and best none stands twice."""
    ordered, rows, worth = in_order(codes, len(names))
    if not worth:
        return Distinct(gathered(spans_of(names), codes, names.type), None)
    return Distinct(_rows_of(names, rows), ordered)


def _rows_of(values: pa.Array, rows: Codes) -> pa.Array:
    """Some of the values: the array itself, not a copy, where they are all of it in order."""
    return values if is_all(rows, len(values)) else gathered(spans_of(values), rows, values.type)


def joined(columns: Sequence[pa.DictionaryArray]) -> Distinct:
    """The column that dictionaries of Arrow make one behind the other, told apart as `distinct` would: a look at the
    values that they hold, not at each row's. They are of one type, and all of them `can_be_joined`."""
    several = [_apart(column) for column in columns]
    values = pa.concat_arrays([each.values for each in several])
    if not _repeats(columns, len(values)):
        return Distinct(pa.concat_arrays(map(written_out, columns)), None, exact=True)
    numbers, rows = codes_in_any_case(spans_of(values))
    ends = accumulate(len(each.values) for each in several)
    codes = [
        picked(np.append(numbers[end - len(each.values) : end], np.int32(-1)), each.places())
        for each, end in zip(several, ends, strict=True)
    ]
    ordered, held, _ = in_order(np.concatenate(codes), len(rows), NEVER)
    return Distinct(_rows_of(values, picked(rows, held).astype(np.int32)), ordered, exact=True)


def _repeats(columns: Sequence[pa.DictionaryArray], most: int) -> bool:
    """Whether `codes_of` would tell the values apart, of which there are so many at most. As it does, this asks the
    first rows."""
    count = sum(map(len, columns))
    probe = int(probe_after(count))
    if probe >= count or most <= MOSTLY_DISTINCT * probe:
        return True
    first = pa.chunked_array(columns).slice(0, probe)
    _, rows = codes_in_any_case(spans_of(pa.concat_arrays(map(written_out, first.chunks))))
    return len(rows) <= MOSTLY_DISTINCT * probe


def can_be_joined(column: pa.Array) -> bool:
    """Whether it is a dictionary of text that says of its rows alone which are null."""
    return (
        isinstance(column, pa.DictionaryArray) and is_text(column.type.value_type) and not column.dictionary.null_count
    )


def _apart(column: pa.DictionaryArray) -> Distinct:
    """The values and codes of a dictionary: in any order, a value maybe twice, and some maybe in no row."""
    values, indices = column.dictionary, column.indices
    if indices.null_count or not pa.types.is_int32(indices.type):
        indices = indices.cast(pa.int32()).fill_null(-1)
    codes = np.asarray(indices)
    if len(values) <= len(codes):
        return Distinct(values, codes)
    codes, held, _ = in_order(codes, len(values), NEVER)
    return Distinct(_rows_of(values, held), codes)


def combinations(columns: Sequence[Distinct]) -> tuple[Codes, Integers]:
    """int32[n]: which distinct row several columns of n rows make together, in order of appearance; and the row in
    which each stands first. A null is a value like another."""
    codes, firsts = np.zeros(len(columns[0].places()), np.int32), np.zeros(1, np.int64)
    for column in columns:
        places = column.places()
        if len(column.values) <= 1 and (places == len(column.values) - 1).all():
            continue
        each = len(column.values) + 1
        if len(firsts) * each <= _FEW * len(codes):
            codes, firsts = _codes_of_few(codes * np.int32(each) + places + np.int32(1), len(firsts) * each)
        else:
            codes, firsts = codes_of_numbers(codes.astype(np.int64) * each + places)
    return codes, firsts[: len(codes)]


def _codes_of_few(numbers: Codes, below: int) -> tuple[Codes, Integers]:
    """What `codes_of_numbers` says of int32[n], none less than zero, by a table of all numbers below another."""
    codes, several, _ = in_order(numbers, below, NEVER)
    rows = np.empty(len(several), np.int64)
    rows[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of several rows that are told of a code the last one stays
    return codes, rows


class Told:
    """What is known of columns whose distinct values were found before, until it is forgotten.

    A column is known by where its values lie in memory, and is kept, so that nothing else comes to lie there.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[pa.Array, Distinct]] = {}
        self._buffers: dict[Hashable, tuple[pa.Array, Distinct]] = {}
        self._encoded: dict[Hashable, tuple[pa.Array, pa.Array]] = {}

    def note(self, column: pa.Array, told: Distinct) -> None:
        """told: each value that a row holds once or more often, and which of them the rows of the column hold; values
        that no others stand before in the order of the rows."""
        if told.codes is not None or told.exact:
            place = place_of(column)
            self._known[place] = self._buffers[place[BUFFERS]] = column, told

    def distinct(self, column: pa.Array) -> Distinct:
        """The distinct values of a column, which is known from now on."""
        told = self.of(column)
        if told is None:
            told = distinct(column)
            self.note(column, told)
        return told

    def column(self, told: Distinct, *, encoded: bool = False) -> pa.Array:
        """The column that holds distinct values so, which is known from now on. encoded: as a dictionary of Arrow."""
        column = told.encoded() if encoded else told.column(told.values)
        self.note(column, told)
        return column

    def of(self, column: pa.Array) -> Distinct | None:
        """The same with each value once; None where it is not known. Of a column that is known its slices are, too."""
        place = place_of(column)
        found = self._known.get(place) or self._buffers.get(place[BUFFERS])
        if found is None:
            return None
        whole, told = found
        if not told.exact and (told.values.null_count or not all_differ(spans_of(told.values))):
            return None
        begin = column.offset - whole.offset
        return told if (begin, len(column)) == (0, len(whole)) else told.sliced(begin, len(column))

    def encoded(self, column: pa.Array) -> pa.Array:
        """The column as a dictionary of Arrow, the same for the same column, where that is known without a look at its
        values; else as it stands."""
        if not is_text(column.type):
            return column
        place = place_of(column)
        if place not in self._encoded:
            told = self.of(column)
            self._encoded[place] = column, column if told is None else told.encoded()
        return self._encoded[place][1]

    def learn(self, others: Told) -> None:
        """Gets to know what others know."""
        self._known.update(others._known)
        self._buffers.update(others._buffers)

    def forget(self) -> None:
        """Lets go of all columns."""
        self._known.clear()
        self._buffers.clear()
        self._encoded.clear()


def is_text(kind: pa.DataType) -> bool:
    """Whether values are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def has_spans(kind: pa.DataType) -> bool:
    """Whether values are text or bytes of any length."""
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(is_kind(kind) for is_kind in texts)
