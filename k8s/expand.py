"""The shared templates of the chart (helm/clinray/files/*.yaml), expanded as the chart's _expand.tpl expands them.

A template is plain YAML with markers; docs/kubernetes-templates.md has the rules. Nothing here knows Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

Node: TypeAlias = Any
"""What YAML and JSON hold: mapping, list, text, number, truth value or null."""

Context: TypeAlias = Mapping[str, Any]
Nulls: TypeAlias = Literal["leave", "replace", "remove"]

_PLACE = re.compile(r"\{([A-Za-z0-9_.]+)\}")


def expand(node: Node, context: Context) -> Node:
    """The node with its markers replaced; null for what is not there. Entries that come out as null are left out."""
    if isinstance(node, Mapping):
        return _marker(node, context)
    if isinstance(node, list):
        return _present(expand(child, context) for child in node)
    return node


def _marker(node: Mapping[str, Node], context: Context) -> Node:
    if "$value" in node:
        found = lookup(node["$value"], context)
        return None if isinstance(found, Mapping | list) and not found else found
    if "$text" in node:
        return text(node["$text"], context)
    if "$if" in node:
        return expand(node.get("$then" if lookup(node["$if"], context) else "$else"), context)
    if "$merge" in node:
        return _merged(expand(part, context) for part in node["$merge"])
    if "$concat" in node:
        lists = (expand(part, context) for part in node["$concat"])
        return [item for part in lists if part for item in part] or None
    if "$each" in node:
        return _each(node, context)
    made = ((key, expand(child, context)) for key, child in node.items())
    return {key: value for key, value in made if value is not None}


def _present(values: Any) -> list[Node]:
    return [value for value in values if value is not None]


def _merged(parts: Any) -> Node:
    made: dict[str, Node] = {}
    for part in parts:
        if part:
            made = merge(made, part)
    return made or None


def _each(node: Mapping[str, Node], context: Context) -> Node:
    found = lookup(node["$each"], context) or []
    if isinstance(found, Mapping):
        found = [{"key": key, "value": found[key]} for key in sorted(found)]
    return _present(expand(node["$do"], {**context, node["$as"]: element}) for element in found) or None


def lookup(path: str, context: Context) -> Node:
    """The value at a dotted path; None where a part is missing."""
    at: Node = context
    for part in path.split("."):
        if not isinstance(at, Mapping) or part not in at:
            return None
        at = at[part]
    return at


def text(template: str, context: Context) -> str:
    """Text with {paths} replaced by the values there; a missing one by nothing."""

    def value(match: re.Match[str]) -> str:
        found = lookup(match[1], context)
        return "" if found is None else shown(found)

    return _PLACE.sub(value, template)


def shown(value: Node) -> str:
    """A value inside a text, as Helm writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def merge(under: Mapping[str, Node], over: Mapping[str, Node], nulls: Nulls = "leave") -> dict[str, Node]:
    """Mappings merged deeply: what stands over wins, false, zero and lists too.

    nulls: what a null that stands over does with what is under: "leave" it, "replace" it, or "remove" it.
    """
    made = dict(under)
    for key, value in over.items():
        below = made.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            made[key] = merge(below, value, nulls)
        elif value is not None or nulls == "replace" or (nulls == "remove" and key not in made):
            made[key] = value
        elif nulls == "remove":
            del made[key]
    return made


def names_in(template: Sequence[Node] | Node) -> set[str]:
    """Every path that a template refers to."""
    if isinstance(template, list):
        return set().union(*(names_in(child) for child in template)) if template else set()
    if not isinstance(template, Mapping):
        return set()
    own = {str(template[key]) for key in ("$value", "$if", "$each") if key in template}
    if "$text" in template:
        own |= set(_PLACE.findall(template["$text"]))
    return own.union(*(names_in(child) for child in template.values()))
