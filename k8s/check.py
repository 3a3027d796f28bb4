"""A check of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True)
class Check:
    """state: ok, warning or failed. says: what was found. do: what helps, empty where nothing is wrong."""

    name: str
    state: str
    says: str
    do: str = ""
