"""Policies: what becomes of each category of data, as YAML. A category that a policy does not name is dropped."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import rfc8785
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.contract import Category
from connectors.errors import ConfigError
from jobs.privacy import domains
from jobs.privacy.actions import ACTIONS, PLANNED, Action, Drop
from jobs.yaml_text import load_yaml

NAMEABLE = tuple(c.value for c in Category if c is not Category.ROUTED)
_DROP = Drop()


class Zone(enum.StrEnum):
    """Where the tables of a policy are written."""

    IDENTIFIED = "identified"
    DEIDENTIFIED = "deidentified"


class Row(NamedTuple):
    """One line of a policy as people read it."""

    category: str
    meaning: str
    law: str
    action: str
    result: str


class Policy(BaseModel):
    """A policy. `actions` holds what the file names; ask `action` what becomes of a category.

    legal_basis, description: for people; they are no part of the digest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)
    version: int = Field(ge=1)
    zone: Zone
    legal_basis: str = Field(min_length=1)
    description: str = Field(min_length=1)
    actions: tuple[tuple[str, Action], ...]

    @cached_property
    def _by_category(self) -> Mapping[str, Action]:
        return dict(self.actions)

    def action(self, category: str) -> Action:
        """What becomes of a category; it is dropped if the policy does not name it, or if nobody knows it."""
        return self._by_category.get(str(category), _DROP)

    @cached_property
    def keeps_everything(self) -> bool:
        """Whether nothing at all is changed: every category is kept, in an identified zone."""
        return self.zone is Zone.IDENTIFIED and all(self.action(c).name == "keep" for c in NAMEABLE)

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of what the policy does: name, version, zone and actions with every parameter, as
        canonical JSON (RFC 8785). The same for two files that differ in words, comments or order alone."""
        content: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "zone": self.zone.value,
            "actions": {
                category: {"action": action.name, **action.model_dump(mode="json")} for category, action in self.actions
            },
        }
        return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


@lru_cache(maxsize=16)
def canonical(policy: Policy) -> Policy:
    """The policy, or one of equal values that was met before: what is made of it is then found without a comparison of
    all its values."""
    return policy


def names() -> tuple[str, ...]:
    """The policies that come with Clinray, in alphabetical order."""
    files = resources.files("jobs.privacy").joinpath("policies").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def load(name_or_path: str | Path) -> Policy:
    """A policy by its name, or from a YAML file (a path with a slash or the ending .yaml or .yml).

    Raises ConfigError for anything that a policy cannot be: unknown name, category, action or parameter.
    """
    text = str(name_or_path)
    if "/" in text or text.endswith((".yaml", ".yml")):
        try:
            return _policy(Path(text).read_text("utf-8"), text)
        except (OSError, UnicodeDecodeError):
            raise ConfigError("POLICY_UNREADABLE", f"the policy file {text} cannot be read") from None
    if text not in names():
        raise ConfigError("POLICY_UNKNOWN", f"there is no policy {text!r}; use {', '.join(names())} or a file")
    return _policy(resources.files("jobs.privacy").joinpath("policies", f"{text}.yaml").read_text("utf-8"), text)


def describe(policy: Policy) -> list[Row]:
    """What becomes of every category, in the order of the contract."""
    rows = []
    for category in NAMEABLE:
        action, facts = policy.action(category), domains.of(category)
        rows.append(Row(category, facts.meaning, facts.law, action.name, action.described()))
    return rows


def _policy(text: str, source: str) -> Policy:
    try:
        content = load_yaml(text)
    except yaml.YAMLError:
        raise ConfigError("POLICY_DAMAGED", f"the policy {source} is no YAML, or names a key twice") from None
    if not isinstance(content, dict) or not isinstance(content.get("actions"), dict):
        raise ConfigError("POLICY_DAMAGED", f"the policy {source} is no mapping with a mapping `actions`")
    actions = tuple(sorted(_actions(content["actions"], source), key=lambda item: item[0]))
    try:
        return Policy.model_validate({**content, "actions": actions})
    except ValidationError as error:
        raise ConfigError("POLICY_FIELD", f"the policy {source}: {_first(error)}") from None


def _actions(content: Mapping[Any, Any], source: str) -> Iterator[tuple[str, Action]]:
    for category, wanted in content.items():
        if category not in NAMEABLE:
            raise ConfigError("POLICY_CATEGORY", f"the policy {source} names the unknown category {category!r}")
        yield category, _action(wanted, f"the policy {source}, category {category}")


def _action(wanted: Any, where: str) -> Action:
    parameters = dict(wanted) if isinstance(wanted, dict) else {"action": wanted}
    name = parameters.pop("action", None)
    if name in PLANNED:
        raise ConfigError("POLICY_ACTION_PLANNED", f"{where}: the action {name} is not built in this version; use drop")
    kind = next((k for k in ACTIONS if k.name == name), None)
    if kind is None:
        known = ", ".join(k.name for k in ACTIONS)
        raise ConfigError("POLICY_ACTION", f"{where}: unknown action {name!r}; use one of {known}")
    try:
        return kind.model_validate(parameters)
    except ValidationError as error:
        raise ConfigError("POLICY_PARAMETER", f"{where}, action {name}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, in words."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"
