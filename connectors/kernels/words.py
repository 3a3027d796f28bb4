"""Memory by address, for compiled loops: no array is passed to an inner function, so nothing is counted there.

A function that takes addresses is called by one that holds the arrays, and sees to it that what is read is theirs.
Little-endian, as every processor that Clinray runs on.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

BLOCK: Final = 64
VECTOR: Final = 32
AHEAD: Final = 16  # rows from one to the text that is asked for while it is worked on
_BYTE, _NARROW, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BLOCK, _VECTOR = ir.VectorType(_BYTE, BLOCK), ir.VectorType(_BYTE, VECTOR)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def byte_at(typing: Any, address: Any) -> Any:
    """int64: the byte at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.load(_pointer(builder, arguments[0], _BYTE), align=1), _WORD)

    return types.int64(types.int64), emit


@intrinsic
def int_at(typing: Any, address: Any) -> Any:
    """int64: the int32 at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.load(_pointer(builder, arguments[0], _NARROW), align=1), _WORD)

    return types.int64(types.int64), emit


@intrinsic
def word_at(typing: Any, address: Any) -> Any:
    """int64: the int64 at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(builder, arguments[0], _WORD), align=8)

    return types.int64(types.int64), emit


@intrinsic
def put_byte(typing: Any, address: Any, value: Any) -> Any:
    """Writes the lowest byte of a number at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(builder.trunc(arguments[1], _BYTE), _pointer(builder, arguments[0], _BYTE), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def put_int(typing: Any, address: Any, value: Any) -> Any:
    """Writes a number as int32 at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(builder.trunc(arguments[1], _NARROW), _pointer(builder, arguments[0], _NARROW), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def put_word(typing: Any, address: Any, value: Any) -> Any:
    """Writes a number as int64 at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], _pointer(builder, arguments[0], _WORD), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def clear(typing: Any, address: Any, count: Any) -> Any:
    """Writes as many zero bytes at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        cgutils.memset(builder, _pointer(builder, arguments[0], _BYTE), arguments[1], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def equals(typing: Any, address: Any, wanted: Any) -> Any:
    """uint64: bit i is set where the byte at address + i is the wanted one. Reads 64 bytes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = builder.load(_pointer(builder, arguments[0], _BLOCK), align=1)
        byte = builder.trunc(arguments[1], _BYTE)
        one = builder.insert_element(ir.Constant(_BLOCK, ir.Undefined), byte, ir.Constant(_NARROW, 0))
        every = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_NARROW, BLOCK), [0] * BLOCK))
        return builder.bitcast(builder.icmp_unsigned("==", block, every), _WORD)

    return types.uint64(types.int64, types.int64), emit


@intrinsic
def same(typing: Any, address: Any, other: Any) -> Any:
    """uint64: bit i is set where the bytes at two addresses + i are the same. Reads 64 bytes of each."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        blocks = (builder.load(_pointer(builder, each, _BLOCK), align=1) for each in arguments)
        return builder.bitcast(builder.icmp_unsigned("==", *blocks), _WORD)

    return types.uint64(types.int64, types.int64), emit


@intrinsic
def ones(typing: Any, bits: Any) -> Any:
    """int64: how many bits of a uint64 are set."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), emit


@intrinsic
def lowest(typing: Any, bits: Any) -> Any:
    """int64: the place of the lowest set bit of a uint64, 64 for none."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit


@intrinsic
def highest(typing: Any, bits: Any) -> Any:
    """int64: the place of the highest set bit of a uint64, -1 for none."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sub(ir.Constant(_WORD, 63), builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0)))

    return types.int64(types.uint64), emit


@njit(cache=True, nogil=True, inline="always")
def below(count: int) -> Any:
    """uint64: the lowest `count` bits, all of them for 64 or more."""
    one = np.uint64(1)
    return ~np.uint64(0) if count >= BLOCK else (one << np.uint64(count)) - one


def fetched(builder: Any, pointer: Any) -> None:
    """Asks for the line of memory that a pointer leads to, to read it soon."""
    kinds = [pointer.type, _NARROW, _NARROW, _NARROW]
    name = "llvm.prefetch.p0"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), kinds), name)
    builder.call(function, [pointer, *(ir.Constant(_NARROW, value) for value in (0, 3, 1))])


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:
    """Asks for the line of memory at an address, which will be read soon."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        fetched(builder, _pointer(builder, arguments[0], _BYTE))
        return context.get_dummy_value()

    return types.void(types.int64), emit


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """uint64: the eight bytes at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(builder, arguments[0], _WORD), align=1)

    return types.uint64(types.int64), emit


@intrinsic
def store(typing: Any, address: Any, word: Any) -> Any:
    """Writes the eight bytes of a uint64 at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], _pointer(builder, arguments[0], _WORD), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), emit


@intrinsic
def copy_vector(typing: Any, to: Any, source: Any) -> Any:
    """Copies the VECTOR bytes at one address to another."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, origin = (_pointer(builder, address, _VECTOR) for address in arguments)
        builder.store(builder.load(origin, align=1), target, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def copy_block(typing: Any, to: Any, source: Any) -> Any:
    """Copies the BLOCK bytes at one address to another."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, origin = (_pointer(builder, address, _BLOCK) for address in arguments)
        builder.store(builder.load(origin, align=1), target, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def swap(typing: Any, word: Any) -> Any:
    """uint64: the bytes in the other order."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), emit
