"""The messages that every side reads: of about 312 bytes, with MSH, PID, PV1 and one OBX."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from connectors.hl7v2.generate import bench_messages

SEED = 20260101
MESSAGES_OF_A_FILE = 100


def write_files(folder: Path, count: int) -> Path:
    """`count` messages, a hundred a file."""
    folder.mkdir(parents=True)
    messages = iter(bench_messages(count, SEED))
    number = 0
    while batch := list(islice(messages, MESSAGES_OF_A_FILE)):
        (folder / f"{number:06}.hl7").write_bytes(b"".join(batch))
        number += 1
    return folder


def link_first(source: Path, folder: Path, files: int) -> Path:
    """A folder of the first files of another."""
    folder.mkdir(parents=True)
    for path in sorted(source.iterdir())[:files]:
        os.link(path, folder / path.name)
    return folder


def join(source: Path, folder: Path) -> Path:
    """A folder of one file: all files of another, end to end."""
    folder.mkdir(parents=True)
    with (folder / "messages.hl7").open("wb") as joined:
        for path in sorted(source.iterdir()):
            joined.write(path.read_bytes())
    return folder


def read_all(folder: Path) -> int:
    """Reads every file, so that the next reader finds it in the page cache. Returns the bytes."""
    return sum(len(path.read_bytes()) for path in folder.iterdir())
