"""What is known of each category, as data: its domain of pseudonyms, whether its values are normalised, the law."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class CategoryFacts:
    """One row of categories.csv.

    domain: equal values in one domain have one pseudonym; empty where the category has none. normalised: values are
    trimmed and upper-cased before a pseudonym is made of them.
    """

    category: str
    domain: str
    normalised: bool
    law: str
    meaning: str


@cache
def facts() -> dict[str, CategoryFacts]:
    """Category → what is known of it, in the order of the contract."""
    text = resources.files("jobs.privacy").joinpath("categories.csv").read_text("utf-8")
    return {
        row["category"]: CategoryFacts(
            row["category"], row["domain"], row["normalised"] == "yes", row["law"], row["meaning"]
        )
        for row in csv.DictReader(text.splitlines())
    }


def of(category: str) -> CategoryFacts:
    """The facts of a category; one that is not listed has a domain of its own, so that it never shares pseudonyms."""
    return facts().get(category, CategoryFacts(category, f"other-{category}", False, "", ""))
