"""base64url without padding (RFC 4648 section 5) of rows of equal length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.kernels.spans import text_array

_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)


def encoded(rows: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Text of each row of uint8[n, k]; null where not valid."""
    n, k = rows.shape
    letters = (k * 8 + 5) // 6
    padded = np.zeros((n, -(-k // 3) * 3), np.uint8)
    padded[:, :k] = rows
    three = padded.reshape(n, -1, 3).astype(np.uint32)
    words = (three[:, :, 0] << 16) | (three[:, :, 1] << 8) | three[:, :, 2]
    sixes = np.stack([(words >> shift) & 63 for shift in (18, 12, 6, 0)], axis=2)
    text = _LETTERS[sixes.reshape(n, padded.shape[1] // 3 * 4)[:, :letters]]
    at = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.where(valid, letters, 0))))
    return text_array(at, np.ascontiguousarray(text[valid]).reshape(-1), valid, large=False)
