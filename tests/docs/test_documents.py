"""The documents: generated pages are up to date, links resolve, commands that they show exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from running import file_of, run
from running import write as write_files
from typer.main import get_command

from jobs.__main__ import app
from jobs.config import Pipeline
from jobs.document import NESTED
from jobs.documents import write

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)")
ANCHORED = re.compile(r"\]\(([^)\s]*#[^)\s]+)")
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
def test_links_to_a_heading_find_it(page: Path) -> None:
    wanted = [link.split("#") for link in ANCHORED.findall(page.read_text()) if "://" not in link]
    assert [(name, at) for name, at in wanted if at not in headings(page.parent / name if name else page)] == []


def headings(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_path_of_a_machine(page: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:root|home|work|Users|tmp)[/\w]*", page.read_text()) == []


@pytest.mark.parametrize("model", NESTED, ids=lambda model: model.__name__)
def test_every_member_of_a_nested_setting_is_described(model: type[BaseModel]) -> None:
    assert list(NESTED[model]) == list(model.model_fields)


def test_the_pipeline_file_that_operating_shows_is_one() -> None:
    shown = (ROOT / "docs" / "operating.md").read_text().split("```yaml\n")[1].split("```")[0]
    pipeline = Pipeline.model_validate(yaml.safe_load(shown))
    assert (pipeline.policy, pipeline.time_zone, pipeline.keys.create) == ("pseudonymised", "Europe/Zurich", False)


def test_the_index_names_every_page() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    named = set(LINK.findall((ROOT / "docs" / "README.md").read_text()))
    assert {page for page in pages - named if not page.startswith("adr/")} == {"README.md"}


def test_the_query_that_the_readme_shows_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_files(tmp_path / "in", {"a.hl7": file_of("1", "2")})
    run(source, tmp_path / "lake", tmp_path / "keys")
    shown = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(shown.replace("s3://research/lake", str(tmp_path / "lake")), {})
    assert "avg(value_number)" in capsys.readouterr().out
