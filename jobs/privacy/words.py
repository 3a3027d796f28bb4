"""Eight bytes at a time, at any address, for compiled loops. Little-endian, as every processor that Clinray runs on.

The caller sees to it that the eight bytes are inside its array.
"""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

VECTOR = 32
_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(ir.IntType(8), VECTOR)


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """uint64: the eight bytes at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], _WORD.as_pointer()), align=1)

    return types.uint64(types.int64), emit


@intrinsic
def store(typing: Any, address: Any, word: Any) -> Any:
    """Writes the eight bytes of a uint64 at an address."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], _WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), emit


@intrinsic
def copy_vector(typing: Any, to: Any, source: Any) -> Any:
    """Copies the VECTOR bytes at one address to another."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, origin = (builder.inttoptr(address, _VECTOR.as_pointer()) for address in arguments)
        builder.store(builder.load(origin, align=1), target, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def swap(typing: Any, word: Any) -> Any:
    """uint64: the bytes in the other order."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), emit
