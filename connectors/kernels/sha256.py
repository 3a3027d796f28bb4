"""SHA-256 of sixteen spans side by side: word i of every span's state stands in one vector (FIPS 180-4, 6.2).

It pays where a processor has vectors of sixteen words that it rotates in one step, as AVX-512 has, and there are many
spans: one span alone is hashed faster by the instructions for SHA.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from connectors.kernels.words import fetched

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

LANES: Final = 16
SIZE: Final = 32
BLOCK: Final = 64
_WORDS, _ROUNDS = 16, 64
_STRIDE = 4 * LANES  # from one word of a lane's state to the next
_HAS_THEM = "x86-64-v4"
_FEATURES = ("avx512f", "avx512bw", "avx512vl")
_WORD, _ADDRESS = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, LANES)
_OCTET, _OCTETS = ir.IntType(8), ir.VectorType(ir.IntType(8), BLOCK)
Vectors = list[Any]


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


def constants() -> list[int]:
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
    return ir.Constant(_OCTETS, [octet] * BLOCK)


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
    for t, constant in enumerate(constants()):
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
def compress(typing: Any, state: Any, places: Any, count: Any) -> Any:
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
        offset = builder.mul(number, ir.Constant(_ADDRESS, BLOCK))
        here = [builder.add(place, offset) for place in first]
        for place in here:
            fetched(builder, at(place, BLOCK, _OCTET))
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
        padding = [_every(word) for word in (1 << 31, *[0] * 6, 8 * (BLOCK + SIZE))]
        made = _rounds(builder, states, [*(_big_endian(builder, word) for word in rows[:8]), *padding])
        for lane, digest in enumerate(_digests(builder, made)):
            builder.store(digest, at(arguments[2], SIZE * lane, narrow), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


def _digests(builder: Any, state: Vectors) -> Vectors:
    """What each lane's digest is, eight words, in the order of the lanes."""
    lanes = _transposed(builder, [_big_endian(builder, word) for word in (*state, *state)])
    return [_shuffled(builder, lane, lane, range(8)) for lane in lanes]


@intrinsic
def put_digests(typing: Any, state: Any, places: Any) -> Any:
    """Writes the digest that the state of each lane is. state: the address of uint32[8, LANES]. places: that of
    int64[LANES], the addresses of the digests."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def at(base: Any, offset: int, kind: Any) -> Any:
            return builder.inttoptr(builder.add(base, ir.Constant(_ADDRESS, offset)), kind.as_pointer())

        state = [builder.load(at(arguments[0], _STRIDE * i, _VECTOR), align=4) for i in range(8)]
        for lane, digest in enumerate(_digests(builder, state)):
            place = builder.load(at(arguments[1], 8 * lane, _ADDRESS), align=8)
            builder.store(digest, at(place, 0, digest.type), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def put_end(typing: Any, to: Any, source: Any, size: Any) -> Any:
    """Writes, at an address, a block in which a span ends: its first `size` bytes are those at `source`, behind them
    stands the one of the padding. size: from -64 to 127. No other bytes are read."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, source = (builder.inttoptr(address, _OCTETS.as_pointer()) for address in arguments[:2])
        size = builder.insert_element(_octets(0), builder.trunc(arguments[2], _OCTET), ir.Constant(_WORD, 0))
        size = _shuffled(builder, size, size, [0] * BLOCK)
        places = ir.Constant(_OCTETS, list(range(BLOCK)))
        wanted = builder.icmp_signed("<", places, size)
        kind = ir.FunctionType(_OCTETS, [source.type, _WORD, wanted.type, _OCTETS])
        load = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.load.v64i8.p0")
        octets = builder.call(load, [source, ir.Constant(_WORD, 1), wanted, _octets(0)])
        octets = builder.select(builder.icmp_signed("==", places, size), _octets(0x80), octets)
        builder.store(octets, to, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), emit


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
    states, places = np.repeat(initial(), LANES), np.full(LANES, block.ctypes.data, np.int64)
    _advance(states, places)
    return states[::LANES].copy()


@njit(cache=True, nogil=True)
def _advance(states: Words, places: Integers) -> None:
    """The states behind one block of each lane, uint32[8 * LANES]; places: int64[LANES]."""
    compress(states.ctypes.data, places.ctypes.data, 1)
