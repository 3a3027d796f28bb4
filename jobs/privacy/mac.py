"""HMAC-SHA-256 (RFC 2104) over a whole Arrow column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.digests import hmac_sha256_rows
from connectors.kernels.spans import Spans, spans_of

DIGEST = 32


def hmac_column(key: bytes, values: pa.Array) -> npt.NDArray[np.uint8]:
    """uint8[n, 32]: the HMAC of each value of a text or binary array; rows of nulls are zero."""
    spans = spans_of(values)
    if len(spans) and spans.valid.all() and spans.lengths.min() == spans.lengths.max():
        return hmac_sha256_rows(key, _matrix(spans, np.arange(len(spans)), int(spans.lengths[0])))
    out = np.zeros((len(spans), DIGEST), np.uint8)
    for length in np.unique(spans.lengths[spans.valid]):
        rows = np.flatnonzero(spans.valid & (spans.lengths == length))
        out[rows] = hmac_sha256_rows(key, _matrix(spans, rows, int(length)))
    return out


def _matrix(spans: Spans, rows: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.uint8]:
    """uint8[rows, length]: values of equal length, one a row."""
    if rows.size == len(spans) and spans.starts[-1] - spans.starts[0] == length * (rows.size - 1):
        first = spans.starts[0]
        return spans.data[first : first + length * rows.size].reshape(rows.size, length)
    at = spans.starts[rows][:, None] + np.arange(length)
    gathered: npt.NDArray[np.uint8] = spans.data[at]
    return gathered
