"""Spans of a bundle become pieces: the right bytes, their hash, and a failure that costs one object only."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

from connectors.block_hash import BLOCK, of_ranges
from connectors.contract import ROOM_BEHIND, Placed, RawObject, Stretch
from connectors.errors import ObjectChanged, RecordError
from connectors.merkle import root
from connectors.storage import StorageOptions, Store, open_store
from connectors.storage.listing import list_objects
from connectors.storage.reading import Ahead, Reading, splittable
from connectors.storage.together import read_together

SMALL = Ahead(small_bytes=1000, objects=8, bytes=4000)


@dataclass(frozen=True)
class Span:
    object: RawObject
    start: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Place:
    store: Store
    options: StorageOptions

    def put(self, key: str, data: bytes) -> RawObject:
        self.store.put(key, data)
        raw = self.store.head(key)
        assert raw is not None
        return raw


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place(open_store(str(tmp_path / "in")), StorageOptions())
    s3 = request.getfixturevalue("s3")
    return Place(open_store(s3.uri, s3.options), s3.options)


def content(reading: Reading) -> dict[int, bytes]:
    return {piece.ordinal: b"".join(piece.blocks) for piece in reading.pieces()}


def test_objects_small_and_large_come_in_order_with_their_hash(place: Place) -> None:
    data = [os.urandom(n * 97 % 2500) for n in range(40)]
    spans = [Span(place.put(f"in/{n:02}", d)) for n, d in enumerate(data)]
    reading = Reading(spans, place.options, ahead=SMALL)
    got = content(reading)
    assert list(got) == list(range(40))
    assert list(got.values()) == data
    assert reading.hashed() == {n: hashlib.sha256(d).digest() for n, d in enumerate(data)}
    assert reading.failures == {}


def test_an_empty_object_has_no_blocks_and_a_hash(place: Place) -> None:
    reading = Reading([Span(place.put("empty", b""))], place.options)
    assert content(reading) == {0: b""}
    assert reading.hashed() == {0: hashlib.sha256(b"").digest()}


@pytest.mark.parametrize("size", [500, 5000], ids=["fetched", "streamed"])
@pytest.mark.parametrize("fate", ["gone", "changed"])
def test_an_object_changed_since_it_was_listed_costs_only_itself(place: Place, size: int, fate: str) -> None:
    spans = [Span(place.put(f"k{n}", bytes([n]) * size)) for n in range(3)]
    place.store.delete(["k1"])
    if fate == "changed":
        place.store.put("k1", bytes(size + 1))
    reading = Reading(spans, place.options, ahead=SMALL)
    got = {}
    for piece in reading.pieces():
        try:
            got[piece.ordinal] = b"".join(piece.blocks)
        except ObjectChanged:
            assert piece.ordinal == 1
    assert got == {0: bytes([0]) * size, 2: bytes([2]) * size}
    assert {n: e.code for n, e in reading.failures.items()} == {1: f"OBJECT_{fate.upper()}"}
    assert sorted(reading.hashed()) == [0, 2]


def test_an_object_without_an_etag_is_held_to_its_size(place: Place) -> None:
    raw = place.put("k", b"0123456789")
    reading = Reading([Span(RawObject(raw.uri, 9, raw.modified_us))], place.options)
    assert content(reading) == {}
    assert reading.failures[0].code == "OBJECT_CHANGED"


def test_small_files_are_read_together_up_to_one_that_is_none(tmp_path: Path) -> None:
    data = [b"MSH|a", b"", b"Blood", b"PID|1", gzip.compress(b"x"), b"MSH|b", b"", b"c" * 2000, b"d", b"e" * 999]
    place = Place(open_store(str(tmp_path / "in")), StorageOptions())
    spans = [Span(place.put(f"k{n}", d)) for n, d in enumerate(data)]
    place.store.delete(["k3"])
    reading = Reading(spans, place.options, ahead=replace(SMALL, together=999))
    met = list(reading.pieces().stretches)
    stretches = [each for each in met if isinstance(each, Stretch)]
    ordinals = [list(each.ordinals) if isinstance(each, Stretch) else each.ordinal for each in met]
    assert ordinals == [[0, 1, 2], 4, [5, 6], 7, 8, 9]
    for stretch in stretches:
        assert [raw.uri for raw in stretch.objects] == [spans[n].object.uri for n in stretch.ordinals]
        whole = b"".join(data[n] for n in stretch.ordinals)
        assert stretch.room.tobytes() == whole + bytes(ROOM_BEHIND)
        assert bytes(stretch.data) == whole
        assert [b"".join(piece.blocks) for piece in stretch.pieces()] == [data[n] for n in stretch.ordinals]
    assert reading.hashed() == {n: hashlib.sha256(d).digest() for n, d in enumerate(data) if n != 3}
    assert {n: e.code for n, e in reading.failures.items()} == {3: "OBJECT_GONE"}


def test_files_below_a_hidden_folder_are_read_together_too(tmp_path: Path) -> None:
    place = Place(open_store(str(tmp_path)), StorageOptions())
    raws = [place.put(key, b"0123456789") for key in (".in/.k", ".in/k", "in/..k")]
    assert read_together(raws, 30, 0).objects == raws


@pytest.mark.parametrize("listed", ["other size", "other etag", "no etag", "empty part", "part of a dot", "of two"])
def test_a_file_that_is_not_as_it_was_listed_is_not_read_with_others(tmp_path: Path, listed: str) -> None:
    place = Place(open_store(str(tmp_path)), StorageOptions())
    raw = place.put("k", b"0123456789")
    changed = {
        "other size": raw._replace(size=9),
        "other etag": raw._replace(etag="10-1"),
        "no etag": raw._replace(etag=""),
        "empty part": raw._replace(uri=raw.uri.replace("/k", "//k")),
        "part of a dot": raw._replace(uri=raw.uri.replace("/k", "/./k")),
        "of two": raw._replace(uri=raw.uri.replace("/k", f"/../{tmp_path.name}/k")),
    }
    assert read_together([raw, changed[listed]], 20, 0).objects == [raw]


@pytest.mark.parametrize("fate", ["folder", "grows", "is cut", "fails"])
def test_a_file_that_changes_while_it_is_read_with_others_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    place = Place(open_store(str(tmp_path)), StorageOptions())
    raws = [place.put(f"k{n}", b"0123456789") for n in range(3)]
    if fate == "folder":
        place.store.delete(["k1"])
        (tmp_path / "k1").mkdir()
    readv, calls = os.readv, iter(range(3))

    def changing(file: int, places: list[memoryview]) -> int:
        if next(calls) != 1 or fate == "folder":
            return readv(file, places)
        if fate == "fails":
            raise OSError(errno.EIO, "")
        os.truncate(tmp_path / "k1", 20 if fate == "grows" else 5)
        return readv(file, places)

    monkeypatch.setattr(os, "readv", changing)
    reading = Reading([Span(raw) for raw in raws], place.options)
    whole = {0: b"0123456789", 1: b"0123456789", 2: b"0123456789"}
    if fate != "fails":
        del whole[1]
    assert content(reading) == whole
    codes = {"folder": "OBJECT_GONE", "grows": "OBJECT_CHANGED", "is cut": "OBJECT_CHANGED"}
    assert {n: e.code for n, e in reading.failures.items()} == ({1: codes[fate]} if fate in codes else {})


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, bz2.compress])
@pytest.mark.parametrize("size", [200, 300_000], ids=["fetched", "streamed"])
def test_a_compressed_object_is_read_through_and_hashed_as_stored(place: Place, compress, size: int) -> None:
    data = os.urandom(size)
    stored = compress(data)
    reading = Reading([Span(place.put("k.dat", stored))], place.options, ahead=SMALL)
    assert content(reading) == {0: data}
    assert reading.hashed() == {0: hashlib.sha256(stored).digest()}


def test_a_damaged_object_is_left_out_and_named(place: Place) -> None:
    stored = gzip.compress(os.urandom(900))[:-9]
    spans = [Span(place.put("a", b"MSH|")), Span(place.put("b.gz", stored))]
    reading = Reading(spans, place.options)
    assert content(reading) == {0: b"MSH|"}
    assert isinstance(reading.failures[1], RecordError)
    assert reading.failures[1].code == "COMPRESSION_DAMAGED"
    assert reading.hashed()[1] == hashlib.sha256(stored).digest()


def test_ranges_hold_what_stands_before_them_and_go_on_behind_their_end(place: Place) -> None:
    data = os.urandom(700_000)
    raw = place.put("large", data)
    edges = [(0, 300_000), (300_000, 300_002), (300_002, None)]
    reading = Reading([Span(raw, a, b) for a, b in edges], place.options)
    for piece, (start, end) in zip(reading.pieces(), edges, strict=True):
        assert (piece.start, piece.end) == (start, end)
        assert piece.before == data[max(0, start - 4) : start]
        assert b"".join(piece.blocks) == data[start:]
    found = [(a, len(data) if b is None else b, reading.hashed()[n]) for n, (a, b) in enumerate(edges)]
    leaves = [hashlib.sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]
    assert of_ranges(found, len(data)) == root(leaves)


@pytest.mark.parametrize("start", [0, 9 << 20])
def test_a_range_is_read_to_where_it_is_wanted(place: Place, start: int) -> None:
    data = os.urandom(20 << 20)
    raw, end = place.put("large", data), start + (9 << 20)
    reading = Reading([Span(raw, start, end)], place.options)
    [piece] = reading.pieces()
    assert isinstance(piece.blocks, Placed)
    room, at = piece.blocks.begin()
    assert len(room) == len(piece.before) + (9 << 20) + (256 << 10) + ROOM_BEHIND
    assert reading.hashed() == {}
    while size := piece.blocks.coming():
        room = np.concatenate([room[:at], np.empty(size, np.uint8)])
        piece.blocks.read_into(room[at:])
        at += size
    assert room.tobytes() == data[start - len(piece.before) :]
    assert list(reading.hashed()) == [0]
    with pytest.raises(RuntimeError):
        list(piece.blocks)


@pytest.mark.parametrize("first", [True, False])
def test_a_range_of_an_object_that_changes_under_way_fails(place: Place, first: bool) -> None:
    raw = place.put("large", bytes(10 << 20))
    if first:
        place.store.put("large", b"1" * (10 << 20) + b"1")
    reading = Reading([Span(raw, 1000, None)], place.options)
    pieces = list(reading.pieces())
    assert len(pieces) == (not first)
    for piece in pieces:
        assert isinstance(piece.blocks, Placed)
        place.store.put("large", b"1" * (10 << 20) + b"1")
        with pytest.raises(ObjectChanged) as caught:
            piece.blocks.read_into(np.empty(piece.blocks.coming(), np.uint8))
        assert caught.value is reading.failures[0]
    assert reading.failures[0].code == "OBJECT_CHANGED"
    assert reading.hashed() == {}


def test_a_range_of_an_object_that_is_shorter_than_listed_fails(place: Place) -> None:
    raw = place.put("k", b"0123456789")._replace(size=12, etag="")
    reading = Reading([Span(raw, 2, None)], place.options)
    assert list(reading.pieces()) == []
    assert reading.failures[0].code == "OBJECT_CHANGED"


def test_what_lies_behind_a_range_is_read_only_as_far_as_it_is_taken(place: Place) -> None:
    raw = place.put("large", os.urandom(3 << 20))
    reading = Reading([Span(raw, 0, 1000)], place.options)
    blocks = iter(next(iter(reading.pieces())).blocks)
    assert len(next(blocks)) == 1000 + (256 << 10)
    assert len(next(blocks)) <= 512 << 10


def test_a_reading_that_is_given_up_ends(place: Place) -> None:
    spans = [Span(place.put(f"k{n}", b"x")) for n in range(30)]
    pieces = iter(Reading(spans, place.options, ahead=SMALL).pieces())
    assert next(pieces).ordinal == 0
    pieces.close()
    assert list(pieces) == []


def test_a_compressed_object_is_not_split_whatever_its_name(place: Place) -> None:
    assert splittable(place.put("a.hl7", b"MSH|^~\\&|"), place.options)
    assert not splittable(place.put("b.hl7.gz", b"MSH|^~\\&|"), place.options)
    assert not splittable(place.put("c.hl7", gzip.compress(b"MSH|")), place.options)


@pytest.mark.corpus
def test_real_files_are_read_as_they_stand_and_compressed_ones_through(corpus: Path) -> None:
    raws = [o for page in list_objects(str(corpus / "hl7v2")) for o in page]
    files = sorted(str(p) for p in (corpus / "hl7v2").rglob("*") if p.is_file())
    assert [o.uri for o in raws] == sorted(files, key=str.encode)
    reading = Reading([Span(o) for o in raws], StorageOptions())
    for piece in reading.pieces():
        stored = Path(piece.object.uri).read_bytes()
        whole = gzip.decompress(stored) if piece.object.uri.endswith(".gz") else stored
        assert b"".join(piece.blocks) == whole
        assert reading.hashed()[piece.ordinal] == hashlib.sha256(stored).digest()
    assert reading.failures == {}
    assert len(reading.hashed()) == len(files) > 500
