"""zip3: of a postal code of the United States, the first three digits, if enough people live there."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.privacy.actions.base import Action, Rows, is_text
from jobs.privacy.distinct import over_distinct
from jobs.privacy.spans import only_where

ZIP = r"^\s*(?P<three>\d{3})\d{2}(?:-?\d{4})?\s*$"
FEW_PEOPLE = "000"
UNITED_STATES = ("US", "USA", "840", "UNITED STATES", "UNITED STATES OF AMERICA")


class Zip3(Action):
    """45 CFR 164.514(b)(2)(i)(B): three digits, and "000" where 20,000 people or fewer live under them.

    A code of another form, or beside another country, becomes null; without a country the form decides.
    """

    name = "zip3"

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind if is_text(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        three = over_distinct(values, _three_digits)
        if rows.country is None:
            return three
        at_home = pc.fill_null(over_distinct(rows.country, _is_united_states), True)
        return only_where(three, np.asarray(at_home.to_numpy(zero_copy_only=False)))

    def described(self) -> str:
        return "first three digits, 000 where few people live, none outside the United States"


@cache
def sparse_prefixes() -> tuple[str, ...]:
    """Prefixes under which 20,000 people or fewer live, as the guidance that sparse_zip3.csv names lists them."""
    text = resources.files("jobs.privacy").joinpath("sparse_zip3.csv").read_text("utf-8")
    return tuple(sorted({row["prefix"] for row in csv.DictReader(text.splitlines())}))


def _three_digits(values: pa.Array) -> pa.Array:
    three = pc.struct_field(pc.extract_regex(values, pattern=ZIP), "three")
    sparse = pc.is_in(three, value_set=pa.array(sparse_prefixes(), three.type))
    return pc.cast(pc.if_else(sparse, pa.scalar(FEW_PEOPLE, three.type), three), values.type)


def _is_united_states(values: pa.Array) -> pa.Array:
    plain = pc.utf8_upper(pc.utf8_trim_whitespace(values))
    listed = pc.is_in(plain, value_set=pa.array(UNITED_STATES, plain.type))
    return pc.if_else(pc.is_valid(values), listed, pa.scalar(None, pa.bool_()))
