"""zip3: of a postal code of the United States, the first three digits, if enough people live there."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.kernels.spans import only_where
from jobs.privacy.actions.base import Action, Rows, is_text
from jobs.privacy.distinct import over_distinct

ZIP = r"^\s*(?P<three>\d{3})\d{2}(?:-?\d{4})?\s*$"
FEW_PEOPLE = "000"
MANY_PEOPLE = 20_000
UNITED_STATES = ("US", "USA", "840", "UNITED STATES", "UNITED STATES OF AMERICA")


class Zip3(Action):
    """45 CFR 164.514(b)(2)(i)(B): three digits where the census counts more than 20,000 people under them, else "000".

    A code of another form, or beside another country, becomes null; without a country the form decides.
    """

    name = "zip3"

    def output(self, kind: pa.DataType) -> pa.DataType | None:
        return kind if is_text(kind) else None

    def apply(self, values: pa.Array, rows: Rows) -> pa.Array:
        if rows.country is None or rows.country.null_count == len(rows.country):
            return rows.alike(self.name, rows.distinct(values), lambda codes: codes.mapped(_three_digits(codes.values)))
        three = over_distinct(values, _three_digits)
        at_home = pc.fill_null(over_distinct(rows.country, _is_united_states), True)
        return only_where(three, np.asarray(at_home.to_numpy(zero_copy_only=False)))

    def described(self) -> str:
        return "first three digits where many people live, else 000, none outside the United States"


@cache
def populous_prefixes() -> tuple[str, ...]:
    """Prefixes that may stand: more than 20,000 people live under them by zip3_population.csv, and the guidance does
    not list them as sparse. Every other prefix is denied, known or not.

    The table: American Community Survey 2016-2020 of the Bureau of the Census, DP05 (total population) by ZIP code
    tabulation area, added up by the first three digits.
    """
    text = resources.files("jobs.privacy").joinpath("zip3_population.csv").read_text("utf-8")
    people = {row["prefix"]: int(row["population"]) for row in csv.DictReader(text.splitlines())}
    sparse = set(sparse_prefixes())
    return tuple(prefix for prefix, count in sorted(people.items()) if count > MANY_PEOPLE and prefix not in sparse)


@cache
def sparse_prefixes() -> tuple[str, ...]:
    """Prefixes under which 20,000 people or fewer live, as the guidance that sparse_zip3.csv names lists them."""
    text = resources.files("jobs.privacy").joinpath("sparse_zip3.csv").read_text("utf-8")
    return tuple(sorted({row["prefix"] for row in csv.DictReader(text.splitlines())}))


def _three_digits(values: pa.Array) -> pa.Array:
    three = pc.struct_field(pc.extract_regex(values, pattern=ZIP), "three")
    populous = pc.is_in(three, value_set=pa.array(populous_prefixes(), three.type))
    denied = pc.if_else(pc.is_valid(three), pa.scalar(FEW_PEOPLE, three.type), pa.scalar(None, three.type))
    return pc.cast(pc.if_else(populous, three, denied), values.type)


def _is_united_states(values: pa.Array) -> pa.Array:
    plain = pc.utf8_upper(pc.utf8_trim_whitespace(values))
    listed = pc.is_in(plain, value_set=pa.array(UNITED_STATES, plain.type))
    return pc.if_else(pc.is_valid(values), listed, pa.scalar(None, pa.bool_()))
