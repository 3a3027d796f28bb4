"""Parts on their way to the store while others are encoded."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.errors import TransientError
from connectors.storage import Content, open_store
from jobs.outlet import AT_ONCE, Outlet, Uploads

SCHEMA = pa.schema([pa.field("value", pa.int64())])


def outlet(folder: Path) -> Outlet:
    names = [f"table{n}" for n in range(9)]
    return Outlet(open_store(str(folder)), "deidentified", "b0", dict.fromkeys(names, SCHEMA), 1 << 20)


def test_every_part_is_in_the_store_when_the_outlet_is_closed(tmp_path: Path) -> None:
    out = outlet(tmp_path)
    out.write({f"table{n}": pa.table([pa.array([n])], schema=SCHEMA) for n in range(9)})
    parts = out.close()
    assert [part.table for part in parts] == [f"table{n}" for n in range(9)]
    assert all((tmp_path / part.path).stat().st_size == part.bytes for part in parts)


def test_what_waits_for_parts_holds_none_of_their_tables(tmp_path: Path) -> None:
    out = outlet(tmp_path)
    gone, finish = weakref.ref(out), out.uploads.finish
    out.write({"table0": pa.table([pa.array([0])], schema=SCHEMA)})
    (part,) = out.end()
    del out
    assert gone() is None
    finish()
    assert (tmp_path / part.path).stat().st_size == part.bytes


class Refusing:
    """A store that takes nothing."""

    def put(self, key: str, data: Content) -> None:
        raise TransientError("STORE_BUSY", key)


class Slow:
    """A store that answers when it is told to, and counts how many wait."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.keys: list[str] = []

    def put(self, key: str, data: Content) -> None:
        self.keys.append(key)
        assert self.answer.wait(60)


def test_a_part_that_the_store_refuses_fails_the_bundle() -> None:
    uploads = Uploads(Refusing())
    uploads.put("a", b"")
    with pytest.raises(TransientError):
        uploads.finish()


def test_no_more_parts_wait_at_once_than_are_allowed() -> None:
    store = Slow()
    uploads = Uploads(store)
    for n in range(AT_ONCE):
        uploads.put(str(n), b"")
    more = threading.Thread(target=uploads.put, args=("more", b""))
    more.start()
    assert "more" not in store.keys
    store.answer.set()
    more.join()
    uploads.finish()
    assert sorted(store.keys) == sorted([*map(str, range(AT_ONCE)), "more"])


class Noting:
    """A store that notes who writes."""

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()

    def put(self, key: str, data: Content) -> None:
        self.threads.add(threading.current_thread())


def test_one_bundle_after_another_is_written_by_the_same_threads() -> None:
    store = Noting()
    for _ in range(4 * AT_ONCE):
        written_by(store)
    assert 1 <= len(store.threads) <= AT_ONCE


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_of_a_process_that_wrote_parts_writes_its_own() -> None:
    written_by(Noting())
    child = os.fork()
    if not child:
        signal.alarm(20)  # which ends it where it waits for threads that it does not have
        written_by(Noting())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def written_by(store: Noting) -> None:
    uploads = Uploads(store)
    uploads.put("part", b"")
    uploads.finish()
