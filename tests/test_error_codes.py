"""Every code that the source raises or emits has a row in error_codes.csv or rules.csv, and every row is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from connectors import document, errors
from connectors.hl7v2 import rules

ROOT = Path(__file__).parent.parent
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.ClinrayError)
}


def trees() -> Iterator[ast.AST]:
    for room in ("connectors", "jobs", "k8s"):
        for path in sorted((ROOT / room).rglob("*.py")):
            yield ast.parse(path.read_text("utf-8"), str(path))


def raised() -> set[str]:
    """First arguments of calls of the exceptions, where they are written out."""
    found = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute) and node.args:
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if name in ERRORS and isinstance(node.args[0], ast.Constant):
                    found.add(node.args[0].value)
    return found


def texts() -> set[str]:
    """Every text of the source that stands alone and is written like a code."""
    return {
        node.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }


def documented() -> set[str]:
    return {row["code"] for row in document.error_codes()}


def test_every_code_that_is_raised_has_a_row():
    assert raised() - documented() == set()


def test_every_code_of_a_format_has_a_row():
    emitted = {code for code in texts() if code.startswith("HL7_")}
    assert emitted - documented() - {rule.code for rule in rules.rules()} == set()


def test_every_row_is_used():
    assert documented() - texts() == set()


def test_every_rule_of_reading_is_emitted():
    assert {rule.code for rule in rules.rules() if rule.stage == rules.READ} - texts() == set()


def test_no_code_is_both_an_error_and_a_finding():
    assert documented() & {rule.code for rule in rules.rules()} == set()


def test_codes_are_unique_and_every_row_is_complete():
    rows = document.error_codes()
    assert len({row["code"] for row in rows}) == len(rows)
    assert [row["code"] for row in rows if not all(row.values()) or None in row] == []


def test_the_page_of_errors_is_the_generated_one():
    assert (ROOT / "docs/errors.md").read_text("utf-8") == document.errors_page()


def test_the_page_of_rules_is_the_generated_one():
    assert (ROOT / "docs/rules/hl7v2.md").read_text("utf-8") == document.rules_page()
