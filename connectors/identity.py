"""Identifiers as they are compared: trimmed, NFC, upper-case, with the authority that gave them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.kernels.interning import interned, spread
from connectors.kernels.spans import validity

SEPARATOR = "|"

EXPLICIT_NULL = '""'
"""HL7 v2.5.1 section 2.5.3: the sender says that there is no value. It identifies nobody, and is no identifier."""


def normalise(values: pa.Array) -> pa.Array:
    """Text trimmed of white space, in Unicode form NFC, upper-case; nulls stay. Applying it twice changes nothing."""
    if pc.all(pc.string_is_ascii(values)).as_py() is not False:
        return pc.ascii_upper(pc.ascii_trim_whitespace(values))
    composed = pc.utf8_normalize(pc.utf8_trim_whitespace(values), form="NFC")
    return pc.utf8_normalize(pc.utf8_upper(composed), form="NFC")


def qualified(identifiers: pa.Array, authorities: pa.Array) -> pa.Array:
    """ "AUTHORITY|ID", both normalised, of each row; null where the identifier is null, "|ID" without an authority."""
    ids, which = _distinct(identifiers)
    ours, whose = _distinct(pc.fill_null(authorities, ""))
    names, givers = normalise(ids), normalise(ours)
    if len(givers) == 1:
        return spread(pc.binary_join_element_wise(pa.repeat(givers[0], len(names)), names, SEPARATOR), which)
    return pc.binary_join_element_wise(spread(givers, whose), spread(names, which), SEPARATOR)


def _distinct(values: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """Values that hold all there are, most of them once, and int32[n]: the place of each row's, -1 for null."""
    found = interned(values)
    if found is not None:
        return found
    places = np.arange(len(values), dtype=np.int32)
    return pc.fill_null(values, ""), np.where(validity(values), places, np.int32(-1))
