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
from k8s.expand import merge

Values = dict[str, Any]


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
    made = defaults()
    for path in own:
        made = merge(made, _read(path))
    for setting in settings:
        made = merge(made, _setting(setting))
    check(made)
    return made


def _read(path: Path) -> Values:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError("VALUES_UNREADABLE", f"the values file {path} cannot be read") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigError("VALUES_INVALID", f"the values file {path} is not YAML") from None
    if not isinstance(content, dict):
        raise ConfigError("VALUES_INVALID", f"the values file {path} is not a mapping")
    return content


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
