"""Which values that people type are nothing but numbers or times, so that a privacy policy may let them out."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.kernels.distinct import distinct
from connectors.kernels.gather import strings

_NUMBER: Final = r"[<>]?=?\s*[-+]?\d{1,6}(?:[.,]\d{1,6})?"
_RANGE: Final = rf"\s*{_NUMBER}(?:\s*(?:-|:|/|to)\s*{_NUMBER})?\s*%?\s*"
RANGE: Final = re.compile(_RANGE, re.IGNORECASE)
"""A bound, or two of them: HL7 2.9, chapter 7, 7.4.2.7. Seven digits and more are no bound but somebody's number."""
QUANTITIES: Final = re.compile(rf"{_RANGE}(?:~{_RANGE})*", re.IGNORECASE)
"""What stands in NM besides numbers: bounds such as <15, and several numbers."""
TIME_OF_DAY: Final = re.compile(r"\s*\d{2,6}(?:\.\d{1,4})?(?:[-+]\d{4})?\s*")
_UNIT: Final = r"(?:a|y|yrs?|years?|mos?|months?|wks?|weeks?|d|days?|h|hrs?|hours?|old)"
_AGE: Final = rf"\s*[<>]?=?\s*\d{{1,3}}(?:\.\d{{1,2}})?(?:\s*{_UNIT})*\s*"
_MONTH: Final = r"(?:0?[1-9]|1[0-2])"
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_CLOCK: Final = r"(?:[ T]\d{2}:\d{2}(?::\d{2})?)?"
_COMPACT: Final = r"(?:18|19|20)\d{2}(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:\d{4}|\d{6})?)?)?(?:[-+]\d{4})?"
_WRITTEN: Final = rf"\d{{4}}[-/.]{_MONTH}[-/.]{_DAY}|{_MONTH}[-/.]{_DAY}[-/.]\d{{4}}|{_DAY}[-/.]{_MONTH}[-/.]\d{{4}}"
AGE_OR_DATE: Final = re.compile(rf"{_AGE}|\s*(?:{_COMPACT}|(?:{_WRITTEN}){_CLOCK})\s*", re.IGNORECASE)
"""An age with its unit, or a date. Other digits, such as those of a social security number, are neither."""
SMALL: Final = re.compile(r"\s*[-+]?\d{0,6}(?:\.\d*)?\s*")
"""A number of at most six digits before the point: with more and without a unit it may be somebody's number."""
_LONGEST: Final = 64


def matching(
    text: npt.NDArray[np.uint8],
    start: npt.NDArray[np.int32],
    length: npt.NDArray[np.int32],
    slot: int,
    rows: npt.NDArray[np.bool_],
    pattern: re.Pattern[str],
) -> npt.NDArray[np.bool_]:
    """For each of the rows, as they stand in text: whether its value is empty, null (`""`), or fits the pattern whole.

    start, length: int32[slots, n], of which one slot is looked at. rows: bool[n].
    """
    at = np.flatnonzero(rows)
    size = length[slot, at]
    fits: npt.NDArray[np.bool_] = size == 0
    some = np.flatnonzero((size > 0) & (size <= _LONGEST))
    if some.size:
        several = distinct(strings(text, start[slot, at[some]], size[some]))
        told = [value == '""' or pattern.fullmatch(value) is not None for value in several.values.to_pylist()]
        fits[some] = several.column(pa.array(told, pa.bool_())).to_numpy(zero_copy_only=False)
    return fits
