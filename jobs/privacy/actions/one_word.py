"""one_word: text stays where it has the form of a code."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from connectors.kernels.letters import plain_codes
from jobs.privacy.actions.base import Action, Rows, is_number, is_text

_BETWEEN = r"\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff"
"""Blanks, and what controls and does not show."""
_WORD = re.compile(rf"\s*([^{_BETWEEN},&~@]+)\s*")
_NUMBER_OF_A_PERSON = re.compile(r"(?<!\d)(?:\d{3}-\d{2}-\d{4}|\d{3}[-)]\d{3}-\d{4})(?!\d)")
"""A social security or telephone number as people write it; no code of LOINC or of a drug (NDC) has these groups."""
_YEAR, _MONTH, _DAY = r"(?:18|19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_COMPACT = rf"{_YEAR}{_MONTH}{_DAY}(?:\d{{4}}|\d{{6}}(?:\.\d+)?)?(?:[-+]\d{{4}})?"
_WRITTEN = rf"{_YEAR}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:T.*)?|\d{{1,2}}[-/.]\d{{1,2}}[-/.]{_YEAR}"
_CALENDAR = re.compile(rf"{_COMPACT}|{_WRITTEN}")
"""A day, or a day and a time, and nothing else."""
_SHORTEST = 8
"""Characters of the shortest number of a person or day."""


class OneWord(Action):
    """Text stays where it is one word of at most `longest` characters, as codes and units are; else it becomes null.

    What holds a blank, a comma, an ampersand, a tilde or an at sign is no code but what somebody typed, and neither is
    a number written like a social security or telephone number, nor, without `days`, what reads as a day of the
    calendar from 1800 to 2099. Blanks around the word are let be. Numbers stay.
    """

    name = "one_word"
    keeps_companions = True

    longest: int = Field(default=64, ge=1, le=1_000)
    days: bool = False

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind if is_text(kind) or is_number(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        if is_number(values.type):
            return values
        several = rows.distinct(values)
        fits = plain_codes(several.values, self.longest)
        doubtful = np.flatnonzero(~fits)
        if doubtful.size:
            fits[doubtful] = [text is None or self.fits(text) for text in several.values.take(doubtful).to_pylist()]
        if fits.all():
            return values
        stays, nothing = pa.array(fits), pa.scalar(None, values.type)
        return rows.alike(self, several, lambda words: words.mapped(pc.if_else(stays, words.values, nothing)))

    def described(self) -> str:
        return "kept where it is one word" + ("" if self.days else " and no day")

    def fits(self, text: str) -> bool:
        """Whether it has the form of a code."""
        found = _WORD.fullmatch(text)
        if found is None or len(found[1]) > self.longest:
            return False
        word = found[1]
        if len(word) < _SHORTEST:
            return True
        return not (_NUMBER_OF_A_PERSON.search(word) or (not self.days and _CALENDAR.fullmatch(word)))
