"""hash: a pseudonym that nobody reverses, the same for equal values of a domain."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Category
from connectors.kernels.spans import text_array, validity
from jobs.privacy import domains
from jobs.privacy.actions.base import Action, Rows, is_bytes, is_number, is_text
from jobs.privacy.actions.pseudonym import pseudonyms
from jobs.privacy.base64url import encoded
from jobs.privacy.distinct import over_distinct
from jobs.privacy.mac import hmac_column

SUBKEY_BYTES = 32

BINARY_BYTES = 16
"""What is kept of a digest in a binary column: half of it, the least that RFC 2104 section 5 recommends."""


class Hash(Action):
    """HMAC-SHA-256 under a subkey of the category's domain: its first 16 bytes in binary columns, all 32 in base64url
    in text ones.

    An explicit null (two quotes) stays as it is.
    """

    name = "hash"

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        if is_bytes(kind):
            return pa.binary()
        return kind if is_text(kind) else pa.string() if is_number(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        key = rows.keys.subkey("hash", domains.of(rows.category).domain, SUBKEY_BYTES)
        if is_bytes(values.type):
            if rows.category == Category.RECORD_DIGEST:  # hardly a record comes twice
                return _binary(key, values)
            return over_distinct(values, lambda distinct: _binary(key, distinct))
        text = values if is_text(values.type) else pc.cast(values, pa.string())
        return pseudonyms(text, rows, self.name, lambda distinct: _text(key, distinct))

    def described(self) -> str:
        return "keyed hash"


def _binary(key: bytes, values: pa.Array) -> pa.Array:
    digests = hmac_column(key, values)[:, :BINARY_BYTES]
    if not values.null_count:
        at = np.arange(len(values) + 1) * BINARY_BYTES
        return text_array(at, digests.reshape(-1), None, large=False, binary=True)
    valid = validity(values)
    at = np.append(0, np.cumsum(valid)).astype(np.int64) * BINARY_BYTES
    return text_array(at, digests[valid].reshape(-1), valid, large=False, binary=True)


def _text(key: bytes, values: pa.Array) -> pa.Array:
    return encoded(hmac_column(key, values), validity(values))
