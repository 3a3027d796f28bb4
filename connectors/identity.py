"""Identifiers as they are compared: trimmed, NFC, upper-case, with the authority that gave them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.kernels.distinct import Distinct, combinations, distinct, spread
from connectors.kernels.interning import Codes, gathered
from connectors.kernels.letters import visible_without_small_letters
from connectors.kernels.spans import spans_of, text_array

SEPARATOR = "|"

EXPLICIT_NULL = '""'
"""HL7 v2.5.1 section 2.5.3: the sender says that there is no value. It identifies nobody, and is no identifier."""


def normalise(values: pa.Array) -> pa.Array:
    """Text trimmed of white space, in Unicode form NFC, upper-case; nulls stay. Applying it twice changes nothing."""
    if visible_without_small_letters(values):
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
    if not len(names):
        return ids
    if not len(givers) or (len(givers) == 1 and places.min() == 0):
        prefix = "".join(givers.to_pylist()) + SEPARATOR
        return Distinct(pc.binary_replace_slice(names, 0, 0, prefix), ids.codes, ids.exact and names is ids.values)
    if ids.codes is None:
        given = pc.fill_null(authorities.column(givers), "")
        return distinct(pc.binary_join_element_wise(given, names, SEPARATOR))
    codes, firsts = combinations([ids, authorities])
    which, given = ids.codes[firsts], places[firsts]
    if (which < 0).any():
        present = which >= 0
        numbers = np.where(present, np.cumsum(present) - 1, -1).astype(np.int32)
        codes, which, given = numbers[codes], which[present], given[present]
    return spread(_joined(givers, given, names, which), codes)


def _joined(givers: pa.Array, given: Codes, names: pa.Array, which: Codes) -> pa.Array:
    """givers[given[i]], or nothing for -1, a separator, and names[which[i]]."""
    before = pc.binary_join_element_wise(pa.concat_arrays([givers, pa.array([""])]), "", SEPARATOR)
    halves = np.empty(2 * len(which), np.int32)
    halves[0::2] = np.where(given < 0, len(givers), given)
    halves[1::2] = which + np.int32(len(before))
    spans = spans_of(gathered(spans_of(pa.concat_arrays([before, names])), halves, names.type))
    at = np.concatenate((spans.starts[0::2], spans.ends[-1:])).astype(np.int64)
    return text_array(at, spans.data, None, large=False)
