"""Which rows of a text column hold the same value: the loops over its bytes."""
# mypy: disallow-untyped-decorators=False, warn-return-any=False

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from connectors.kernels.short_values import GROUP, LONGEST_SHORT, intern_short, probe_after, short
from connectors.kernels.spans import LONGEST, Spans, text_array, to_read
from connectors.kernels.words import BLOCK, VECTOR, byte_at, copy_vector, load, same, store

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

MOSTLY_DISTINCT = 0.9
NEVER = 2.0
_MIX = np.uint64(0x9E3779B97F4A7C15)
_EMPTY, _ONE, _HALF, _CODE = np.uint64(0), np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)
_ROOM = 1 << 10
"""Values that the tables hold at first: few enough that they stay in the processor's nearest cache."""
_WORD = 8
_FIRST, _LAST, _LENGTH, _ADDRESS, _NUMBERS = 0, 1, 2, 3, 4  # of a distinct value: its first and last eight bytes, …
_LONG_RUN = 8
_FIRST_RUNS = 1 << 10


def codes_of(spans: Spans) -> tuple[Codes, Integers] | None:
    """int32[n]: which distinct value each row holds, by order of appearance, -1 for null; and the row in which each
    distinct value stands first, int64. None where nearly every value is another, so that it is not worth while."""
    if is_constant(spans.data, spans.starts, spans.ends, spans.valid):
        return np.zeros(len(spans), np.int32), np.zeros(1, np.int64)
    data = whole_words(spans.data)
    run_of, begins = _runs(data, spans.starts, spans.ends, spans.valid)
    if begins.size:
        of_runs = (to_read(each[begins]) for each in (spans.starts, spans.ends, spans.valid))
        codes, rows, _ = _intern(data, *of_runs, NEVER)
        return codes[run_of], begins[rows]
    intern = intern_short if spans.lengths.max(initial=0) <= LONGEST_SHORT else _intern
    codes, rows, worth = intern(data, spans.starts, spans.ends, spans.valid, MOSTLY_DISTINCT)
    return (codes, rows) if worth else None


def codes_of_numbers(numbers: Integers) -> tuple[Codes, Integers]:
    """The same of int64[n]: int32[n], and the row in which each distinct number stands first."""
    end = _WORD * numbers.size
    bounds = to_read(np.arange(0, end + 1, _WORD, dtype=np.int32 if end <= LONGEST else np.int64))
    data, valid = whole_words(to_read(numbers.view(np.uint8))), to_read(np.ones(numbers.size, np.bool_))
    codes, rows, _ = _intern(data, bounds[:-1], bounds[1:], valid, NEVER)
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
    return bool(_hashes_differ(whole_words(spans.data), spans.starts, spans.ends))


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
def _ends(at: int, length: int, last: int) -> tuple[np.uint64, np.uint64]:
    """The first and the last eight bytes of a value; of a shorter one, all of it twice."""
    if length < 8:
        whole = short(at, length, last)
        return whole, whole
    return load(at), load(at + length - 8)


@njit(cache=True, nogil=True, inline="always")
def _hash(at: int, length: int, first: np.uint64, end: np.uint64) -> np.uint64:
    """A 64-bit number that follows from the bytes of a value at an address, whose ends are given."""
    h = np.uint64(length) * _MIX
    if length > 8:
        h = (h ^ first) * _MIX
        h ^= h >> _HALF
        for i in range(8, length - 8, 8):
            h = (h ^ load(at + i)) * _MIX
            h ^= h >> _HALF
    h = (h ^ end) * _MIX
    h = (h ^ (h >> _HALF)) * _MIX
    return h ^ (h >> _HALF)


@njit(cache=True, nogil=True, inline="always")
def _same_middle(a: int, b: int, length: int) -> bool:
    """Whether two values of one length, at two addresses, are the same between their first and last eight bytes."""
    for i in range(8, length - 8, 8):  # noqa: SIM110 - numba compiles loops, not generators
        if load(a + i) != load(b + i):
            return False
    return True


@njit(cache=True, nogil=True, inline="always")
def _is(values: Words, code: int, first: np.uint64, end: np.uint64, length: int, at: int) -> bool:
    """Whether a distinct value is the one at an address: up to 16 bytes its ends and length say so."""
    place = _NUMBERS * code
    if values[place + _FIRST] != first or values[place + _LAST] != end or values[place + _LENGTH] != np.uint64(length):
        return False
    return _same_middle(np.int64(values[place + _ADDRESS]), at, length)


@njit(cache=True, nogil=True, inline="always")
def _find(
    table: Words, hashed: np.uint64, values: Words, first: np.uint64, end: np.uint64, length: int, at: int
) -> np.int64:
    """The code of a value, or -1 - slot where it is to be put."""
    mask, mark = np.uint64(table.size - 1), hashed >> _HALF
    slot = hashed & mask
    while table[slot] != _EMPTY:
        if table[slot] >> _HALF == mark:
            code = np.int64(table[slot] & _CODE) - 1
            if _is(values, code, first, end, length, at):
                return code
        slot = (slot + np.uint64(1)) & mask
    return -1 - np.int64(slot)


@njit(cache=True, nogil=True, inline="always")
def _equal(a: int, b: int, length: int, last: int) -> bool:
    """Whether two values of one length, at two addresses, are the same bytes."""
    if length < 8:
        return bool(short(a, length, last) == short(b, length, last))
    if load(a) != load(b) or load(a + length - 8) != load(b + length - 8):
        return False
    return _same_middle(a, b, length)


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
def _hashes_differ(data: Bytes, starts: Integers, ends: Integers) -> bool:
    """Whether no two values have the same hash, in all bits but one."""
    room = 2
    while room < 2 * starts.size:
        room *= 2
    table, mask = np.zeros(room, np.uint64), np.uint64(room - 1)
    base = data.ctypes.data
    last = base + data.size - 8
    for i in range(starts.size):
        at, length = base + starts[i], ends[i] - starts[i]
        first, end = _ends(at, length, last)
        hashed = _hash(at, length, first, end) | _ONE
        slot = hashed >> _ONE & mask
        while table[slot] != _EMPTY:
            if table[slot] == hashed:
                return False
            slot = (slot + _ONE) & mask
        table[slot] = hashed
    return True


@njit(cache=True, nogil=True)
def _grown(table: Words, hashes: Words, count: int) -> Words:
    """A table four times as large with the same `count` values in it."""
    larger = np.zeros(table.size * 4, np.uint64)
    mask = np.uint64(larger.size - 1)
    for code in range(count):
        slot = hashes[code] & mask
        while larger[slot] != _EMPTY:
            slot = (slot + np.uint64(1)) & mask
        larger[slot] = (hashes[code] >> _HALF << _HALF) | np.uint64(code + 1)
    return larger


@njit(cache=True, nogil=True)
def _intern(
    data: Bytes, starts: Integers, ends: Integers, valid: npt.NDArray[np.bool_], limit: float
) -> tuple[Codes, Integers, bool]:
    """(code of each row, first row of each code, whether values repeat): an open-addressing table of hash and code.

    What grows does so between groups of rows: an array that changes inside a loop is counted at each use.
    """
    n, base = starts.size, data.ctypes.data
    last = base + data.size - 8
    codes = np.full(n, -1, np.int32)
    table = np.zeros(4 * _ROOM, np.uint64)
    rows, hashes, values = np.empty(_ROOM, np.int64), np.empty(_ROOM, np.uint64), np.empty(_NUMBERS * _ROOM, np.uint64)
    room = np.empty((_NUMBERS, GROUP), np.uint64)
    count, probe = 0, probe_after(n)
    for group in range(0, n, GROUP):
        if group == probe and count > limit * group:
            return codes, rows[:count], False
        if count + GROUP > rows.size:
            rows, hashes = np.append(rows, np.empty_like(rows)), np.append(hashes, np.empty_like(hashes))
            values = np.append(values, np.empty_like(values))
        if 2 * (count + GROUP) > table.size:
            table = _grown(table, hashes, count)
        stop = min(group + GROUP, n)
        count = _intern_group(
            base,
            last,
            starts[group:stop],
            ends[group:stop],
            valid[group:stop],
            codes[group:stop],
            group,
            table,
            values,
            rows,
            hashes,
            count,
            room,
        )
    return codes, rows[:count], True


@njit(cache=True, nogil=True)
def _intern_group(
    base: int,
    last: int,
    starts: Integers,
    ends: Integers,
    valid: npt.NDArray[np.bool_],
    codes: Codes,
    before: int,
    table: Words,
    values: Words,
    rows: Integers,
    hashes: Words,
    count: int,
    room: Words,
) -> int:
    """Gives some rows, of which `before` others stand in front, their codes; how many distinct values there are then.

    Each step goes over all rows, so that the reads of a step do not wait for one another.
    """
    first, end, hashed, found = room[0], room[1], room[2], room[3]
    mask = np.uint64(table.size - 1)
    for i in range(starts.size):
        at, length = base + starts[i], ends[i] - starts[i]
        first[i], end[i] = _ends(at, length, last)
        hashed[i] = _hash(at, length, first[i], end[i])
    for i in range(starts.size):
        found[i] = table[hashed[i] & mask]
    for i in range(starts.size):
        if not valid[i]:
            continue
        code = np.int64(found[i] & _CODE) - 1
        length, at = ends[i] - starts[i], base + starts[i]
        if code >= 0 and _is(values, code, first[i], end[i], length, at):
            codes[i] = code
            continue
        place = _find(table, hashed[i], values, first[i], end[i], length, at)
        if place >= 0:
            codes[i] = place
            continue
        table[-1 - place] = (hashed[i] >> _HALF << _HALF) | np.uint64(count + 1)
        new = _NUMBERS * count
        values[new + _FIRST], values[new + _LAST] = first[i], end[i]
        values[new + _LENGTH], values[new + _ADDRESS] = np.uint64(length), np.uint64(at)
        rows[count], hashes[count] = before + i, hashed[i]
        codes[i] = count
        count += 1
    return count


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
