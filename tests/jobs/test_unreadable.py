"""Files and folders that this user may not read: a command says so, and never that it found nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from running import file_of, run, write

from connectors.errors import AccessError
from connectors.storage import StorageOptions
from jobs.leaks import find_leaks
from jobs.one_message import message_at


@pytest.mark.parametrize("name", ["logs", "logs/deep", "logs/deep/worker.out"])
def test_logs_that_may_not_be_read_are_not_said_to_hold_no_value(
    tmp_path: Path, shut: Callable[[Path], Path], name: str
) -> None:
    run(write(tmp_path / "in", {"a.hl7": file_of("1")}), tmp_path / "lake", tmp_path / "keys")
    write(tmp_path / "logs" / "deep", {"worker.out": b"said SECRET"})
    place = shut(tmp_path / name)
    with pytest.raises(AccessError) as caught:
        find_leaks(str(tmp_path / "lake"), StorageOptions(), ["SECRET"], [tmp_path / "logs"])
    assert (caught.value.code, caught.value.message) == ("LEAK_LOGS", f"the logs {place} cannot be read")


def test_a_message_that_may_not_be_read_is_not_said_to_end_early(tmp_path: Path, shut: Callable[[Path], Path]) -> None:
    place = shut(write(tmp_path, {"a.hl7": file_of("1")}) / "a.hl7")
    with pytest.raises(AccessError) as caught:
        message_at(str(place), 0, None, StorageOptions())
    assert caught.value.code == "STORE_REFUSED"
