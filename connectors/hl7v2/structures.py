"""The structures of messages: the names of their segments, in order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from connectors.hl7v2.locate import Positions, write_structures
from connectors.kernels.distinct import Told, distinct
from connectors.kernels.spans import LONGEST, spans_of

_NAME_BYTES = 4  # of the number of a name


def structures(name: Positions, counts: Positions, told: Told) -> pa.StringArray:
    """The structure of each message, see locate.write_structures; each that differs is written once.

    name: int32[segments], of the segments of all messages in order. counts: int32[messages], how many each has. told:
    gets to know of the structures.
    """
    bounds = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=bounds[1:])
    bounds *= _NAME_BYTES
    large = int(bounds[-1]) > LONGEST
    offsets = pa.py_buffer(bounds if large else bounds.astype(np.int32))
    kind = pa.large_binary() if large else pa.binary()
    names = pa.Array.from_buffers(kind, len(counts), [None, offsets, pa.py_buffer(name)])
    several = distinct(names)
    return told.column(several.mapped(_texts(several.values)))


def _texts(names: pa.Array) -> pa.StringArray:
    """The structures of messages whose segments' names, as numbers, are bytes."""
    spans = spans_of(names)
    name = spans.data[spans.starts[0] : spans.ends[-1]].view(np.int32)
    bounds, offsets = np.zeros(len(names) + 1, np.int64), np.empty(len(names) + 1, np.int32)
    np.cumsum(spans.lengths // _NAME_BYTES, out=bounds[1:])
    out = np.empty(5 * len(name), np.uint8)
    write_structures(bounds, name, offsets, out)
    return pa.Array.from_buffers(pa.string(), len(names), [None, pa.py_buffer(offsets), pa.py_buffer(out)], 0)
