"""docs/policies.md, made from the policies themselves: `python -m jobs.privacy.document > docs/policies.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from connectors.contract import TableSpec
from connectors.registry import connector
from jobs.privacy import engine, policy
from jobs.privacy.actions import ACTIONS, Action
from jobs.privacy.policy import Policy

HEAD = """\
# Policies

A policy says what becomes of each category of data. Every column of every table has one category; a category that a
policy does not name is dropped, and so is a column whose type its action cannot treat. `clinray policy show NAME`
prints a policy as it stands here. This page is generated from the policies.

A policy of your own is a YAML file: `name`, `version`, `zone` (`identified` or `deidentified`), `legal_basis`,
`description` and `actions`, a mapping from category to action. An action with parameters is a mapping itself:
`birth_date: {action: shift, max_days: 365}`. A lake is bound to the digest of its policy, which covers everything but
the words of `legal_basis` and `description`.
"""


def render(tables: Iterable[TableSpec]) -> str:
    """The page: policies, actions, and what becomes of each column of the tables."""
    policies = [policy.load(name) for name in policy.names()]
    lines = [HEAD, *_policies(policies), *_categories(policies), *_actions()]
    lines += _columns(list(tables), policies)
    return "\n".join(lines).rstrip("\n") + "\n"


def _policies(policies: list[Policy]) -> Iterator[str]:
    for one in policies:
        yield f"## {one.name}\n"
        yield f"{one.description.strip()}\n"
        yield f"Zone: {one.zone.value}. Version: {one.version}. Digest: `{one.digest}`.\n"
        yield f"Legal basis: {one.legal_basis.strip()}\n"


def _categories(policies: list[Policy]) -> Iterator[str]:
    yield "## Categories\n"
    yield from _head("category", "what it is", "named in", *(p.name for p in policies))
    for together in zip(*(policy.describe(p) for p in policies), strict=True):
        row = together[0]
        yield _line(f"`{row.category}`", row.meaning, row.law, *(r.result for r in together))
    yield ""


def _actions() -> Iterator[str]:
    yield "## Actions\n"
    yield from _head("action", "what it does", "parameters")
    for action in ACTIONS:
        about = " ".join((action.__doc__ or "").split())
        yield _line(f"`{action.name}`", about, ", ".join(_parameters(action)) or "none")
    yield ""


def _parameters(action: type[Action]) -> Iterator[str]:
    for name, field in action.model_fields.items():
        bounds = {k: getattr(m, k) for m in field.metadata for k in ("ge", "le") if hasattr(m, k)}
        range_ = f" from {bounds['ge']} to {bounds['le']}" if bounds else ""
        default = "required" if field.is_required() else f"default {field.default}"
        yield f"`{name}`{range_}, {default}"


def _columns(specs: list[TableSpec], policies: list[Policy]) -> Iterator[str]:
    yield "## Columns\n"
    yield "What is left of each column: the action, or – where the column is not written.\n"
    for spec in specs:
        yield f"### {spec.name}\n"
        yield from _head("column", "category", *(p.name for p in policies))
        fates = [_fates(spec, p) for p in policies]
        for column in spec.columns:
            yield _line(f"`{column.name}`", f"`{column.category.value}`", *(f.get(column.name, "–") for f in fates))
        yield ""


def _fates(spec: TableSpec, rules: Policy) -> dict[str, str]:
    schema = engine.deidentified_spec(spec, rules)
    if schema is None:
        return {}
    return {field.name: (field.metadata or {}).get(b"action", b"keep").decode() for field in schema}


def _head(*names: str) -> Iterator[str]:
    yield _line(*names)
    yield _line(*("---" for _ in names))


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(render(connector("hl7v2").tables.values()))
