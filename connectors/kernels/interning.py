"""Which rows of a text column hold the same value: the loops over its bytes."""
# mypy: disallow-untyped-decorators=False, warn-return-any=False

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from connectors.kernels.long_values import hashes_differ, intern_long, same_middle
from connectors.kernels.short_values import LONGEST_SHORT, intern_short, probe_after, short
from connectors.kernels.spans import LONGEST, Spans, text_array, to_read
from connectors.kernels.words import BLOCK, VECTOR, byte_at, copy_vector, load, same, store

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64] | npt.NDArray[np.int32]

MOSTLY_DISTINCT = 0.9
NEVER = 2.0
_WORD = 8
_LONG_RUN = 8
_FIRST_RUNS = 1 << 10


def codes_of(spans: Spans) -> tuple[Codes, Integers] | None:
    """int32[n]: which distinct value each row holds, by order of appearance, -1 for null; and the row in which each
    distinct value stands first, int64. None where nearly every value is another, so that it is not worth while."""
    codes, rows, worth = _codes_of(spans, MOSTLY_DISTINCT)
    return (codes, rows) if worth else None


def codes_in_any_case(spans: Spans) -> tuple[Codes, Integers]:
    """What `codes_of` says, also where nearly every value is another."""
    codes, rows, _ = _codes_of(spans, NEVER)
    return codes, rows


def _codes_of(spans: Spans, limit: float) -> tuple[Codes, Integers, bool]:
    """Codes and rows, and whether there are not more distinct values, as far as they were looked at, than a limit."""
    if is_constant(spans.data, spans.starts, spans.ends, spans.valid):
        return np.zeros(len(spans), np.int32), np.zeros(1, np.int64), True
    data = whole_words(spans.data)
    run_of, begins = _runs(data, spans.starts, spans.ends, spans.valid)
    if begins.size:
        of_runs = (to_read(each[begins]) for each in (spans.starts, spans.ends, spans.valid))
        codes, rows, _ = intern_long(data, *of_runs, NEVER)
        return codes[run_of], begins[rows], True
    intern = intern_short if spans.lengths.max(initial=0) <= LONGEST_SHORT else intern_long
    interned: tuple[Codes, Integers, bool] = intern(data, spans.starts, spans.ends, spans.valid, limit)
    return interned


def codes_of_numbers(numbers: Integers) -> tuple[Codes, Integers]:
    """The same of int64[n]: int32[n], and the row in which each distinct number stands first."""
    end = _WORD * numbers.size
    bounds = to_read(np.arange(0, end + 1, _WORD, dtype=np.int32 if end <= LONGEST else np.int64))
    data, valid = whole_words(to_read(numbers.view(np.uint8))), to_read(np.ones(numbers.size, np.bool_))
    codes, rows, _ = intern_long(data, bounds[:-1], bounds[1:], valid, NEVER)
    return codes, rows


def in_order(codes: Codes, count: int, limit: float = MOSTLY_DISTINCT) -> tuple[Codes, Codes, bool]:
    """Codes below `count`, -1 for null, numbered by order of appearance: int32[n]; which code each number was; and
    whether they repeat enough for `codes_of` to be worth while, or for another limit."""
    number = np.full(count, -1, np.int32)
    ordered, was = np.empty(codes.size, np.int32), np.empty(count, np.int32)
    found = _in_order(codes, number, ordered, was, limit)
    return ordered, was[:found], found >= 0


def all_differ(spans: Spans) -> bool:
    """Whether it is sure that no value stands twice; there are no nulls."""
    return bool(hashes_differ(whole_words(spans.data), spans.starts, spans.ends))


def whole_words(data: Bytes) -> Bytes:
    """The bytes, with zeros behind them if they are fewer than two words: a short value is read as the word that
    begins with it or, where that would end behind the data, as the one that ends with it."""
    return data if data.size >= 2 * _WORD else to_read(np.append(data, np.zeros(2 * _WORD - data.size, np.uint8)))


def gathered(spans: Spans, codes: Codes, kind: pa.DataType) -> pa.Array:
    """The array whose row i holds value codes[i] of the spans; null for -1."""
    total, missing = measured(spans.lengths, codes)
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    at: Offsets = np.empty(codes.size + 1, np.int32)
    if large or total > LONGEST:
        at = np.empty(codes.size + 1, np.int64)
    if len(spans) == 1 and not missing:
        return text_array(at, _repeated(spans.value(0), at), None, large, binary=binary)
    data, out = spans.data, np.empty(total + VECTOR, np.uint8)
    if data.size < codes.size:  # so few bytes that many rows may hold the last ones: those are read as vectors too
        data = to_read(np.concatenate([data, np.zeros(VECTOR, np.uint8)]))
    _gather(data, spans.starts, spans.lengths, codes, at, out)
    return text_array(at, out[:total], None if not missing else codes >= 0, large, binary=binary)


def _repeated(value: bytes, at: Offsets) -> Bytes:
    """The bytes of a value so often that it stands between any two of `at`, which is made to say where."""
    np.multiply(np.arange(at.size, dtype=at.dtype), len(value), out=at)
    return np.frombuffer(value * (at.size - 1), np.uint8)


@njit(cache=True, nogil=True)
def is_constant(data: Bytes, starts: Integers, ends: Integers, valid: npt.NDArray[np.bool_]) -> bool:
    """Whether every row has a value, and all the same. Values lie end to end, but for what stands behind nulls.

    They are all the same where the bytes are those that stand one value further on.
    """
    n = starts.size
    if n == 0:
        return False
    size, count, other = np.int64(ends[0] - starts[0]), np.int64(n - 1), False
    base = np.int64(data.ctypes.data) + starts[0]
    if starts[count] - starts[0] != size * count or ends[count] - starts[count] != size:
        return False
    whole = size * count // BLOCK * BLOCK
    for block in range(base, base + whole, BLOCK):
        if ~same(block, block + size):
            return False
    for at in range(base + whole, base + size * count):
        if byte_at(at) != byte_at(at + size):
            return False
    for row in range(n):
        other |= (ends[row] - starts[row] != size) | (not valid[row])
    return not other


@njit(cache=True, nogil=True)
def _in_order(codes: Codes, number: Codes, ordered: Codes, was: Codes, limit: float) -> int:
    """ordered[i]: the number of codes[i] by order of appearance; was: the code of each. Returns how many there are, -1
    where values hardly repeat."""
    found, probe = 0, probe_after(codes.size)
    for row in range(codes.size):
        if row == probe and found > limit * row:
            return -1
        code = codes[row]
        if code < 0:
            ordered[row] = -1
            continue
        if number[code] < 0:
            number[code], was[found] = found, code
            found += 1
        ordered[row] = number[code]
    return found


@njit(cache=True, nogil=True, inline="always")
def _equal(a: int, b: int, length: int, last: int) -> bool:
    """Whether two values of one length, at two addresses, are the same bytes."""
    if length < 8:
        return bool(short(a, length, last) == short(b, length, last))
    if load(a) != load(b) or load(a + length - 8) != load(b + length - 8):
        return False
    return same_middle(a, b, length)


@njit(cache=True, nogil=True)
def _runs(data: Bytes, starts: Integers, ends: Integers, valid: npt.NDArray[np.bool_]) -> tuple[Codes, Integers]:
    """Where values stand in runs of _LONG_RUN rows on average: which run each row is in, and the row with which each
    begins; no run where they do not, as the first rows may show already."""
    n, base, runs = starts.size, np.int64(data.ctypes.data), 0
    run_of, begins, last = np.empty(n, np.int32), np.empty(n // _LONG_RUN + 1, np.int64), base + data.size - 8
    for row in range(n):
        length, before = ends[row] - starts[row], max(row - 1, 0)
        same = row > 0 and valid[row] == valid[before] and length == ends[before] - starts[before]
        if not same or not _equal(base + starts[row], base + starts[before], length, last):
            if runs * _LONG_RUN >= n or (row == _FIRST_RUNS and runs * _LONG_RUN > row):
                return run_of, begins[:0]
            begins[runs] = row
            runs += 1
        run_of[row] = runs - 1
    return run_of, begins[:runs]


@njit(cache=True, nogil=True)
def measured(lengths: Integers, codes: Codes) -> tuple[np.int64, bool]:
    """How many bytes the values of all rows have, and whether any row has none."""
    total, least, present = np.int64(0), np.int32(0), np.int64(0)
    if lengths.size and lengths.min() == lengths.max():
        for i in range(codes.size):
            least = min(least, codes[i])
            present += codes[i] >= 0
        return present * lengths[0], bool(least < 0)
    for i in range(codes.size):
        code = codes[i]
        least = min(least, code)
        total += lengths[max(code, 0)] if code >= 0 else 0
    return total, bool(least < 0)


@njit(cache=True, nogil=True)
def _gather(data: Bytes, starts: Integers, lengths: Integers, codes: Codes, at: Offsets, out: Bytes) -> None:
    """out[at[i]:at[i + 1]] = the value of code codes[i]. VECTOR bytes behind the last one are written too."""
    source, target, o = data.ctypes.data, out.ctypes.data, np.int64(0)
    for i in range(codes.size):
        at[i] = o
        code = codes[i]
        if code < 0:
            continue
        first, n = starts[code], lengths[code]
        if n <= VECTOR and first + VECTOR <= data.size:
            copy_vector(target + o, source + first)
        elif n < 8:
            for j in range(n):
                out[o + j] = data[first + j]
        else:
            for j in range(0, n - 8, 8):
                store(target + o + j, load(source + first + j))
            store(target + o + n - 8, load(source + first + n - 8))
        o += n
    at[codes.size] = o
