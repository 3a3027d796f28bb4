"""Where text may go on behind a line break, and what became of lines that are no segments as they should be."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.hl7v2.locate import ANYWHERE, NAMES, name_code
from connectors.hl7v2.relate import KINDS
from connectors.kernels.spans import to_read

_FILE: Final = "text_positions.csv"


@cache
def text_positions() -> tuple[str, ...]:
    """The fields of segments with tables that hold text which people write ("OBX-5"): HL7 2.9, chapters of the file."""
    text = resources.files("connectors.hl7v2").joinpath(_FILE).read_text("utf-8")
    return tuple(row["position"] for row in csv.DictReader(text.splitlines()))


@cache
def text_fields() -> npt.NDArray[np.uint64]:
    """uint64[NAMES]: for each segment the fields, a bit each, in which a line may go on: of those that tables are made
    of the fields of text alone, so that nothing moves into another column; of others ANYWHERE."""
    fields = np.full(NAMES, ANYWHERE, np.uint64)
    fields[[name_code(name) for name in KINDS]] = 0
    for position in text_positions():
        name, _, field = position.partition("-")
        fields[name_code(name)] |= np.uint64(1 << int(field))
    return to_read(fields)
