"""Values laid end to end, as kernels want them."""

from __future__ import annotations

import numpy as np


def spans_of(values: list[bytes | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """buf uint8[size + 64], start and length int64[n] of the values; None is a span of length -1."""
    length = np.array([-1 if v is None else len(v) for v in values], np.int64)
    held = np.maximum(length, 0)
    start = np.cumsum(held) - held
    return np.frombuffer(b"".join(v or b"" for v in values) + bytes(64), np.uint8), start, length
