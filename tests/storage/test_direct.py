"""Large files go past the system's cache of files, and hold what was given whatever the file system does."""

from __future__ import annotations

import errno
import fcntl
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from connectors.errors import AccessError
from connectors.storage import direct, open_store
from connectors.storage.direct import ALIGNED, BLOCK, LARGE

Write = Callable[[int, memoryview], int]
SIZES = [0, 1, LARGE - 1, LARGE, LARGE + 1, BLOCK - ALIGNED, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 5000]


def is_direct(file: int) -> bool:
    return bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)


def cut(data: bytes, seed: int) -> list[bytes | memoryview]:
    """The data in pieces of any lengths, some of them empty."""
    chance = random.Random(seed)
    edges = sorted(chance.choices(range(len(data) + 1), k=40))
    pieces = [data[a:b] for a, b in zip([0, *edges], [*edges, len(data)], strict=True)]
    return [memoryview(piece) if n % 2 else piece for n, piece in enumerate(pieces)]


@pytest.mark.parametrize("size", SIZES)
def test_files_of_all_sizes_hold_what_was_given(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    store = open_store(str(tmp_path))
    store.put("whole", data)
    store.put("pieces", cut(data, size))
    assert (tmp_path / "whole").read_bytes() == data
    assert (tmp_path / "pieces").read_bytes() == data


def test_all_but_the_end_of_a_large_file_is_written_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not supports_direct(tmp_path):
        pytest.skip("the file system of temporary files has no direct way")
    calls: list[tuple[bool, int]] = []
    monkeypatch.setattr(direct.os, "write", noting(calls, os.write, len))
    monkeypatch.setattr(direct.os, "writev", noting(calls, os.writev, lambda several: sum(map(len, several))))
    open_store(str(tmp_path)).put("k", cut(bytes(BLOCK + 2 * ALIGNED + 7), 1))
    assert calls == [(True, BLOCK), (True, 2 * ALIGNED), (False, 7)]


def supports_direct(folder: Path) -> bool:
    file = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT)
    try:
        return direct._past_cache(file, True)
    finally:
        os.close(file)


def noting(
    calls: list[tuple[bool, int]], write: Callable[..., int], length: Callable[..., int]
) -> Callable[[int, Sequence[bytes]], int]:
    def noted(file: int, data: Sequence[bytes]) -> int:
        calls.append((is_direct(file), length(data)))
        return write(file, data)

    return noted


def refusing(file: int, block: memoryview) -> int:
    raise OSError(errno.EINVAL, "no")


def falling_short(file: int, block: memoryview) -> int:
    return os.writev(file, [block[:-1000]])


@pytest.mark.parametrize("write", [refusing, falling_short])
def test_what_a_file_system_does_not_take_directly_is_written_in_the_usual_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    data = random.Random(0).randbytes(BLOCK + LARGE + 1)
    monkeypatch.setattr(direct, "_past_cache", lambda _file, _direct: True)
    monkeypatch.setattr(direct.os, "write", write)
    open_store(str(tmp_path)).put("k", cut(data, 2))
    assert (tmp_path / "k").read_bytes() == data


def test_a_file_system_without_the_way_keeps_to_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(file: int, command: int, *flags: int) -> int:
        if command == fcntl.F_SETFL:
            raise OSError(errno.EINVAL, "no")
        return 0

    monkeypatch.setattr(direct.fcntl, "fcntl", refused)
    open_store(str(tmp_path)).put("k", bytes(LARGE))
    assert (tmp_path / "k").read_bytes() == bytes(LARGE)


def test_a_full_disk_is_said_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, block: memoryview) -> int:
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr(direct, "_past_cache", lambda _file, _direct: True)
    monkeypatch.setattr(direct.os, "write", full)
    with pytest.raises(AccessError, match="no space is left"):
        open_store(str(tmp_path)).put("k", bytes(LARGE))
    assert list(tmp_path.iterdir()) == []
