"""Questions about 64 bytes at once, as vector instructions of whatever width the processor has."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LANES: Final = 64
_BYTES = ir.VectorType(ir.IntType(8), LANES)
_WORD = ir.IntType(64)


def _load(builder: Any, address: Any) -> Any:
    return builder.load(builder.inttoptr(address, _BYTES.as_pointer()), align=1)


def _every(byte: int) -> Any:
    return ir.Constant(_BYTES, [byte] * LANES)


@intrinsic
def breaks_mask(typing: Any, address: Any) -> Any:
    """uint64: bit j is set if the byte at address + j is a control or ends a UTF-8 byte-order mark. Reads 64 bytes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _load(builder, arguments[0])
        control = builder.icmp_unsigned("<", lanes, _every(32))
        return builder.bitcast(builder.or_(control, builder.icmp_unsigned("==", lanes, _every(0xBF))), _WORD)

    return types.uint64(types.int64), emit


@intrinsic
def letters_mask(typing: Any, address: Any) -> Any:
    """uint64: bit j is set if the byte at address + j is B, F or M. Reads 64 bytes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _load(builder, arguments[0])
        but_for_a_bit = builder.and_(lanes, _every(0xFF - (ord("B") ^ ord("F"))))
        line = builder.icmp_unsigned("==", but_for_a_bit, _every(ord("B") & ord("F")))
        return builder.bitcast(builder.or_(line, builder.icmp_unsigned("==", lanes, _every(ord("M")))), _WORD)

    return types.uint64(types.int64), emit


@intrinsic
def high_mask(typing: Any, address: Any) -> Any:
    """uint64: bit j is set if the byte at address + j is 0x80 or more. Reads 64 bytes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _load(builder, arguments[0])
        return builder.bitcast(builder.icmp_signed("<", lanes, _every(0)), _WORD)

    return types.uint64(types.int64), emit
