"""What characters text consists of: the loop over its bytes."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from connectors.kernels.spans import spans_of
from connectors.kernels.words import byte_at, load

_STRIDE = 256
_TOPS = np.uint64(0x8080808080808080)
_BEHIND_BLANK, _TO_SMALL, _BEHIND_SMALL = (
    np.uint64(int.from_bytes(bytes([0x80 - least]) * 8, "little")) for least in (0x21, ord("a"), ord("z") + 1)
)
"""What makes a byte of ASCII 0x80 or more where it stands behind the blank, where it is `a` or more, `{` or more."""


def visible_without_small_letters(values: pa.Array) -> bool:
    """Whether all characters are those of ASCII behind the blank, and none in lower case. What stands behind nulls may
    make it no."""
    spans = spans_of(values)
    return not len(spans) or bool(_visible_without_small_letters(spans.data[spans.starts[0] : spans.ends[-1]]))


def plain_codes(values: pa.Array, longest: int) -> npt.NDArray[np.bool_]:
    """bool[n]: whether each is surely the code of something: at most `longest` visible characters of ASCII, none of
    them `,`, `&`, `~` or `@`, and so short, with so few digits or so begun that it is no day and nobody's number.

    Less than eight characters or six digits hold neither. Days without `-`, `/` and `.` begin with `1` or `2`, and
    people's numbers are written with `-`. No: a null, and what is to be looked at more closely.
    """
    spans = spans_of(values)
    return _plain_codes(spans.data, spans.starts, spans.lengths, np.int64(longest))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _plain_codes(data: Any, starts: Any, lengths: Any, longest: np.int64) -> Any:
    """Of each value: whether it is visible, short enough, and without what days and people's numbers have."""
    plain = np.zeros(starts.size, np.bool_)
    for row in range(starts.size):
        length = np.int64(lengths[row])
        if length == 0 or length > longest:
            continue
        start = np.int64(starts[row])
        digits, parted, strange = np.int64(0), False, False
        for at in range(start, start + length):
            byte = data[at]
            digits += np.int64(48 <= byte <= 57)
            parted |= 45 <= byte <= 47  # - . /
            strange |= byte <= 32 or byte >= 127 or byte == 44 or byte == 38 or byte == 126 or byte == 64
        begun = not parted and data[start] != 49 and data[start] != 50
        plain[row] = not strange and (length < 8 or digits < 6 or begun)
    return plain


@njit(cache=True, nogil=True)
def _visible_without_small_letters(data: npt.NDArray[np.uint8]) -> bool:
    """Whether no byte is a control, a blank, a small letter or above ASCII.

    Of eight bytes at once; sums run over into the next byte only where one is above ASCII.
    """
    base = np.int64(data.ctypes.data)
    whole = data.size // _STRIDE * _STRIDE
    for block in range(base, base + whole, _STRIDE):
        wrong = np.uint64(0)
        for at in range(block, block + _STRIDE, 8):
            word = load(at)
            small = (word + _TO_SMALL) & ~(word + _BEHIND_SMALL)
            wrong |= word | small | ~(word + _BEHIND_BLANK)
        if wrong & _TOPS:
            return False
    for at in range(base + whole, base + data.size):
        byte = byte_at(at)
        if byte <= 0x20 or byte >= 0x80 or 97 <= byte <= 122:
            return False
    return True
