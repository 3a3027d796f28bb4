"""What token and hash share: the text that a pseudonym is made of."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from jobs.privacy import domains
from jobs.privacy.actions.base import Rows
from jobs.privacy.identity import normalise, qualified


def subject(values: pa.Array, rows: Rows) -> pa.Array:
    """Text values as they are pseudonymised: with their authority where they have one, normalised where it counts."""
    if rows.authority is not None:
        return qualified(pc.cast(values, pa.string()), pc.cast(rows.authority, pa.string()))
    return values


def prepared(values: pa.Array, category: str) -> pa.Array:
    """Distinct values, normalised where their category says so."""
    return normalise(values) if domains.of(category).normalised else values
