"""What a source lists: everything under it once, in order, by pages, and nothing that was asked to be left out."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from connectors.errors import AccessError, ConfigError
from connectors.storage import StorageOptions, local, open_store
from connectors.storage.listing import list_objects

ODD = ["a//b", "/lead", "x/./y", "tab\tx", "bell\x07", "&<>\"'", "plus+ blank%2B", "名前"]


class Refusing:
    """A file system that gives no status of several files."""

    def get_file_info(self, paths: list[str]) -> None:
        raise PermissionError(errno.EACCES, "refused")


def refusing(refused: Path) -> Callable[..., os.stat_result]:
    """Path.stat, refused for one path."""
    whole = Path.stat

    def status(path: Path, **named: bool) -> os.stat_result:
        if path == refused:
            raise PermissionError(errno.EACCES, "refused")
        return whole(path, **named)

    return status


def names(pages, source: str) -> list[str]:
    return [o.uri.removeprefix(source) for page in pages for o in page]


def test_a_bucket_of_several_pages_is_listed_whole_and_in_order(s3) -> None:
    keys = [f"in/{n % 7}/{n:05}" for n in range(1040)]
    behind_the_server = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # a thousand requests would take the most of the test
    for key in keys:
        behind_the_server.put_object(s3.bucket, key, b"x")
    pages = list(list_objects(f"{s3.uri}/in", s3.options))
    assert [len(p) for p in pages] == [1000, 40]
    assert names(pages, s3.uri + "/") == sorted(keys)


def test_a_folder_of_several_pages_is_listed_whole_and_in_order(tmp_path: Path) -> None:
    keys = [f"{n % 7}{'/-.'[n % 3]}{n:05}" for n in range(2345)]
    for key in keys:
        path = tmp_path / key
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    pages = list(list_objects(str(tmp_path)))
    assert [len(p) for p in pages] == [1000, 1000, 345]
    assert names(pages, f"{tmp_path}/") == sorted(keys)


def test_keys_that_are_no_paths_are_listed_and_read_as_they_stand(s3) -> None:
    for n, key in enumerate(ODD):
        s3.put(key, bytes(n + 1))
    store = open_store(s3.uri, s3.options)
    listed = [o for page in list_objects(s3.uri, s3.options) for o in page]
    assert {o.uri: o.size for o in listed} == {f"{s3.uri}/{key}": n + 1 for n, key in enumerate(ODD)}
    for raw in listed:
        key = raw.uri.removeprefix(s3.uri + "/")
        assert store.get(key, etag=raw.etag) == bytes(raw.size)
        assert store.get_range(key, 0, 1, etag=raw.etag) == b"\0"
        assert store.get_range(key, 100, 200, etag=raw.etag) == b""
        assert store.head(key) == raw


def test_markers_of_folders_are_passed_over(s3) -> None:
    s3.put("in/", b"")
    s3.put("in/sub/", b"")
    s3.put("in/sub/a", b"")
    s3.put("in/b/", b"has content")
    assert names(list_objects(f"{s3.uri}/in", s3.options), s3.uri) == ["/in/b/", "/in/sub/a"]


def test_a_prefix_does_not_take_its_neighbours(s3) -> None:
    for key in ("in/a", "in-2/b", "inner"):
        s3.put(key, b"x")
    assert names(list_objects(f"{s3.uri}/in", s3.options), s3.uri) == ["/in/a"]


def test_one_object_may_be_the_source(s3, tmp_path: Path) -> None:
    s3.put("in/a.hl7", b"x")
    assert names(list_objects(f"{s3.uri}/in/a.hl7", s3.options), s3.uri) == ["/in/a.hl7"]
    (tmp_path / "b.hl7").write_bytes(b"x")
    assert names(list_objects(str(tmp_path / "b.hl7")), str(tmp_path)) == ["/b.hl7"]


def test_a_local_source_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        list(list_objects(str(tmp_path / "nothing")))
    assert caught.value.code == "SOURCE_MISSING"


def test_a_pattern_matches_the_last_part_or_the_whole_key(tmp_path: Path) -> None:
    for key in ("a.hl7", "b.txt", "2024/c.hl7", "2023/d.hl7"):
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(b"x")
    root = str(tmp_path)
    assert names(list_objects(root, pattern="*.hl7"), root) == ["/2023/d.hl7", "/2024/c.hl7", "/a.hl7"]
    assert names(list_objects(root, pattern="2024/*"), root) == ["/2024/c.hl7"]
    assert names(list_objects(root, pattern="[ab].*"), root) == ["/a.hl7", "/b.txt"]


def test_objects_younger_than_settle_are_left_for_later(tmp_path: Path) -> None:
    now = 1_700_000_000
    for age in (10, 60, 61):
        path = tmp_path / str(age)
        path.write_bytes(b"x")
        os.utime(path, (now - age, now - age))
    root = str(tmp_path)
    assert names(list_objects(root, settle_seconds=60, now_us=now * 1_000_000), root) == ["/60", "/61"]
    assert names(list_objects(root, now_us=now * 1_000_000), root) == ["/10", "/60", "/61"]


def test_links_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_bytes(b"1")
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/y").write_bytes(b"1")
    (tmp_path / "in/sub/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/link").symlink_to(tmp_path / "outside")
    (tmp_path / "in/broken").symlink_to(tmp_path / "nowhere")
    assert names(list_objects(str(tmp_path / "in")), str(tmp_path)) == ["/in/link/x", "/in/sub/y"]


def test_links_that_lead_to_themselves_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "own").symlink_to("own")
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    (tmp_path / "x").write_bytes(b"1")
    assert names(list_objects(str(tmp_path)), str(tmp_path)) == ["/x"]


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"x")
    os.mkfifo(tmp_path / "a")
    (tmp_path / "c").symlink_to("/dev/null")
    assert names(list_objects(str(tmp_path)), f"{tmp_path}/") == ["b"]


def test_a_page_without_a_file_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    assert list(list_objects(str(tmp_path))) == []


def test_statuses_that_cannot_be_had_together_are_had_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b/c", "名前"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "d").symlink_to("nowhere")
    (tmp_path / "e").symlink_to("e")
    os.mkfifo(tmp_path / "f")
    together = list(list_objects(str(tmp_path)))
    monkeypatch.setattr(local, "LocalFileSystem", Refusing)
    assert list(list_objects(str(tmp_path))) == together
    assert names(together, f"{tmp_path}/") == ["a", "b/c", "名前"]


def test_a_status_that_is_refused_is_told_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(local, "LocalFileSystem", Refusing)
    monkeypatch.setattr(local.Path, "stat", refusing(tmp_path / "b"))
    with pytest.raises(AccessError) as caught:
        list(open_store(str(tmp_path), None).list())
    assert str(tmp_path / "b") in caught.value.message


def test_folders_nested_deeper_than_calls_may_be_are_listed(tmp_path: Path) -> None:
    folders = [Path(f"{tmp_path}{'/d' * depth}") for depth in range(1, sys.getrecursionlimit() + 1)]
    for folder in folders:
        folder.mkdir()
    (folders[-1] / "x").write_bytes(b"x")
    listed = names(list_objects(str(tmp_path)), "")
    (folders[-1] / "x").unlink()
    for folder in reversed(folders):
        folder.rmdir()
    assert listed == [f"{folders[-1]}/x"]


def test_a_name_that_is_not_utf8_stops_the_listing(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(str(tmp_path)) + b"/caf\xe9")).write_bytes(b"x")
    with pytest.raises(ConfigError) as caught:
        list(list_objects(str(tmp_path)))
    assert caught.value.code == "STORE_NAME"


def test_a_folder_whose_name_is_not_utf8_stops_the_listing_with_a_sentence_that_can_be_printed(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(str(tmp_path)) + b"/caf\xe9"))
    folder.mkdir()
    (folder / "x").write_bytes(b"x")
    with pytest.raises(ConfigError) as caught:
        list(list_objects(str(tmp_path)))
    assert caught.value.code == "STORE_NAME"
    assert (
        caught.value.message.encode()
        == f"a file in {tmp_path}/caf\\xe9 has a name that is not UTF-8; rename it".encode()
    )


def test_what_was_not_finished_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".clinray-unfinished-00").write_bytes(b"x")
    assert list(list_objects(str(tmp_path))) == []


def test_without_credentials_one_sentence_says_so(aws_environment, monkeypatch, s3_endpoint: str) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options = StorageOptions(endpoint=s3_endpoint)
    for action in (
        lambda: list(list_objects("s3://bucket", options)),
        lambda: open_store("s3://bucket", options).get("k"),
    ):
        with pytest.raises(AccessError) as caught:
            action()
        assert caught.value.code == "CREDENTIALS_MISSING"
