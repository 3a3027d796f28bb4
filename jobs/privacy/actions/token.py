"""token: a reversible pseudonym, the same for equal values of a domain."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from jobs.privacy import domains
from jobs.privacy.actions.base import Action, Rows, is_bytes, is_number, is_text
from jobs.privacy.actions.pseudonym import pseudonyms
from jobs.privacy.keys import Keyring
from jobs.privacy.siv import ColumnSIV

SUBKEY_BYTES = 64


class Token(Action):
    """AES-SIV (RFC 5297) under a subkey of the category's domain, as base64url text.

    Numbers are taken as their decimal text. An explicit null (two quotes) stays as it is. Bytes that are no text are
    not tokenised: such a column is left out.
    """

    name = "token"

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        if is_bytes(kind):
            return None
        return kind if is_text(kind) else pa.string() if is_number(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        text = values if is_text(values.type) else pc.cast(values, pa.string())
        cipher = column_cipher(rows.keys, domains.of(rows.category).domain)
        return pseudonyms(text, rows, self.name, cipher.encrypt)

    def described(self) -> str:
        return "reversible token"


@lru_cache(maxsize=64)
def column_cipher(keys: Keyring, domain: str) -> ColumnSIV:
    """The cipher of a domain."""
    return ColumnSIV(keys.subkey("token", domain, SUBKEY_BYTES))
