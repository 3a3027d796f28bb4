"""Pages made of data, error codes and validation rules; `python -m connectors.document` writes them to docs/."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from connectors.hl7v2 import conformance, rules

DOCS = Path("docs")


def error_codes() -> list[dict[str, str]]:
    """The rows of error_codes.csv: code, title, what_happens, what_to_do."""
    text = resources.files("connectors").joinpath("error_codes.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def errors_page() -> str:
    """docs/errors.md: one section a code, in alphabetical order, so that a code can be linked to."""
    parts = [
        "# Error codes\n",
        "Every error and every quarantined record carries one of these codes. Messages name codes, keys and offsets,\n"
        "never content. Findings of validation have their own list: [rules of HL7 v2](rules/hl7v2.md).\n",
    ]
    for row in sorted(error_codes(), key=lambda row: row["code"]):
        parts.append(f"## {row['code']}\n\n{row['title']}.\n")
        parts.append(f"- What happens: {row['what_happens']}\n- What to do: {row['what_to_do']}\n")
    return "\n".join(parts)


def rules_page() -> str:
    """docs/rules/hl7v2.md: the rules with their weights, and the structures they check."""
    parts = [
        "# Validation rules of HL7 v2\n",
        "A message starts with 100 points. Each code that is found in it takes its weight off, once; the score is not\n"
        "below 0. Findings stand in `hl7v2_findings`: code, severity, segment, position, never a value.\n",
        _table(
            ("Code", "Severity", "Weight", "Stage", "Position", "Types", "Meaning"),
            [_rule_row(rule) for rule in rules.rules()],
        ),
        "## Structures\n",
        "`?` optional, `*` any number, `+` at least one, parentheses a group. Segments whose names begin with Z, and\n"
        f"{', '.join(f'`{name}`' for name in sorted(conformance.floating()))}, may stand anywhere.\n"
        "A message of another type gets the finding `HL7_TYPE_UNKNOWN`, and its segments are not checked.\n",
        _table(
            ("Structure", "Types", "Segments"),
            [
                (row["structure"], row["types"].replace(" ", ", "), f"`{row['grammar']}`")
                for row in conformance.structures()
                if row["structure"] != conformance.FLOATING
            ],
        ),
    ]
    return "\n".join(parts)


def _rule_row(rule: rules.Rule) -> Sequence[str]:
    types = ", ".join(rule.types) or "all"
    return (
        f"`{rule.code}`",
        rule.severity,
        str(rule.weight),
        rule.stage,
        rule.position or rule.segment,
        types,
        rule.description,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(docs: Path) -> None:
    """Writes the pages below a folder."""
    for name, page in (("errors.md", errors_page()), ("rules/hl7v2.md", rules_page())):
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, "utf-8")


if __name__ == "__main__":
    write(DOCS)
