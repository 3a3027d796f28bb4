"""What a message's sequence of segments lacks or misplaces, by the structure that its type has."""

from __future__ import annotations

import csv
from functools import cache, lru_cache
from importlib import resources

from connectors.hl7v2.grammar import Grammar, expand, parse

FLOATING = "*"
"""The row of structures.csv that names the segments which may stand anywhere."""

Deviation = tuple[str, str, int]
"""Kind of rule (`required_segment`, `unexpected_segment`, …), segment, and its index in the message or -1."""


@cache
def structures() -> list[dict[str, str]]:
    """structures.csv: HL7 v2.5.1 chapters 2 to 12, with what later versions add; one row a message structure."""
    text = resources.files("connectors.hl7v2").joinpath("structures.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def floating() -> frozenset[str]:
    """Segments that may stand behind any other: notes, roles, software, continuation."""
    return frozenset(next(row["grammar"] for row in structures() if row["structure"] == FLOATING).split())


@cache
def _structure_of_type() -> dict[str, str]:
    """Message type and event ("ADT^A08"), or type alone where there is no event, to the structure's name."""
    return {name: row["structure"] for row in structures() for name in row["types"].split()}


@cache
def _grammar(structure: str) -> Grammar | None:
    found = next((row["grammar"] for row in structures() if row["structure"] == structure), None)
    return None if found is None or structure == FLOATING else parse(found)


def grammar_of(message_type: str, event: str, structure: str) -> Grammar | None:
    """The grammar of MSH-9: by type and event, else by type alone, else by the structure that it names."""
    named = _structure_of_type()
    name = named.get(f"{message_type}^{event}") or named.get(message_type) or structure
    return _grammar(name)


@lru_cache(maxsize=1 << 12)
def deviations(message_type: str, event: str, structure: str, segments: str) -> tuple[Deviation, ...]:
    """How a message departs from the structure of its type.

    message_type, event, structure: MSH-9.1, .2 and .3, empty where absent. segments: names in order, runs collapsed
    ("MSH PID OBR OBX+").
    """
    grammar = grammar_of(message_type, event, structure)
    if grammar is None:
        return (("unknown_type", "MSH", 0),) if message_type else ()
    stands = [(name, index) for name, index in expand(segments) if name not in floating() and name[0] != "Z"]
    first = dict(reversed(stands))
    missing = [("required_segment", name, -1) for name in grammar.required if name not in first]
    unexpected = [("unexpected_segment", name, index) for name, index in first.items() if name not in grammar.names]
    expected = [(name, index) for name, index in stands if name in grammar.names]
    return (*missing, *_order(grammar, expected, whole=not missing), *sorted(unexpected))


def _order(grammar: Grammar, expected: list[tuple[str, int]], whole: bool) -> list[Deviation]:
    """The first segment out of order, or else, in a message that lacks none, the first of a group that does."""
    names = [name for name, _ in expected]
    at = grammar.order.stops_at(names)
    if at >= 0:
        return [("segment_order", *expected[at])]
    at = grammar.whole.stops_at(names) if whole else -1
    return [("incomplete_group", *expected[min(at, len(names) - 1)])] if at >= 0 else []
