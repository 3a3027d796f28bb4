"""What verify found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong. code: a row of the table of error codes. where: entry, file or table."""

    code: str
    what: str
    where: str


@dataclass
class Report:
    """findings: what is wrong. information: what is worth knowing and not wrong. checked: how much was looked at.
    head: number and SHA-256 of the log's last entry."""

    findings: list[Finding] = field(default_factory=list)
    information: list[Finding] = field(default_factory=list)
    checked: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("entries", "inputs", "parts", "rows", "bytes", "tables"), 0)
    )
    head: tuple[int, str] = (0, "0" * 64)

    def find(self, code: str, where: str, what: str) -> None:
        self.findings.append(Finding(code, what, where))

    def inform(self, code: str, where: str, what: str) -> None:
        self.information.append(Finding(code, what, where))

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.FOUND if self.findings else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """Keys ok, head {number, sha256}, checked, findings and information (each code, what, where)."""
        return {
            "ok": not self.findings,
            "head": {"number": self.head[0], "sha256": self.head[1]},
            "checked": dict(self.checked),
            "findings": [_as_json(found) for found in self.findings],
            "information": [_as_json(found) for found in self.information],
        }

    def lines(self) -> Iterator[str]:
        """The report as people read it."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.checked.items())
        yield f"checked {counts}"
        for found in self.information:
            yield f"note   {found.code}  {found.where}: {found.what}"
        for found in self.findings:
            yield f"wrong  {found.code}  {found.where}: {found.what}"
        yield f"head {self.head[0]}:{self.head[1]}"
        yield "the lake is what its log says" if not self.findings else f"{len(self.findings)} findings"


def _as_json(found: Finding) -> dict[str, str]:
    return {"code": found.code, "what": found.what, "where": found.where}
