"""What token and hash share: the text that a pseudonym is made of."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pyarrow as pa
import pyarrow.compute as pc

from connectors.identity import EXPLICIT_NULL, normalise, qualified
from connectors.kernels.distinct import Distinct, written_out
from jobs.privacy import domains
from jobs.privacy.actions.base import Rows


def pseudonyms(text: pa.Array, rows: Rows, action: str, make: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """What `make` gives for each distinct value, as text of the same type. An explicit null is no value and stays.

    make: of an action and the domain of the rows' category; it gives no two values the same. The columns that hold a
    patient's key are often equal.
    """
    facts = domains.of(rows.category)
    purpose: Hashable = (action, facts.domain, facts.normalised)

    def of_each(several: Distinct) -> Distinct:
        forms = normalise(several.values) if facts.normalised else several.values
        return Distinct(make(forms), several.codes, several.exact and forms is several.values)

    made = rows.alike(purpose, _subject(text, rows), of_each)
    null = pa.scalar(EXPLICIT_NULL, text.type)
    if not pc.any(pc.equal(rows.distinct(text).values, null)).as_py():
        return made if _holds(made, text.type) else written_out(made).cast(text.type)
    return pc.if_else(pc.equal(text, null), text, written_out(made).cast(text.type))


def _holds(column: pa.Array, kind: pa.DataType) -> bool:
    """Whether the values of a column are of a type."""
    return bool((column.type.value_type if pa.types.is_dictionary(column.type) else column.type) == kind)


def _subject(values: pa.Array, rows: Rows) -> Distinct:
    """Text values as they are pseudonymised: with their authority where they have one, normalised where it counts."""
    authority = rows.authority
    if authority is None:
        return rows.distinct(values)
    made: Distinct = rows.once(
        "qualified",
        [values, authority],
        lambda: qualified(*(rows.distinct(pc.cast(each, pa.string())) for each in (values, authority))),
    )
    return made
