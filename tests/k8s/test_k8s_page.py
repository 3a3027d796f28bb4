"""The page of the client says what the program does."""

from __future__ import annotations

from pathlib import Path

from typer.main import get_command

from k8s.__main__ import app
from k8s.outcome import kinds

PAGE = (Path(__file__).parents[2] / "docs" / "kubernetes-client.md").read_text(encoding="utf-8")


def test_every_outcome_stands_on_the_page() -> None:
    rows = [
        f"| `{kind.name}` | {kind.exit_code} | {'yes' if kind.try_again else 'no'} | {kind.sentence} |"
        for kind in kinds().values()
    ]
    assert [row for row in rows if row not in PAGE] == []


def test_every_command_stands_on_the_page() -> None:
    commands = getattr(get_command(app), "commands", {})
    assert len(commands) == 6
    assert [name for name in commands if f"`{name} " not in PAGE] == []
