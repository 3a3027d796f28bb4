"""An Arrow text or binary array as numpy sees it: bytes, and where each value starts and how long it is."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LONGEST = (1 << 31) - 1
"""Arrow's offsets are int32 where an array is not a large one."""
_NO_BYTES = np.zeros(1, np.uint8)
_NO_BYTES.setflags(write=False)
_FIXED: Final = pa.binary(1).id
_LARGE: Final = frozenset({pa.large_string().id, pa.large_binary().id})
_SHARED_ROWS = 1 << 20
_SHARED_NULLS = 1 << 17  # about 6 MB of all types
Offsets = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Array = TypeVar("Array", bound=npt.NDArray[Any])


@dataclass(frozen=True)
class Spans:
    """n values in one buffer.

    data: uint8[m]. starts, ends: int32[n] or int64[n], in bytes. valid: bool[n].
    """

    data: npt.NDArray[np.uint8]
    starts: Offsets
    ends: Offsets
    valid: npt.NDArray[np.bool_]

    @cached_property
    def lengths(self) -> Offsets:
        """int32[n] or int64[n]: the bytes of each value, 0 for a null."""
        lengths: Offsets = np.subtract(self.ends, self.starts)
        return lengths if self.valid.all() else lengths * self.valid

    def __len__(self) -> int:
        return len(self.starts)

    def value(self, row: int) -> bytes:
        """The bytes of one value."""
        start = self.starts[row]
        return self.data[start : start + self.lengths[row]].tobytes()


def spans_of(values: pa.Array) -> Spans:
    """The spans of a (large) string, (large) binary or fixed-size binary array, sliced or not; nothing is copied.

    Positions are as wide as those of the array, and its own: nobody writes to them.
    """
    n, kind = len(values), values.type
    if kind.id == _FIXED:
        return spans_of_width(values, kind.byte_width)
    offset, large, valid = values.offset, kind.id in _LARGE, validity(values)
    _, offsets, data = values.buffers()
    if n == 0 or offsets is None:
        none: Offsets = to_read(np.zeros(0, _offsets_of(large)))
        return Spans(_NO_BYTES, none, none, valid)
    # What is cut out of an array that nobody writes to is one, too.
    bounds: Offsets = to_read(np.frombuffer(offsets, _offsets_of(large)))
    return Spans(_bytes(data), bounds[offset : offset + n], bounds[offset + 1 : offset + n + 1], valid)


def spans_of_width(values: pa.Array, width: int) -> Spans:
    """The spans of an array whose values are `width` bytes each."""
    last = (len(values) + values.offset) * width
    kind = _offsets_of(last > LONGEST)
    bounds: Offsets = to_read(np.arange(values.offset * width, last + 1, width, dtype=kind))
    return Spans(_bytes(values.buffers()[1]), bounds[:-1], bounds[1:], validity(values))


def to_read(array: Array) -> Array:
    """The array itself, which nobody writes to any more: a kernel is compiled once for arrays of a type that may be
    written to and once for others, and Arrow gives now the ones and now the others."""
    array.flags.writeable = False
    return array


def _offsets_of(large: bool) -> np.dtype[Any]:
    return np.dtype(np.int64 if large else np.int32)


def validity(values: pa.Array) -> npt.NDArray[np.bool_]:
    """bool[n]: which rows are not null. Nobody writes to it: columns without a null share theirs."""
    n = len(values)
    if values.null_count:
        return to_read(_unpacked(values))
    return _all_true(max(n - 1, 0).bit_length())[:n] if n <= _SHARED_ROWS else to_read(np.ones(n, np.bool_))


@cache
def _all_true(power: int) -> npt.NDArray[np.bool_]:
    """bool[2^power]"""
    return to_read(np.ones(1 << power, np.bool_))


def nulls(kind: pa.DataType, count: int) -> pa.Array:
    """The array of as many nulls. Nobody writes to its buffers, which short ones share as long as the process runs."""
    if count > _SHARED_NULLS:
        return pa.nulls(count, kind)
    return _all_null(kind, max(count - 1, 0).bit_length()).slice(0, count)


@cache
def _all_null(kind: pa.DataType, power: int) -> pa.Array:
    """2^power nulls."""
    return pa.nulls(1 << power, kind)


def _unpacked(values: pa.Array) -> npt.NDArray[np.bool_]:
    """The validity of an array that holds a null."""
    bits = values.buffers()[0]
    if bits is None:  # of the type null
        return np.zeros(len(values), np.bool_)
    end = values.offset + len(values)
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=end, bitorder="little")[values.offset :].view(np.bool_)


def bitmap(valid: npt.NDArray[np.bool_]) -> pa.Buffer | None:
    """Arrow's bits of the rows that are not null; None where all are."""
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


def number_array(
    values: npt.NDArray[np.number[Any]], valid: npt.NDArray[np.bool_], kind: pa.DataType | None = None
) -> pa.Array:
    """The numbers themselves, no copy, as an array of their type or of a `kind` as wide; null where not valid."""
    return pa.Array.from_buffers(
        kind or pa.from_numpy_dtype(values.dtype), len(values), [bitmap(valid), pa.py_buffer(values)]
    )


BUFFERS: Final = slice(2, None)
"""Of a place, what slices of an array have in common."""


def place_of(values: pa.Array) -> tuple[Hashable, ...]:
    """Where the values of an array lie in memory; of lists, those of their elements too, and of dictionaries their
    values. While it is kept, no other values lie there."""
    place = (values.offset, len(values), *[None if b is None else b.address for b in values.buffers()])
    return (*place, place_of(values.dictionary)) if isinstance(values, pa.DictionaryArray) else place


def only_where(values: pa.Array, kept: npt.NDArray[np.bool_]) -> pa.Array:
    """The values where kept (bool[n]), null elsewhere: what is left out leaves no byte behind in the buffers."""
    return values.take(number_array(np.arange(len(values)), kept))


def text_array(
    at: npt.NDArray[np.int64] | npt.NDArray[np.int32],
    data: npt.NDArray[np.uint8],
    valid: npt.NDArray[np.bool_] | None,
    large: bool,
    *,
    binary: bool = False,
) -> pa.Array:
    """The array whose row i is data[at[i]:at[i + 1]]; at: int64 or int32 [n + 1]. Null where not valid
    (None: all are).

    Text is not checked to be UTF-8. Offsets beyond 2^31 make a large array, whatever was asked for.
    """
    large = large or int(at[-1]) > LONGEST
    kinds = (pa.binary(), pa.large_binary()) if binary else (pa.string(), pa.large_string())
    offsets = pa.py_buffer(at.astype(np.int64 if large else np.int32, copy=False))
    mask = None if valid is None else bitmap(valid)
    return pa.Array.from_buffers(kinds[large], len(at) - 1, [mask, offsets, pa.py_buffer(data)])


def _bytes(buffer: pa.Buffer | None) -> npt.NDArray[np.uint8]:
    return to_read(np.frombuffer(buffer, np.uint8)) if buffer is not None and buffer.size else _NO_BYTES
