"""Standard output that is full, or closed before the program began."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_full_output_is_said_in_one_sentence(flags: list[str]) -> None:
    with FULL.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "jobs", "tables", *flags], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    sentence = "standard output cannot be written (No space left on device); what was committed stays"
    assert (done.returncode, done.stderr) == (2, f"clinray: OUTPUT_UNWRITABLE: {sentence}\n")


@pytest.mark.parametrize(("name", "code"), [("hl7v2_notes", 0), ("nothing", 2)])
def test_a_closed_output_changes_no_exit_code(name: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobs", "tables", name, "--json"],
        preexec_fn=lambda: os.close(1),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (code, 1 if code else 0)
