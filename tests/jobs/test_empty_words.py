"""Empty, endless and misplaced words of a command line: one sentence, exit 2, and nothing is made."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from running import file_of, run, write

from jobs.__main__ import main


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source, keys, and a lake over it in the identified zone."""
    folder = tmp_path_factory.mktemp("words")
    source = write(folder / "in", {"a.hl7": file_of("1")})
    run(source, folder / "lake", folder / "keys", policy="identified", allow_identified=True, stages=())
    return folder


INGEST = "ingest --source {0}/in --lake {0}/new --policy pseudonymised --dry-run"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("ingest --lake {0}/new --policy pseudonymised --source ''", "PIPELINE_INVALID", "source: is empty"),
        ("ingest --source {0}/in --policy pseudonymised --lake ''", "PIPELINE_INVALID", "lake: is empty"),
        ("validate ''", "PIPELINE_INVALID", "lake: is empty"),
        ("runs ''", "STORE_URI", "the address of a store is empty"),
        ("show '' --allow-identified", "STORE_URI", "the address of a store is empty"),
        ("keys init --keys ''", "USAGE", "the path is empty"),
        ("verify {0}/lake --trust ''", "USAGE", "the path is empty"),
        ("verify {0}/lake --leaks ''", "USAGE", "the path is empty"),
        ("ingest ''", "USAGE", "the path is empty"),
        ("show {0}/in/a.hl7 --allow-identified --length=-5", "USAGE", "--length"),
        ("show {0}/in/a.hl7 --allow-identified --at=-1", "USAGE", "--at"),
        ("quarantine show {0}/lake --limit 99999999999999999999", "USAGE", "--limit"),
        ("keys init --keys {0}/other --context dataset=x", "KMS_CONTEXT", "give --kms-key"),
        (INGEST + " --chunk-bytes 99999999999999999999999", "PIPELINE_INVALID", "chunk_bytes"),
        (INGEST + " --bundle-bytes 99999999999999999999999", "PIPELINE_INVALID", "bundle_bytes"),
        (INGEST + " --settle inf", "PIPELINE_INVALID", "settle_seconds: Input should be a finite number"),
        ("vacuum {0}/lake --keys {0}/keys --older-than-hours inf", "USAGE", "--older-than-hours"),
        ("validate {0}/lake --keys {0}/keys --min-score nan", "PIPELINE_INVALID", "min_score"),
        ("validate {0}/lake --keys {0}/keys --min-score 101", "PIPELINE_INVALID", "min_score"),
        (
            "ingest --source {0}/lake/restricted --lake {0}/lake --policy pseudonymised",
            "PIPELINE_INVALID",
            "the source lies in the lake",
        ),
    ],
)
def test_words_that_say_nothing_are_refused(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    code: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr("sys.argv", ["clinray", *shlex.split(words.format(place)), "--json"])
    before = sorted(place.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main()
    said = json.loads(capsys.readouterr().out)["error"]
    assert (ended.value.code, said["code"]) == (2, code)
    assert sentence in said["message"]
    assert sorted(place.rglob("*")) == before


def test_a_line_without_its_last_word_names_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["clinray", "ingest", "--policy"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.endswith("see clinray --help\n")
