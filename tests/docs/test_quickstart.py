"""docs/quickstart.md, step by step: its commands as they are printed, and what they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app

STEPS = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text("utf-8").split("\n## ")[1:]
OF_THE_KEYS = re.compile(r"[\d,]+ bytes, 13 tables|head 1:\w{64}")
"""Sizes and hashes of a lake follow from its keys."""


def shown(step: str) -> tuple[list[str], list[str]]:
    """The words of the step's command, and the lines that it shows as its answer."""
    command = re.search(r"^ {4}clinray (.+)$", step, re.MULTILINE)
    answer = re.search(r"^```\n(.+?)^```", step, re.MULTILINE | re.DOTALL)
    assert command is not None
    assert answer is not None
    return command[1].split(), OF_THE_KEYS.sub("", answer[1]).splitlines()


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the commands print, by step: each goes on from the one before. The folder is that of the page."""
    place = tmp_path_factory.mktemp("quickstart")
    said = {}
    with pytest.MonkeyPatch.context() as environment:
        environment.chdir(place)
        environment.setenv("CLINRAY_KEYS", str(place / "keys"))
        for step in STEPS[:4]:
            words, _ = shown(step)
            done = CliRunner().invoke(app, [*words, *(["--cpus", "0"] if words[0] == "ingest" else [])])
            assert done.exit_code == 0, words
            said[step] = done.stdout
        yield said


@pytest.mark.parametrize("step", STEPS[:4], ids=lambda step: step.splitlines()[0])
def test_a_command_prints_what_the_page_shows(printed: dict[str, str], step: str) -> None:
    _, answer = shown(step)
    lines = [line for line in OF_THE_KEYS.sub("", printed[step]).splitlines() if not line.startswith("made ")]
    assert lines[: len(answer)] == answer


def test_the_query_gives_what_the_page_shows(printed: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    query, answer = re.findall(r"```(?:python)?\n(.+?)```", STEPS[4], re.DOTALL)
    exec(query, {})
    assert capsys.readouterr().out.strip() == answer.strip()
