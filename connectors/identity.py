"""Identifiers as they are compared: trimmed, NFC, upper-case, with the authority that gave them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from connectors.kernels.distinct import Distinct, distinct
from connectors.kernels.letters import all_upper_case

SEPARATOR = "|"

EXPLICIT_NULL = '""'
"""HL7 v2.5.1 section 2.5.3: the sender says that there is no value. It identifies nobody, and is no identifier."""


def normalise(values: pa.Array) -> pa.Array:
    """Text trimmed of white space, in Unicode form NFC, upper-case; nulls stay. Applying it twice changes nothing."""
    if all_upper_case(values):
        return values
    if pc.all(pc.string_is_ascii(values)).as_py() is not False:
        return pc.ascii_upper(pc.ascii_trim_whitespace(values))
    composed = pc.utf8_normalize(pc.utf8_trim_whitespace(values), form="NFC")
    return pc.utf8_normalize(pc.utf8_upper(composed), form="NFC")


def qualified(ids: Distinct, authorities: Distinct) -> Distinct:
    """ "AUTHORITY|ID", both normalised, of each row; null where the identifier is null, "|ID" without an authority.

    Identifiers that differ in their form alone stand among the distinct ones as often as they have forms.
    """
    names, givers = normalise(ids.values), normalise(authorities.values)
    places = authorities.places()
    if not len(givers) or (len(givers) == 1 and places.min() == 0):
        prefix = "".join(givers.to_pylist()) + SEPARATOR
        return Distinct(pc.binary_replace_slice(names, 0, 0, prefix), ids.codes, ids.differ and names is ids.values)
    given = pc.fill_null(authorities.column(givers), "")
    return distinct(pc.binary_join_element_wise(given, ids.column(names), SEPARATOR))
