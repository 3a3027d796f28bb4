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


def _load(builder: Any, address: Any, ahead: int) -> Any:
    at = builder.add(address, ir.Constant(_WORD, ahead))
    return builder.load(builder.inttoptr(at, _BYTES.as_pointer()), align=1)


def _equals(builder: Any, lanes: Any, byte: str) -> Any:
    return builder.icmp_unsigned("==", lanes, ir.Constant(_BYTES, [ord(byte)] * LANES))


@intrinsic
def names_mask(typing: Any, address: Any) -> Any:
    """uint64: bit j is set if MSH, FHS, BHS, BTS or FTS stands at address + j. Reads 66 bytes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, second, third = (_load(builder, arguments[0], ahead) for ahead in range(3))
        message = builder.and_(_equals(builder, first, "M"), _equals(builder, second, "S"))
        message = builder.and_(message, _equals(builder, third, "H"))
        line = builder.and_(
            builder.or_(_equals(builder, first, "F"), _equals(builder, first, "B")),
            builder.or_(_equals(builder, second, "H"), _equals(builder, second, "T")),
        )
        line = builder.and_(line, _equals(builder, third, "S"))
        return builder.bitcast(builder.or_(message, line), _WORD)

    return types.uint64(types.int64), emit


@intrinsic
def high_mask(typing: Any, address: Any) -> Any:
    """uint64: bit j is set if the byte at address + j is 0x80 or more. Reads 64 bytes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _load(builder, arguments[0], 0)
        return builder.bitcast(builder.icmp_signed("<", lanes, ir.Constant(_BYTES, [0] * LANES)), _WORD)

    return types.uint64(types.int64), emit
