"""docs/commands.md against the program: the flags of every command, and the keys of every object it prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import file_of
from running import write as write_files
from typer.main import get_command
from typer.testing import CliRunner

from jobs.__main__ import app

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text("utf-8")
FLAG = re.compile(r"^\| (`.*?) \|", re.MULTILINE)


def section(title: str) -> str:
    """The text below a heading."""
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def documented_flags(name: str) -> set[str]:
    table = section(f"clinray {name}").split("| key of its object |", 1)[0]
    return {word for cell in FLAG.findall(table) for word in re.findall(r"`(-[^`]+)`", cell)}


def documented_keys(title: str) -> set[str]:
    text = section(title)
    table = text.split("| key of its object |", 1)[-1] if "| key of its object |" in text else text
    return set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield " ".join(name), command
        return
    for part, below in command.commands.items():
        yield from commands(below, (*name, part))


COMMANDS = dict(commands(get_command(app)))


def test_every_command_has_a_section() -> None:
    assert re.findall(r"^## clinray (.+)$", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_flags_are_those_of_the_program(name: str) -> None:
    options = (o for p in COMMANDS[name].params for o in p.opts if o.startswith("-"))
    assert documented_flags(name) == set(options) - {"--help", "-h"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two messages, one of them broken, and a lake that holds them."""
    folder = tmp_path_factory.mktemp("commands")
    broken = b"MSH|^~\\&|LAB|GEN|LAKE|DATA|20240102||ORU^R01|x|P|2.5||||||KLINGON\r"
    write_files(folder / "in", {"a.hl7": file_of("1") + broken})
    (folder / "values").write_text("DOE^JANE\n")
    assert printed(folder, "keys init")["created"]
    assert printed(folder, "ingest")["objects"]["written"] == 1
    zone = ("--policy", "identified", "--allow-identified", "--stages", "none", "--lake", str(folder / "apart"))
    assert printed(folder, "ingest", *zone)["objects"]["written"] == 1
    return folder


def printed(place: Path, name: str, *more: str) -> dict[str, Any]:
    """The object that a command prints over the folder of `place`."""
    keys = ["--keys", str(place / "keys")]
    to_lake = ["--source", str(place / "in"), "--lake", str(place / "lake"), "--policy", "pseudonymised"]
    run = [*to_lake, *keys, "--cpus", "0"]
    arguments = {
        "ingest": run,
        "quarantine retry": run,
        "validate": [str(place / "apart"), *keys, "--cpus", "0"],
        "deidentify": [str(place / "apart"), *keys, "--cpus", "0", "--from", "identified", "--policy", "pseudonymised"],
        "verify": [str(place / "lake")],
        "runs": [str(place / "lake")],
        "vacuum": [str(place / "lake"), *keys],
        "quarantine list": [str(place / "lake")],
        "quarantine show": [str(place / "lake")],
        "keys init": keys,
        "keys show": keys,
        "policy show": ["pseudonymised"],
        "show": [str(place / "in" / "a.hl7"), "--allow-identified"],
        "generate hl7v2": ["--messages", "2", "--out", str(place / "made")],
    }
    result = CliRunner().invoke(app, [*name.split(), *arguments.get(name, []), *more, "--json"])
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


PRINTING = [
    name
    for name in COMMANDS
    if documented_keys(f"clinray {name}")
    and name not in ("keys rewrap", "demo", "compile")  # a key service; these have tests of their own
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_object_to_print(name: str) -> None:
    assert "--json" in {option for parameter in COMMANDS[name].params for option in parameter.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_shows_an_example_of_it(name: str) -> None:
    said = CliRunner().invoke(app, [*name.split(), "--help"])
    assert said.exit_code == 0
    assert f"clinray {name}" in said.output.split("xample", 1)[1]


@pytest.mark.parametrize("name", PRINTING)
def test_the_keys_are_those_that_are_printed(place: Path, name: str) -> None:
    more = ("--leaks", str(place / "values")) if name == "verify" else ()
    assert set(printed(place, name, *more)) == documented_keys(f"clinray {name}")


@pytest.mark.parametrize("name", ["ingest", "quarantine retry", "validate", "deidentify"])
def test_the_keys_of_a_run_are_those_that_are_printed(place: Path, name: str) -> None:
    assert set(printed(place, name)) == documented_keys("The object of a run") - {"planned"}


def test_a_dry_run_says_what_it_planned_besides(place: Path) -> None:
    assert set(printed(place, "ingest", "--dry-run")) == documented_keys("The object of a run")


@pytest.mark.parametrize(
    ("name", "list_of"), [("quarantine list", "codes"), ("quarantine show", "spans"), ("policy list", "policies")]
)
def test_the_members_of_listed_objects_are_documented(place: Path, name: str, list_of: str) -> None:
    row = next(line for line in section(f"clinray {name}").splitlines() if line.startswith(f"| `{list_of}` |"))
    members = re.findall(r"`([a-z_]+)`", row.split("|")[2])
    assert members == list(printed(place, name)[list_of][0])
