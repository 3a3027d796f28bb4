"""The template language that the chart and the client share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s.expand import expand, lookup, merge, names_in

CONTEXT: dict[str, Any] = {
    "a": {"b": 1, "off": False, "none": None, "list": [1, 2], "map": {"y": 2, "x": 1}, "empty": {}, "text": "t"},
}

CASES = [
    ({"$value": "a.b"}, 1),
    ({"$value": "a.off"}, False),
    ({"$value": "a.none"}, None),
    ({"$value": "a.missing.far"}, None),
    ({"$value": "a.empty"}, None),
    ({"$text": "{a.text}-{a.b}-{a.missing}-{a.off}"}, "t-1--false"),
    ({"$if": "a.b", "$then": "yes", "$else": "no"}, "yes"),
    ({"$if": "a.off", "$then": "yes", "$else": "no"}, "no"),
    ({"$if": "a.empty", "$then": "yes"}, None),
    (
        {"$merge": [{"x": {"p": 1, "q": [1]}}, {"$value": "a.none"}, {"x": {"q": [2], "r": False}}]},
        {"x": {"p": 1, "q": [2], "r": False}},
    ),
    ({"$merge": [{"$value": "a.empty"}]}, None),
    ({"$concat": [[0], {"$value": "a.list"}, {"$value": "a.none"}]}, [0, 1, 2]),
    ({"$concat": [{"$value": "a.none"}]}, None),
    ({"$each": "a.list", "$as": "n", "$do": {"number": {"$value": "n"}}}, [{"number": 1}, {"number": 2}]),
    ({"$each": "a.map", "$as": "e", "$do": {"$text": "{e.key}={e.value}"}}, ["x=1", "y=2"]),
    ({"$each": "a.none", "$as": "e", "$do": 1}, None),
    ({"kept": {}, "gone": {"$value": "a.none"}, "list": [{"$value": "a.none"}, 3]}, {"kept": {}, "list": [3]}),
]


@pytest.mark.parametrize(("node", "expected"), CASES)
def test_each_marker_does_what_its_rule_says(node: Any, expected: Any) -> None:
    assert expand(node, CONTEXT) == expected


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab{}", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)
mappings = st.dictionaries(st.text("xyz", min_size=1, max_size=2), plain, max_size=3)


def without_nulls(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_nulls(value) for key, value in node.items() if value is not None}
    if isinstance(node, list):
        return [without_nulls(value) for value in node if value is not None]
    return node


@given(plain)
def test_what_has_no_marker_stays_but_for_nulls(node: Any) -> None:
    assert expand(node, {}) == without_nulls(node)


@given(mappings, mappings)
def test_what_is_merged_over_wins(under: dict[str, Any], over: dict[str, Any]) -> None:
    made = merge(under, over)
    assert set(made) == set(under) | {key for key, value in over.items() if value is not None}
    assert all(made[key] == value for key, value in over.items() if value is not None and not isinstance(value, dict))


def test_every_name_of_a_template_is_found() -> None:
    node = {"x": [{"$value": "a.b"}], "y": {"$if": "c", "$then": {"$text": "{d.e}"}}}
    assert names_in(node) == {"a.b", "c", "d.e"}


def test_a_path_through_a_text_leads_nowhere() -> None:
    assert lookup("a.text.more", CONTEXT) is None
