"""What became of a RayJob. `Complete` alone does not say success: a stopped or failed job ends in it, too."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

SUCCEEDED = "succeeded"
OUTCOMES_OF_EXITS = {1: "wrong", 2: "refused", 3: "deferred", 4: "limited"}
"""Outcome by the exit code of the driver."""

_EXIT = re.compile(r"exit code (\d+)")
_INVALID = "ValidationFailed"
_TOO_LATE = ("PreRunningDeadlineExceeded", "DeadlineExceeded")


@dataclass(frozen=True)
class Kind:
    """A row of outcomes.csv. exit_code: of `wait` and `runner`. try_again: whether another try may end otherwise."""

    name: str
    exit_code: int
    try_again: bool
    sentence: str


@dataclass(frozen=True)
class Outcome:
    """kind: what became of the job. detail: codes and reasons, never what a driver printed."""

    kind: Kind
    detail: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.kind.sentence} ({self.detail})" if self.detail else self.kind.sentence


@functools.lru_cache(maxsize=1)
def kinds() -> Mapping[str, Kind]:
    """The kinds of outcome by name."""
    text = (resources.files("k8s") / "outcomes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        row["outcome"]: Kind(row["outcome"], int(row["exit_code"]), row["try_again"] == "yes", row["sentence"])
        for row in rows
    }


def outcome(name: str, detail: str = "") -> Outcome:
    return Outcome(kinds()[name], detail)


def of_status(status: Mapping[str, Any]) -> Outcome | None:
    """The outcome that a RayJob's status shows; None while it goes on.

    Success is `jobStatus` SUCCEEDED together with `jobDeploymentStatus` Complete, and nothing else.
    """
    job, deployment = status.get("jobStatus") or "", status.get("jobDeploymentStatus") or ""
    reason = status.get("reason") or ""
    if _INVALID in (deployment, reason):
        return outcome("invalid", _INVALID)
    if deployment not in ("Complete", "Failed"):
        return None
    if job == "SUCCEEDED" and deployment == "Complete":
        return outcome(SUCCEEDED)
    if job == "STOPPED":
        return outcome("stopped", reason)
    if reason in _TOO_LATE and not job:
        return outcome("not_started", reason)
    return _failed(status, reason)


def _failed(status: Mapping[str, Any], reason: str) -> Outcome:
    found = _EXIT.search(status.get("message") or "")
    if found is None:
        return outcome("failed", reason)
    code = int(found[1])
    return outcome(OUTCOMES_OF_EXITS.get(code, "failed"), f"exit code {code}")
