"""The chart's values and templates, as the client reads them: the same files that Helm reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from connectors.errors import ConfigError
from jobs.config import read_mapping
from k8s.expand import lookup, merge

Values = dict[str, Any]

NEEDED = (
    *("mode", "stages", "defaults.autoscaling.enabled", "pipeline", "schedule.stages", "runner.enabled"),
    *("image.repository", "image.tag", "image.digest", "defaults.worker.replicas"),
    *("serviceAccounts.ray.create", "serviceAccounts.ray.name", "serviceAccounts.ray.cloudIdentity"),
)
"""Values that nothing can be rendered without: a null in a values file takes away the chart's own."""


def files() -> Traversable:
    """The folder of the chart: inside the package, where it is a link to helm/clinray in a checkout."""
    return resources.files("k8s") / "chart"


def about() -> Mapping[str, Any]:
    """Chart.yaml."""
    return _yaml(files() / "Chart.yaml")


def template(name: str) -> Mapping[str, Any]:
    """A shared template, for example rayjob.yaml."""
    return _yaml(files() / "files" / name)


def defaults() -> Values:
    """values.yaml as it is."""
    return _yaml(files() / "values.yaml")


def _yaml(file: Traversable) -> dict[str, Any]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return dict(content)


def values(own: Sequence[Path] = (), settings: Sequence[str] = ()) -> Values:
    """The chart's values with files of values and `name=value` settings laid over them, checked against its schema.

    Raises ConfigError (VALUES_UNREADABLE, VALUES_INVALID).
    """
    users: Values = {}
    for over in (*map(_read, own), *map(_setting, settings)):
        users = merge(users, over, "replace")  # Helm: of several files the last one's null holds
    made = merge(defaults(), users, "remove")  # and takes away the chart's own value
    check(made)
    return made


def _read(path: Path) -> Values:
    return read_mapping(path, "values", unreadable="VALUES_UNREADABLE", invalid="VALUES_INVALID")


def _setting(setting: str) -> Values:
    """a.b=c as {"a": {"b": c}}, c read as YAML."""
    path, found, value = setting.partition("=")
    if not found or not all(path.split(".")):
        raise ConfigError("VALUES_INVALID", f"a setting is written name=value, with dots between names: {path}")
    try:
        made: Any = yaml.safe_load(value) if value else ""
    except yaml.YAMLError:
        raise ConfigError("VALUES_INVALID", f"{path}: its value is not YAML") from None
    for name in reversed(path.split(".")):
        made = {name: made}
    return dict(made)


def check(made: Values) -> None:
    """Raises ConfigError (VALUES_INVALID) with the place of the first fault, never its value."""
    absent = next((path for path in NEEDED if lookup(path, made) is None), None)
    if absent:
        raise ConfigError("VALUES_INVALID", f"{absent}: a run needs it, so it cannot be null")
    schema = json.loads((files() / "values.schema.json").read_text(encoding="utf-8"))
    faults = sorted(jsonschema.Draft7Validator(schema).iter_errors(made), key=lambda fault: list(map(str, fault.path)))
    if not faults:
        return
    first = faults[0]
    place = ".".join(map(str, first.absolute_path)) or "values"
    if first.validator == "additionalProperties":
        known = set(first.schema.get("properties", {}))
        unknown = sorted(set(first.instance) - known)
        raise ConfigError("VALUES_INVALID", f"{place}: {', '.join(unknown)} is no value of the chart")
    rules = {"enum": "is none of {}", "type": "is not of type {}", "pattern": "is not written like {}"}
    said = rules.get(str(first.validator), "breaks the rule " + str(first.validator) + " {}")
    raise ConfigError("VALUES_INVALID", f"{place}: {said.format(_brief(first.validator_value))}")


def _brief(rule: Any) -> str:
    return ", ".join(map(str, rule)) if isinstance(rule, list) else str(rule)
