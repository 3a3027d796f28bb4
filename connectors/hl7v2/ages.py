"""Numbers in units of time: which of them are ages of people, whatever their code says."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.contract import Category
from connectors.kernels.distinct import Told
from connectors.kernels.gather import picked

Booleans = npt.NDArray[np.bool_]

CATEGORIES: Final = (Category.AGE.value, Category.QUANTITY.value, Category.FREE_TEXT.value)
"""What `by_unit` may make of a value."""
_OLD: Final = 90
"""Years from which on an age identifies: 45 CFR 164.514(b)(2)(i)(C)."""
_A_YEAR: Final = {
    **dict.fromkeys(("a", "y", "yr", "yrs", "year", "years"), 1.0),
    **dict.fromkeys(("mo", "mos", "month", "months"), 12.0),
    **dict.fromkeys(("wk", "wks", "week", "weeks"), 52.0),
    **dict.fromkeys(("d", "day", "days"), 365.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 8760.0),
}
"""How many of a unit of time make a year, at least. The one-letter ones are those of UCUM, where A is the ampere."""


def by_unit(
    units: pa.StringArray,
    is_number: Booleans,
    numbers: list[pa.DoubleArray],
    known: list[str],
    index: npt.NDArray[np.int32],
    told: Told,
) -> npt.NDArray[np.int32]:
    """int32[n]: the categories (places in `known`), where the unit of a number is one of time by that unit.

    Years are an age, whatever the code: sites have codes of their own for it. Of months, weeks, days and hours, ninety
    years and more are free text, because an action on ages takes them for years; what is announced as an age and less
    than that is a quantity. index: int32[n], the categories by type and code. is_number: bool[n].
    """
    several = told.distinct(units)
    names = [(name or "").strip() for name in several.values.to_pylist()]
    a_year = np.array([*(_A_YEAR.get(name if len(name) == 1 else name.lower(), 0.0) for name in names), 0.0])
    if not a_year.any():
        return index
    parts: npt.NDArray[np.float64] = picked(a_year, several.places())
    timed = (parts > 0) & is_number
    age, quantity, text = (known.index(category) for category in CATEGORIES)
    out: npt.NDArray[np.int32] = np.where(timed & (parts == 1) & (index == quantity), age, index).astype(np.int32)
    shorter = timed & (parts > 1)
    out[shorter & (index == age)] = quantity
    for number in numbers:
        out[shorter & (number.to_numpy(zero_copy_only=False) >= _OLD * parts)] = text
    return out
