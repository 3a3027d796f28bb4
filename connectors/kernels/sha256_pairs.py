"""SHA-256 of two spans side by side, by the processor's instructions for SHA (FIPS 180-4, 6.2).

One span alone keeps these instructions waiting for each other's results; a second one, which has nothing to do with the
first, is hashed while they wait. The instructions stand as assembler, so that kernels that are compiled for many
processors may hold them; they are called where the processor knows them.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from llvmlite import binding, ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from connectors.kernels.sha256 import BLOCK, SIZE, Bytes, Integers, Words, constants, initial
from connectors.kernels.words import (
    VECTOR,
    byte_at,
    clear,
    copy_block,
    copy_vector,
    load,
    put_byte,
    put_word,
    store,
    swap,
    word_at,
)

_FEATURES = ("sha", "ssse3", "sse4.1")
_PAIR: Final = 2
_GROUP: Final = 64  # spans whose ends are laid out together, so that none is read while it is still being written
WORD: Final = 8
_ORDER: Final = (5, 4, 1, 0, 7, 6, 3, 2)
"""Words of a state as the instructions want them: f, e, b, a in one vector, h, g, d, c in the other."""
_INVERSE: Final = tuple(map(_ORDER.index, range(8)))
_LAST: Final = BLOCK - 8  # where the number of bits stands in a last block
_ROOM: Final = 3 * BLOCK  # a block that a span's last bytes are moved through, and the one or two in which it ends
# What the work on a group is done in: the ends of its spans, how many blocks they are, the lanes' states.
_COUNTED: Final = _GROUP * _ROOM
_STATES: Final = _COUNTED + _GROUP * WORD
_ALL: Final = _STATES + _PAIR * VECTOR
_WORD, _ADDRESS, _OCTET = ir.IntType(32), ir.IntType(64), ir.IntType(8)
_VECTOR, _OCTETS = ir.VectorType(_WORD, 4), ir.VectorType(_OCTET, 16)


@lru_cache(maxsize=1)
def pays() -> bool:
    """Whether this processor has the instructions."""
    features = binding.get_host_cpu_features()
    return all(features.get(name, False) for name in _FEATURES)


def _shuffled(builder: Any, first: Any, second: Any, places: tuple[int, ...]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_WORD, len(places)), places))


def _instruction(builder: Any, name: str, first: Any, *others: Any) -> Any:
    """The vector that an instruction makes of its first operand, in whose place it stands; a third one is implied."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * (1 + len(others)))
    wanted = ",".join(["=x", "0", "x", "{xmm0}"][: 2 + len(others)])
    return builder.asm(kind, f"{name} $2, $0", wanted, [first, *others], side_effect=False)


def _big_endian(builder: Any, x: Any) -> Any:
    octets = builder.bitcast(x, _OCTETS)
    places = ir.Constant(ir.VectorType(_WORD, 16), [k ^ 3 for k in range(16)])
    return builder.bitcast(builder.shuffle_vector(octets, octets, places), _VECTOR)


def _scheduled(builder: Any, words: list[Any], step: int) -> Any:
    """The next four message words of a lane, whose last sixteen are given as vectors (6.2.2, step 1)."""
    now, second, third, last = (words[(step + k) % 4] for k in range(4))
    early = _instruction(builder, "sha256msg1", now, second)
    middle = _shuffled(builder, third, last, (1, 2, 3, 4))
    return _instruction(builder, "sha256msg2", builder.add(early, middle), last)


def _rounds(builder: Any, states: list[Any], words: list[list[Any]]) -> list[Any]:
    """The states behind one block of each lane, two vectors a lane, whose message words are given (6.2.2)."""
    made, every = list(states), constants()
    for step in range(16):
        constant = ir.Constant(_VECTOR, every[4 * step : 4 * step + 4])
        for lane in range(_PAIR):
            if step >= 4:
                words[lane][step % 4] = _scheduled(builder, words[lane], step)
            added = builder.add(words[lane][step % 4], constant)
            above = _shuffled(builder, added, added, (2, 3, 0, 0))
            low, high = made[2 * lane : 2 * lane + 2]
            high = _instruction(builder, "sha256rnds2", high, low, added)
            low = _instruction(builder, "sha256rnds2", low, high, above)
            made[2 * lane : 2 * lane + 2] = low, high
    return [builder.add(x, y) for x, y in zip(states, made, strict=True)]


@intrinsic
def _compress(typing: Any, states: Any, first: Any, second: Any, count: Any) -> Any:
    """Goes on with the states at an address (uint32[_PAIR, 8], in _ORDER) over so many blocks of each lane, one at
    least, which stand at two other addresses."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        binding.initialize_native_asmparser()

        def at(base: Any, offset: int, kind: Any) -> Any:
            return builder.inttoptr(builder.add(base, ir.Constant(_ADDRESS, offset)), kind.as_pointer())

        states = [at(arguments[0], 16 * i, _VECTOR) for i in range(2 * _PAIR)]
        before, before_block = [builder.load(place, align=4) for place in states], builder.block
        loop, behind = builder.append_basic_block("blocks"), builder.append_basic_block("behind")
        builder.branch(loop)
        builder.position_at_end(loop)
        number, held = builder.phi(_ADDRESS), [builder.phi(_VECTOR) for _ in states]
        offset = builder.mul(number, ir.Constant(_ADDRESS, BLOCK))
        here = [builder.add(place, offset) for place in arguments[1:3]]
        loaded = [[builder.load(at(place, 16 * k, _VECTOR), align=1) for k in range(4)] for place in here]
        words = [[_big_endian(builder, vector) for vector in vectors] for vectors in loaded]
        made, following = _rounds(builder, held, words), builder.add(number, ir.Constant(_ADDRESS, 1))
        builder.cbranch(builder.icmp_signed("<", following, arguments[3]), loop, behind)
        for phi, begun, next_ in zip(
            (number, *held), (ir.Constant(_ADDRESS, 0), *before), (following, *made), strict=True
        ):
            phi.add_incoming(begun, before_block)
            phi.add_incoming(next_, loop)
        builder.position_at_end(behind)
        for place, vector in zip(states, made, strict=True):
            builder.store(vector, place, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), emit


@intrinsic
def _put_digest(typing: Any, state: Any, to: Any) -> Any:
    """Writes the digest that the state at an address is, in _ORDER, at another."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.VectorType(_WORD, 8)
        held = builder.load(builder.inttoptr(arguments[0], wide.as_pointer()), align=4)
        made = builder.bitcast(_shuffled(builder, held, held, _INVERSE), ir.VectorType(_OCTET, 32))
        places = ir.Constant(ir.VectorType(_WORD, 32), [k ^ 3 for k in range(32)])
        made = builder.shuffle_vector(made, made, places)
        builder.store(made, builder.inttoptr(arguments[1], made.type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@njit(cache=True, nogil=True, inline="always")
def _put_end(moved: int, place: int, length: int, before: int) -> Any:
    """Lays out the block or two in which a span ends, a block behind an address; returns how many. Nothing outside of
    the span is read."""
    end, rest = moved + BLOCK, length % BLOCK
    blocks = 1 if rest < _LAST else 2
    clear(end, 2 * BLOCK)
    if length >= BLOCK:
        copy_block(moved + rest, place + length - BLOCK)
    else:
        whole = length - length % 8
        for k in range(0, whole, 8):
            store(end + k, load(place + k))
        for k in range(whole, length):
            put_byte(end + k, byte_at(place + k))
    put_byte(end + rest, 0x80)
    store(end + BLOCK * blocks - 8, swap(np.uint64(8 * (length + before))))
    return blocks


@njit(cache=True, nogil=True, inline="always")
def _begin(row: int, group: Any, room: int, state: int) -> Any:
    """A lane goes on with a span of a group, or with none where there is no such: address and blocks of what it reads
    next, number of the span or -1, whether it reads its end."""
    places, lengths, count, start, _ = group
    if row >= count:
        return np.int64(0), np.int64(1 << 62), np.int64(-1), False
    copy_vector(state, start)
    blocks = word_at(lengths + WORD * row) // BLOCK
    if blocks == 0:
        return room + _ROOM * row + BLOCK, word_at(room + _COUNTED + WORD * row), row, True
    return word_at(places + WORD * row), blocks, row, False


@njit(cache=True, nogil=True, inline="always")
def _on(lane: Any, count: int, following: int, group: Any, room: int, state: int) -> Any:
    """A lane behind `count` blocks, and which span the next one to begin is."""
    at, left, row, ending = lane
    at, left = at + BLOCK * count, left - count
    if left or row < 0:
        return (at, left, row, ending), following
    if not ending:
        return (room + _ROOM * row + BLOCK, word_at(room + _COUNTED + WORD * row), row, True), following
    _put_digest(state, group[4] + SIZE * row)
    return _begin(following, group, room, state), following + 1


@njit(cache=True, nogil=True)
def _hash_group(places: int, lengths: int, count: int, start: int, before: int, room: int, out: int) -> None:
    """See `digests_of`, of a group. A lane that has no span any more reads what the other one reads."""
    for row in range(count):
        place, length = word_at(places + WORD * row), word_at(lengths + WORD * row)
        put_word(room + _COUNTED + WORD * row, _put_end(room + _ROOM * row, place, length, before))
    group, states = (places, lengths, count, start, out), room + _STATES
    first, second, following = _begin(0, group, room, states), _begin(1, group, room, states + VECTOR), _PAIR
    while first[2] >= 0 or second[2] >= 0:
        blocks = min(first[1], second[1])
        at, other = first[0], second[0]
        _compress(states, at if first[2] >= 0 else other, other if second[2] >= 0 else at, blocks)
        first, following = _on(first, blocks, following, group, room, states)
        second, following = _on(second, blocks, following, group, room, states + VECTOR)


@njit(cache=True, nogil=True)
def _hash(places: Integers, lengths: Integers, start: Words, before: int, room: Bytes, out: Bytes) -> None:
    """See `digests_of`."""
    at, sizes, to = np.int64(places.ctypes.data), np.int64(lengths.ctypes.data), np.int64(out.ctypes.data)
    begin, work = np.int64(start.ctypes.data), np.int64(room.ctypes.data)
    for first in range(0, places.size, _GROUP):
        count = min(_GROUP, places.size - first)
        _hash_group(at + WORD * first, sizes + WORD * first, count, begin, before, work, to + SIZE * first)


def digests_of(places: Integers, lengths: Integers, start: Words, before: int) -> Bytes:
    """uint8[n, 32]: SHA-256 of the spans of lengths[i] bytes at the addresses places[i], int64[n] each.

    start: uint32[8], the state behind `before` bytes, a multiple of 64, that stand in front of every span. The caller
    holds what the addresses are of.
    """
    out = np.empty((places.size, SIZE), np.uint8)
    _hash(places, lengths, start[list(_ORDER)], before, np.empty(_ALL, np.uint8), out)
    return out


def behind(block: Bytes) -> Words:
    """uint32[8]: the state behind one block, uint8[64]."""
    states = np.tile(initial()[list(_ORDER)], (_PAIR, 1))
    _advance(states, block)
    return states[0, list(_INVERSE)]


@njit(cache=True, nogil=True)
def _advance(states: Words, block: Bytes) -> None:
    """The states of both lanes behind one block."""
    at = np.int64(block.ctypes.data)
    _compress(np.int64(states.ctypes.data), at, at, 1)
