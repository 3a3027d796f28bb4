"""Every value of the chart is set to something else than its default by a test that looks at what that changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from test_chart import CHART, CI
from test_equal_values import EQUAL

from k8s import chart, schema

FREE = frozenset({"pipeline", "stages"})
"""Mappings whose keys are no values of the chart: the pipeline file's, and names of stages."""


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Values by their paths. A mapping whose keys Kubernetes or the user names is one value."""
    for key, value in values.items():
        path = f"{above}.{key}" if above else key
        if isinstance(value, dict) and value and path not in FREE and key not in schema.OPEN:
            yield from leaves(value, path)
        else:
            yield path, value


def nested(setting: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A test's settings, `a.b: 1` as `a: {b: 1}`."""
    for path, value in setting.items():
        made = value
        for key in reversed(path.split(".")):
            made = {key: made}
        yield made


def unit_tests() -> Iterator[dict[str, Any]]:
    """The settings of the helm-unittests, of the whole suite or of one test."""
    for path in sorted(CHART.glob("tests/*_test.yaml")):
        suite = yaml.safe_load(path.read_text(encoding="utf-8"))
        for test in [suite, *suite["tests"]]:
            yield from nested(test.get("set") or {})


def settings() -> Iterator[dict[str, Any]]:
    """Everything that is set by a unit test, a values file of CI or a test of equality; what a stage has of its own is
    also a value of `defaults`."""
    for values in [*unit_tests(), *(yaml.safe_load(path.read_text(encoding="utf-8")) for path in CI), *EQUAL.values()]:
        yield values
        for own in (values.get("stages") or {}).values():
            yield {"defaults": own or {}}


def changed(setting: Mapping[str, Any], defaults: Mapping[str, Any]) -> set[str]:
    """The values that a setting gives something else than their default."""
    known = dict(leaves(defaults))
    return {path for path, value in leaves(setting) if path in known and value != known[path]}


def not_covered(defaults: Mapping[str, Any]) -> list[str]:
    covered = set().union(*(changed(setting, defaults) for setting in settings()))
    return [path for path, _ in leaves(defaults) if path not in covered]


def test_every_value_is_set_by_a_test() -> None:
    assert not_covered(chart.defaults()) == []


def test_a_value_that_no_test_sets_is_found() -> None:
    assert not_covered({**chart.defaults(), "added": {"later": 1}}) == ["added.later"]


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ({"mode": "staged"}, {"mode"}),
        ({"mode": "standalone"}, set()),
        ({"defaults": {"head": {"podLabels": {"a": "b"}}}}, {"defaults.head.podLabels"}),
        ({"pipeline": {"source": "s3://a"}}, {"pipeline"}),
    ],
)
def test_a_value_counts_where_it_is_not_its_default(setting: dict[str, Any], found: set[str]) -> None:
    assert changed(setting, chart.defaults()) == found
