"""SHA-256 of sixteen spans side by side: word i of every span's state stands in one vector (FIPS 180-4, 6.2).

It pays where a processor has vectors of sixteen words that it rotates in one step, as AVX-512 has, and there are many
spans: one span alone is hashed faster by the instructions for SHA.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from connectors.kernels.words import fetched, load, prefetch, store, swap

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Booleans = npt.NDArray[np.bool_]

LANES: Final = 16
SIZE: Final = 32
_BLOCK, _BLOCK_BITS, _WORDS, _ROUNDS = 64, 6, 16, 64
_PADDING = 9  # a one behind the span, and eight bytes that tell how many bits there were
_TAIL = 2 * _BLOCK
_MOST = (1 << 16) - 1  # blocks that spans are told apart by
_STRIDE = 4 * LANES  # from one word of a lane's state to the next
_HAS_THEM = "x86-64-v4"
_FEATURES = ("avx512f", "avx512bw", "avx512vl")
_WORD, _ADDRESS = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, LANES)
_OCTET, _OCTETS = ir.IntType(8), ir.VectorType(ir.IntType(8), _BLOCK)
Vectors = list[Any]


class Room(NamedTuple):
    """What the work on a group of spans is done in. state, kept: uint32[8, LANES]. tails: uint8[LANES, _TAIL], the ends
    of spans. at: int64[LANES], the address that each lane reads next."""

    state: Words
    kept: Words
    tails: Bytes
    at: Integers


@lru_cache(maxsize=1)
def pays() -> bool:
    """Whether this processor has such vectors, and kernels are compiled for it or for all that have them."""
    if numba.config.CPU_NAME not in (None, _HAS_THEM):
        return False
    features = binding.get_host_cpu_features()
    return all(features.get(name, False) for name in _FEATURES)


def initial() -> Words:
    """uint32[8]: the state before the first block (FIPS 180-4, 5.3.3)."""
    return np.array(_initial(), np.uint32)


@lru_cache(maxsize=1)
def _initial() -> tuple[int, ...]:
    return tuple(_fraction(prime, 2) for prime in _primes(8))


def _constants() -> list[int]:
    """The constant of each round (FIPS 180-4, 4.2.2)."""
    return [_fraction(prime, 3) for prime in _primes(_ROUNDS)]


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _fraction(number: int, degree: int) -> int:
    """The first 32 bits behind the point of a root."""
    wanted = number << 32 * degree
    low, high = 0, wanted
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= wanted else (low, middle - 1)
    return low & 0xFFFFFFFF


def _every(word: int) -> Any:
    return ir.Constant(_VECTOR, [word] * LANES)


def _octets(octet: int) -> Any:
    return ir.Constant(_OCTETS, [octet] * _BLOCK)


def _shuffled(builder: Any, first: Any, second: Any, places: Sequence[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_WORD, len(places)), list(places)))


def _rotated(builder: Any, x: Any, bits: int) -> Any:
    return builder.or_(builder.lshr(x, _every(bits)), builder.shl(x, _every(32 - bits)))


def _sigma(builder: Any, x: Any, first: int, second: int, third: int, *, shift: bool = False) -> Any:
    """The exclusive or of three rotations, of which the last is a shift in the message schedule (4.1.2)."""
    last = builder.lshr(x, _every(third)) if shift else _rotated(builder, x, third)
    return builder.xor(builder.xor(_rotated(builder, x, first), _rotated(builder, x, second)), last)


def _total(builder: Any, first: Any, *others: Any) -> Any:
    for other in others:
        first = builder.add(first, other)
    return first


def _transposed(builder: Any, rows: Vectors) -> Vectors:
    """Vector i holds word i of every row."""
    step = 1
    while step < LANES:
        upper = [k if not k & step else LANES + k - step for k in range(LANES)]
        lower = [k + step if not k & step else LANES + k for k in range(LANES)]
        made = list(rows)
        for i in (i for i in range(LANES) if not i & step):
            made[i] = _shuffled(builder, rows[i], rows[i + step], upper)
            made[i + step] = _shuffled(builder, rows[i], rows[i + step], lower)
        rows, step = made, 2 * step
    return rows


def _big_endian(builder: Any, x: Any) -> Any:
    octets = builder.bitcast(x, _OCTETS)
    return builder.bitcast(_shuffled(builder, octets, octets, [k ^ 3 for k in range(4 * LANES)]), _VECTOR)


def _rounds(builder: Any, state: Vectors, words: Vectors) -> Vectors:
    """The state behind one block of each lane, whose message words are given (6.2.2)."""
    w = list(words)
    a, b, c, d, e, f, g, h = state
    for t, constant in enumerate(_constants()):
        if t >= _WORDS:
            early = _sigma(builder, w[(t - 15) % _WORDS], 7, 18, 3, shift=True)
            late = _sigma(builder, w[(t - 2) % _WORDS], 17, 19, 10, shift=True)
            w[t % _WORDS] = _total(builder, w[t % _WORDS], early, w[(t - 7) % _WORDS], late)
        choice = builder.xor(g, builder.and_(e, builder.xor(f, g)))
        first = _total(builder, h, w[t % _WORDS], _every(constant), choice, _sigma(builder, e, 6, 11, 25))
        majority = builder.or_(builder.and_(a, b), builder.and_(c, builder.or_(a, b)))
        second = builder.add(_sigma(builder, a, 2, 13, 22), majority)
        a, b, c, d, e, f, g, h = builder.add(first, second), a, b, c, builder.add(d, first), e, f, g
    return [builder.add(x, y) for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


@intrinsic
def _compress(typing: Any, state: Any, places: Any, count: Any) -> Any:
    """Goes on with the states at an address (uint32[8, LANES]) over so many blocks of each lane, one at least; the
    first ones stand at the addresses at `places` (int64[LANES])."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def at(base: Any, offset: int, kind: Any) -> Any:
            return builder.inttoptr(builder.add(base, ir.Constant(_ADDRESS, offset)), kind.as_pointer())

        states = [at(arguments[0], 4 * LANES * i, _VECTOR) for i in range(8)]
        first = [builder.load(at(arguments[1], 8 * lane, _ADDRESS), align=8) for lane in range(LANES)]
        before, before_block = [builder.load(place, align=4) for place in states], builder.block
        loop, behind = builder.append_basic_block("blocks"), builder.append_basic_block("behind")
        builder.branch(loop)
        builder.position_at_end(loop)
        number, held = builder.phi(_ADDRESS), [builder.phi(_VECTOR) for _ in states]
        offset = builder.mul(number, ir.Constant(_ADDRESS, _BLOCK))
        here = [builder.add(place, offset) for place in first]
        for place in here:
            fetched(builder, at(place, _BLOCK, _OCTET))
        rows = [builder.load(at(place, 0, _VECTOR), align=1) for place in here]
        words = [_big_endian(builder, word) for word in _transposed(builder, rows)]
        made, following = _rounds(builder, held, words), builder.add(number, ir.Constant(_ADDRESS, 1))
        builder.cbranch(builder.icmp_signed("<", following, arguments[2]), loop, behind)
        for phi, begun, next_ in zip(
            (number, *held), (ir.Constant(_ADDRESS, 0), *before), (following, *made), strict=True
        ):
            phi.add_incoming(begun, before_block)
            phi.add_incoming(next_, loop)
        builder.position_at_end(behind)
        for place, vector in zip(states, made, strict=True):
            builder.store(vector, place, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@intrinsic
def _compress_rows(typing: Any, state: Any, rows: Any, out: Any) -> Any:
    """Writes, at the address `out`, the digests of the rows of 32 bytes at an address, one a lane, from the states at
    an address (uint32[8, LANES]), behind which a row and its padding make one block more."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def at(base: Any, offset: int, kind: Any) -> Any:
            return builder.inttoptr(builder.add(base, ir.Constant(_ADDRESS, offset)), kind.as_pointer())

        narrow, doubled = ir.VectorType(_WORD, _WORDS // 2), [k % (_WORDS // 2) for k in range(LANES)]
        states = [builder.load(at(arguments[0], _STRIDE * i, _VECTOR), align=4) for i in range(8)]
        halves = [builder.load(at(arguments[1], SIZE * lane, narrow), align=1) for lane in range(LANES)]
        rows = _transposed(builder, [_shuffled(builder, half, half, doubled) for half in halves])
        padding = [_every(word) for word in (1 << 31, *[0] * 6, 8 * (_BLOCK + SIZE))]
        made = _rounds(builder, states, [*(_big_endian(builder, word) for word in rows[:8]), *padding])
        digests = _transposed(builder, [_big_endian(builder, word) for word in (*made, *made)])
        for lane, digest in enumerate(digests):
            half = _shuffled(builder, digest, digest, range(8))
            builder.store(half, at(arguments[2], SIZE * lane, narrow), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@njit(cache=True, nogil=True, inline="always")
def _blocks(length: np.int64) -> np.int64:
    """How many blocks a span makes with its padding (FIPS 180-4, 5.1.1)."""
    return (length + _PADDING + _BLOCK - 1) >> _BLOCK_BITS


@intrinsic
def _put_end(typing: Any, to: Any, source: Any, size: Any) -> Any:
    """Writes, at an address, a block in which a span ends: its first `size` bytes are those at `source`, behind them
    stands the one of the padding. size: from -64 to 127. No other bytes are read."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, source = (builder.inttoptr(address, _OCTETS.as_pointer()) for address in arguments[:2])
        size = builder.insert_element(_octets(0), builder.trunc(arguments[2], _OCTET), ir.Constant(_WORD, 0))
        size = _shuffled(builder, size, size, [0] * _BLOCK)
        places = ir.Constant(_OCTETS, list(range(_BLOCK)))
        wanted = builder.icmp_signed("<", places, size)
        kind = ir.FunctionType(_OCTETS, [source.type, _WORD, wanted.type, _OCTETS])
        load = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.load.v64i8.p0")
        octets = builder.call(load, [source, ir.Constant(_WORD, 1), wanted, _octets(0)])
        octets = builder.select(builder.icmp_signed("==", places, size), _octets(0x80), octets)
        builder.store(octets, to, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


@njit(cache=True, nogil=True, inline="always")
def _end(tail: int, rest: int, size: int, blocks: int, total: int) -> None:
    """Writes the last `size` bytes of a span, from the address `rest`, at an address, and behind them the padding, up
    to so many blocks of two. total: bytes that are hashed, all before them included."""
    _put_end(tail, rest, size)
    _put_end(tail + _BLOCK, rest + _BLOCK, size - _BLOCK)
    store(tail + blocks * _BLOCK - 8, swap(np.uint64(8 * total)))


@njit(cache=True, nogil=True, inline="always")
def _put(state: int, to: int) -> None:
    """Writes the digest that the state of a lane is at an address. state: address of its first word."""
    for k in range(0, 8, 2):
        high, low = load(state + _STRIDE * k), load(state + _STRIDE * (k + 1))
        store(to + 4 * k, swap(high << np.uint64(32) | low & np.uint64(0xFFFFFFFF)))


@njit(cache=True, nogil=True, inline="always")
def _bodies(first: int, count: int, order: Integers, places: Integers, lengths: Integers, room: Room) -> None:
    """room.kept: the states of the lanes behind those blocks of their spans that stand whole before the last two. A
    lane that has no more of them reads what the last one reads, and its state is set aside before."""
    done = np.int64(0)
    for lane in range(LANES):
        room.at[lane] = places[order[first + min(lane, count - 1)]]
    for lane in range(count):
        body = _blocks(lengths[order[first + lane]]) - 2
        if body > done:
            for ended in range(lane):
                room.at[ended] = room.at[count - 1]
            _compress(room.state.ctypes.data, room.at.ctypes.data, body - done)
            for going in range(LANES):
                room.at[going] += _BLOCK * (body - done)
            done = body
        for k in range(8):
            room.kept[k, lane] = room.state[k, lane]


@njit(cache=True, nogil=True, inline="always")
def _ends(
    first: int, count: int, order: Integers, places: Integers, lengths: Integers, before: int, room: Room, out: Bytes
) -> None:
    """out: the digests of the spans, from the states in room.kept over the last two blocks of each, or the only one."""
    tails, kept, at = room.tails.ctypes.data, room.kept.ctypes.data, room.at.ctypes.data
    for lane in range(LANES):
        room.at[lane] = tails + _TAIL * lane
    for lane in range(count):
        row = order[first + lane]
        blocks = _blocks(lengths[row])
        body = _BLOCK * max(blocks - 2, 0)
        _end(room.at[lane], places[row] + body, lengths[row] - body, min(blocks, 2), lengths[row] + before)
    for number in range(2):
        _compress(kept, at, 1)
        for lane in range(count):
            row = order[first + lane]
            room.at[lane] += _BLOCK
            if min(_blocks(lengths[row]), 2) == number + 1:
                _put(kept + 4 * lane, out.ctypes.data + SIZE * row)
        if _blocks(lengths[order[first + count - 1]]) == number + 1:
            return


@njit(cache=True, nogil=True)
def _by_blocks(lengths: Integers) -> Integers:
    """int64[n]: the spans by how many blocks they make, equal ones in their order; from _MOST on all count as equal."""
    shortest, longest = np.int64(1 << 62), np.int64(0)
    for length in lengths:
        shortest, longest = min(shortest, length), max(longest, length)
    if _blocks(shortest) >= _blocks(longest):
        return np.arange(lengths.size)
    behind, order = np.zeros(min(_blocks(longest), _MOST) + 2, np.int64), np.empty(lengths.size, np.int64)
    for length in lengths:
        behind[min(_blocks(length), _MOST) + 1] += 1
    for blocks in range(1, behind.size):
        behind[blocks] += behind[blocks - 1]
    for i in range(lengths.size):
        blocks = min(_blocks(lengths[i]), _MOST)
        order[behind[blocks]] = i
        behind[blocks] += 1
    return order


@njit(cache=True, nogil=True)
def _hash(
    order: Integers,
    places: Integers,
    lengths: Integers,
    start: Words,
    before: int,
    room: Room,
    out: Bytes,
    alone: Booleans,
) -> None:
    """See `digests_of`. order: the spans by how many blocks they make."""
    for first in range(0, order.size, LANES):
        count, blocks = min(LANES, order.size - first), np.int64(0)
        for lane in range(count):
            blocks += _blocks(lengths[order[first + lane]])
        if 2 * blocks < LANES * _blocks(lengths[order[first + count - 1]]):
            for lane in range(count):
                alone[order[first + lane]] = True
            continue
        for ahead in range(first + LANES, min(first + 2 * LANES, order.size)):
            prefetch(places[order[ahead]])
        for k in range(8):
            for lane in range(LANES):
                room.state[k, lane] = start[k]
        _bodies(first, count, order, places, lengths, room)
        _ends(first, count, order, places, lengths, before, room, out)


def digests_of(places: Integers, lengths: Integers, start: Words, before: int) -> tuple[Bytes, Booleans]:
    """(uint8[n, 32], bool[n]): SHA-256 of the spans of lengths[i] bytes at the addresses places[i], int64[n] each; and
    which were left out, because too few others are about as long.

    start: uint32[8], the state behind `before` bytes, a multiple of 64, that stand in front of every span. The caller
    holds what the addresses are of.
    """
    out, alone = np.empty((places.size, SIZE), np.uint8), np.zeros(places.size, np.bool_)
    _hash(_by_blocks(lengths), places, lengths, start, before, _room(), out, alone)
    return out, alone


def digests_of_rows(rows: Bytes, start: Words) -> Bytes:
    """uint8[n, 32]: SHA-256 of each row of uint8[n, 32], contiguous, n at least LANES; a block stands in front of each,
    behind which the state is `start`, uint32[8]."""
    out = np.empty(rows.shape, np.uint8)
    _hash_rows(rows.ctypes.data, np.repeat(start, LANES), out)
    return out


@njit(cache=True, nogil=True)
def _hash_rows(rows: int, states: Words, out: Bytes) -> None:
    """See `digests_of_rows`; rows: their address. The last LANES are hashed once more where a group is not whole."""
    for group in range(0, len(out), LANES):
        first = SIZE * min(group, len(out) - LANES)
        _compress_rows(states.ctypes.data, rows + first, out.ctypes.data + first)


def behind(block: Bytes) -> Words:
    """uint32[8]: the state behind one block, uint8[64]."""
    room = _room()
    room.state[:] = initial()[:, None]
    room.at[:] = block.ctypes.data
    _advance(room)
    return room.state[:, 0].copy()


@njit(cache=True, nogil=True)
def _advance(room: Room) -> None:
    """The states behind one block of each lane."""
    _compress(room.state.ctypes.data, room.at.ctypes.data, 1)


def _room() -> Room:
    words = np.empty((2, 8, LANES), np.uint32)
    return Room(words[0], words[1], np.empty((LANES, _TAIL), np.uint8), np.empty(LANES, np.int64))
