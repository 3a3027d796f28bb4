"""Blocks of 64 bytes at once: which of them hold one of a few values, as the bits of one number."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

BLOCK = 64


@intrinsic
def matches(typing: Any, buf: Any, at: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """uint64: bit i is set where buf[at + i] is one of the five bytes a to e; 64 bytes are readable from `at` on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), BLOCK)
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), vector.as_pointer())
        block = builder.load(place, align=1)
        found = None
        for value in arguments[2:]:
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), [0] * BLOCK)
            same = builder.icmp_unsigned("==", block, builder.shuffle_vector(one, one, zeros))
            found = same if found is None else builder.or_(found, same)
        return builder.bitcast(found, ir.IntType(64))

    return types.uint64(buf, types.intp, types.uint8, types.uint8, types.uint8, types.uint8, types.uint8), emit


@intrinsic
def lowest(typing: Any, bits: Any) -> Any:
    """int64: the place of the lowest set bit of a uint64, 64 for none."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit
