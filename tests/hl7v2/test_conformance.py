"""Grammars of message structures: the automata against a slow twin, and the data against itself."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.hl7v2 import conformance
from connectors.hl7v2.grammar import expand, parse

GRAMMAR = "AAA (BBB CCC?)+ (DDD (EEE FFF)*)? GGG*"
NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG")


def matches(grammar: str, segments: list[str], whole: bool) -> bool:
    """The slow twin: a regular expression over the names, in which (unless `whole`) every name is optional."""
    name = r"(?:\1)" if whole else r"(?:(?:\1)?)"
    expression = re.sub("([A-Z]{3})", name, grammar).replace(" ", "")
    return re.fullmatch(expression, "".join(segments)) is not None


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=9))
def test_the_automata_accept_what_a_regular_expression_accepts(segments: list[str]):
    grammar = parse(GRAMMAR)
    assert (grammar.whole.stops_at(segments) < 0) == matches(GRAMMAR, segments, whole=True)
    assert (grammar.order.stops_at(segments) < 0) == matches(GRAMMAR, segments, whole=False)


@pytest.mark.parametrize(
    ("segments", "at"),
    [
        ("AAA BBB CCC DDD", -1),
        ("AAA CCC", 1),
        ("AAA BBB DDD EEE GGG", 4),
        ("AAA BBB DDD EEE", 4),
        ("BBB", 0),
        ("AAA", 1),
    ],
)
def test_a_grammar_stops_at_the_first_segment_that_may_not_stand_there(segments: str, at: int):
    assert parse(GRAMMAR).whole.stops_at(segments.split()) == at


def test_required_are_the_segments_that_no_message_is_without():
    assert parse(GRAMMAR).required == ("AAA", "BBB")


def test_of_a_run_the_first_two_stand_for_all_and_what_follows_has_no_index():
    assert list(expand("MSH PID OBX+ NTE")) == [("MSH", 0), ("PID", 1), ("OBX", 2), ("OBX", 3), ("NTE", -1)]


def test_every_grammar_is_well_formed():
    pattern = re.compile(r"(?:[A-Z][A-Z0-9]{2}[?*+]?|\((?=[A-Z(])|(?<=[A-Z0-9?*+)])\)[?*+]?| )+")
    for row in conformance.structures():
        assert pattern.fullmatch(row["grammar"]), row["structure"]
        assert row["grammar"].count("(") == row["grammar"].count(")"), row["structure"]
        assert row["structure"] == conformance.FLOATING or row["grammar"].startswith("MSH"), row["structure"]


def test_no_type_has_two_structures():
    types = [name for row in conformance.structures() for name in row["types"].split()]
    assert len(types) == len(set(types))


def test_no_grammar_names_a_segment_that_may_stand_anywhere():
    for row in conformance.structures():
        names = set() if row["structure"] == conformance.FLOATING else parse(row["grammar"]).names
        assert not names & conformance.floating(), row["structure"]


def test_the_required_segments_of_a_grammar_in_order_lack_nothing():
    for row in conformance.structures():
        for name in row["types"].split():
            message_type, _, event = name.partition("^")
            required = " ".join(parse(row["grammar"]).required)
            kinds = {kind for kind, _, _ in conformance.deviations(message_type, event, "", required)}
            assert not kinds - {"incomplete_group"}, name


@pytest.mark.parametrize(
    ("kind", "segments", "expected"),
    [
        ("ADT^A01", "MSH EVN PID PD1 NK1+ PV1 PV2 OBX+ AL1 DG1+ GT1 IN1 IN2 IN1 ZXX", ()),
        ("ORU^R01", "MSH PID PV1 ORC OBR NTE OBX+ OBR OBX NTE OBX+ SPM", ()),
        ("ORU^R01", "MSH PID", (("required_segment", "OBR", -1),)),
        ("ORU^R01", "MSH OBR OBX PID", (("incomplete_group", "PID", 3),)),
        ("RDE^O11", "MSH PID PV1 ORC RXE RXR RXC+ ORC RXE RXR", ()),
        ("RDE^O11", "MSH PID PV1 ORC RXE RXR ORC RXE", (("incomplete_group", "RXE", 7),)),
        ("ADT^A40", "MSH EVN PID MRG PID MRG", ()),
        ("ADT^A17", "MSH EVN PID PV1 PID PV1", ()),
        ("ADT^A17", "MSH EVN PID+ PV1", (("incomplete_group", "PID", 3),)),
        ("ADT^A01", "MSH EVN PID PV1+", (("segment_order", "PV1", 4),)),
        ("ACK^", "MSH MSA ERR+", ()),
        ("ACK^A01", "MSH MSA", ()),
        ("VXU^V04", "MSH PID NK1 ORC RXA RXR OBX+ ORC RXA", ()),
        ("OML^O21", "MSH PID NK1 ORC OBR OBX+ SPM", ()),
        ("SIU^S12", "MSH SCH PID PV1 RGS AIS AIL AIP", ()),
        ("MDM^T02", "MSH EVN PID PV1 TXA OBX+", ()),
        ("DFT^P03", "MSH EVN PID PV1 FT1+ DG1", ()),
    ],
)
def test_messages_as_they_are_sent(kind: str, segments: str, expected: tuple[conformance.Deviation, ...]):
    message_type, _, event = kind.partition("^")
    assert conformance.deviations(message_type, event, "", segments) == expected


def test_a_type_without_a_structure_is_not_checked():
    assert conformance.deviations("QRY", "Q01", "", "MSH QRD") == (("unknown_type", "MSH", 0),)


def test_every_pair_of_required_segments_that_is_swapped_is_told():
    names = ["MSH", "EVN", "PID", "PV1"]
    for first, second in itertools.combinations(range(1, 4), 2):
        swapped = list(names)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        assert conformance.deviations("ADT", "A01", "", " ".join(swapped))[0][0] == "segment_order"
