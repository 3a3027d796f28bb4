"""The documents: generated pages are up to date, links resolve, commands that they show exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from running import file_of, run
from running import write as write_files
from typer.main import get_command

from jobs.__main__ import app
from jobs.documents import write

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)")
COMMAND = re.compile(r"^ {4}(clinray [a-z][^#\n]*)", re.MULTILINE)


def test_generated_pages_are_up_to_date(tmp_path: Path) -> None:
    write(tmp_path)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.md")}
    assert made == {name: (ROOT / "docs" / name).read_text() for name in made}
    assert len(made) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_a_page_shows_exist_with_their_flags(page: Path) -> None:
    missing = []
    for shown in COMMAND.findall(page.read_text()):
        words = shlex.split(shown.replace("…", ""))[1:]
        command = get_command(app)
        while words and hasattr(command, "commands"):
            command = command.commands.get(words.pop(0))
        known = {name for parameter in getattr(command, "params", []) for name in parameter.opts}
        missing += [word for word in words if word.startswith("--") and word not in known] if command else [shown]
    assert missing == []


def test_every_key_of_the_report_of_an_ingest_is_documented(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"a.hl7": file_of("1")})
    report = run(source, tmp_path / "lake", tmp_path / "keys")
    page = (ROOT / "docs" / "commands.md").read_text()
    assert [key for key in report if f"`{key}`" not in page] == []
    assert json.dumps(report)
