"""One suite for every store: what holds for a folder holds for a bucket."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.errors import ObjectChanged
from connectors.storage import Store, local, open_store

ODD_KEYS = ["a b+c%20.hl7", "a-b", "a/b", "a/b.c/ü é.hl7", "empty", "名前/1~2(3)!'*.hl7", "percent%25%2F", "zz=1&2?3#4"]


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return open_store(str(tmp_path / "lake"))
    s3 = request.getfixturevalue("s3")
    return open_store(f"{s3.uri}/some/prefix", s3.options)


def keys(store: Store, prefix: str = "") -> list[str]:
    return [o.uri.removeprefix(store.uri + "/") for page in store.list(prefix) for o in page]


def test_what_is_put_is_got(store: Store) -> None:
    store.put("a/b", b"first")
    store.put("a/b", b"second")
    assert store.get("a/b") == b"second"


def test_pieces_that_are_put_are_one_object(store: Store) -> None:
    pieces = [b"", *(memoryview(bytes([n % 251]) * (n % 7)) for n in range(5000)), b"end", b""]
    store.put("a/b/c", pieces)
    assert store.get("a/b/c") == b"".join(pieces)


def test_odd_keys_are_listed_in_byte_order_and_read_back(store: Store) -> None:
    for n, key in enumerate(ODD_KEYS):
        store.put(key, b"" if key == "empty" else bytes([n]) * n)
    listed = [o for page in store.list() for o in page]
    assert [o.uri for o in listed] == [f"{store.uri}/{k}" for k in sorted(ODD_KEYS, key=str.encode)]
    for raw in listed:
        key = raw.uri.removeprefix(store.uri + "/")
        assert len(store.get(key, etag=raw.etag)) == raw.size
        assert store.head(key) == raw


def test_a_prefix_is_a_folder(store: Store) -> None:
    for key in ("a/1", "a/b/2", "ab/3"):
        store.put(key, b"x")
    assert keys(store, "a") == ["a/1", "a/b/2"]
    assert keys(store, "a/") == ["a/1", "a/b/2"]
    assert keys(store, "nothing") == []


def test_many_are_looked_for_in_the_order_of_their_keys(store: Store) -> None:
    for n in range(40):
        store.put(f"a/{n}", bytes(n))
    found = list(store.head_many([*(f"a/{n}" for n in reversed(range(40))), "a/none", "a"]))
    assert [raw and raw.size for raw in found] == [*reversed(range(40)), None, None]
    assert found[0] == store.head("a/39")
    assert list(store.head_many([])) == []


def test_a_second_put_if_absent_fails_and_changes_nothing(store: Store) -> None:
    assert store.put_if_absent("_runs/1.json", b"one")
    assert not store.put_if_absent("_runs/1.json", b"two")
    assert store.get("_runs/1.json") == b"one"
    assert keys(store) == ["_runs/1.json"]


def test_of_many_that_put_at_once_one_makes_the_object(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    with ThreadPoolExecutor(16) as threads:
        for entry in range(20):
            made = list(
                threads.map(lambda n, entry=entry: store.put_if_absent(f"{entry}", bytes([n]) * 1000), range(16))
            )
            assert made.count(True) == 1
            assert store.get(f"{entry}") == bytes([made.index(True)]) * 1000
    assert len(keys(store)) == 20
    assert len(list(tmp_path.iterdir())) == 20


def test_a_range_ends_where_the_object_ends(store: Store) -> None:
    store.put("k", b"0123456789")
    assert store.get_range("k", 2, 5) == b"234"
    assert store.get_range("k", 8, 99) == b"89"
    assert store.get_range("k", 10, 20) == b""
    assert store.get_range("k", 5, 5) == b""


@pytest.mark.parametrize(("start", "wanted"), [(0, 10), (2, 3), (8, 99), (10, 1), (12, 1), (5, 0)])
def test_a_place_is_filled_as_far_as_the_object_goes(store: Store, start: int, wanted: int) -> None:
    store.put("k", b"0123456789")
    place = bytearray(b"." * wanted)
    read = b"0123456789"[start : start + wanted]
    assert store.read_into(memoryview(place), "k", start) == len(read)
    assert place == read.ljust(wanted, b".")


def test_a_place_is_filled_though_the_system_reads_little_at_once(tmp_path, monkeypatch) -> None:
    store, preadv = open_store(str(tmp_path)), os.preadv
    store.put("k", b"0123456789")
    monkeypatch.setattr(os, "preadv", lambda file, places, at: preadv(file, [places[0][:3]], at))
    place = bytearray(8)
    assert store.read_into(memoryview(place), "k", 1) == 8
    assert place == b"12345678"


def test_a_stream_gives_all_bytes_from_its_start(store: Store) -> None:
    store.put("k", bytes(range(256)) * 100)
    blocks = list(store.stream("k", 100, block_bytes=1000))
    assert b"".join(blocks) == (bytes(range(256)) * 100)[100:]
    assert all(0 < len(b) <= 1000 for b in blocks)
    assert len(blocks) > 20


@pytest.mark.parametrize("again", [b"another", None])
def test_an_object_changed_or_gone_since_it_was_listed_is_not_read(store: Store, again: bytes | None) -> None:
    store.put("k", b"0123456789")
    raw = store.head("k")
    assert raw is not None
    store.delete(["k"])
    if again is not None:
        store.put("k", again)
    for read in (
        lambda: store.get("k", etag=raw.etag),
        lambda: store.get_range("k", 0, 2, etag=raw.etag),
        lambda: store.read_into(memoryview(bytearray(2)), "k", 0, etag=raw.etag),
        lambda: list(store.stream("k", etag=raw.etag)),
        lambda: list(store.get_many([("k", raw.etag)])),
    ):
        with pytest.raises(ObjectChanged) as caught:
            read()
        assert caught.value.code == ("OBJECT_GONE" if again is None else "OBJECT_CHANGED")


def test_what_is_deleted_is_gone_and_what_was_not_there_is_passed_over(store: Store) -> None:
    store.put("a", b"x")
    store.put("b", b"x")
    store.delete(["a", "never"])
    assert store.head("a") is None
    assert keys(store) == ["b"]


def test_many_are_fetched_in_the_order_asked_for(store: Store) -> None:
    for n in range(60):
        store.put(f"k{n}", str(n).encode())
    order = [f"k{n * 7 % 60}" for n in range(60)]
    assert list(store.get_many((k, None) for k in order)) == [k[1:].encode() for k in order]


def test_what_the_kernel_takes_in_several_calls_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = local.os.writev
    monkeypatch.setattr(local.os, "writev", lambda file, several: whole(file, [b"".join(several)[:5]]))
    store = open_store(str(tmp_path))
    store.put("k", [b"0123", b"", b"456789", b"ab", b"cdefghijklmno"])
    assert store.get("k") == b"0123456789abcdefghijklmno"


def test_a_store_pickles(store: Store) -> None:
    store.put("k", b"x")
    again = pickle.loads(pickle.dumps(store))
    assert (again, again.get("k")) == (store, b"x")
