"""What a broken store looks like from inside: retried within bounds, then one coded error without anyone's text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from faults.s3_faults import Fault, FaultLayer, fault_layer

from connectors.contract import RawObject
from connectors.errors import AccessError, ClinrayError, ConfigError, ObjectChanged, TransientError
from connectors.storage import StorageOptions, Store, open_store
from connectors.storage.probe import probe
from connectors.storage.reading import Ahead, Reading


@dataclass(frozen=True)
class Span:
    object: RawObject
    start: int = 0
    end: int | None = None


@pytest.fixture
def layer(s3) -> Iterator[FaultLayer]:
    with fault_layer(s3.endpoint) as made:
        yield made


@pytest.fixture
def options(layer: FaultLayer) -> StorageOptions:
    return StorageOptions(endpoint=layer.endpoint, max_retries=2, retry_seconds=5)


@pytest.fixture
def store(s3, options: StorageOptions) -> Store:
    return open_store(f"{s3.uri}/in", options)


@pytest.mark.parametrize("action", ["500", "503", "reset", "truncate"])
def test_a_fault_that_passes_is_not_seen(s3, layer: FaultLayer, store: Store, action) -> None:
    s3.put("in/k", b"0123456789" * 100)
    layer.add(Fault(action, "in/k", times=1))
    assert store.get("k") == b"0123456789" * 100
    assert layer.count("GET", "in/k") == 2


@pytest.mark.parametrize("action", ["500", "503", "reset", "truncate"])
def test_a_fault_that_stays_is_transient_after_bounded_retries(s3, layer: FaultLayer, store: Store, action) -> None:
    s3.put("in/k", b"0123456789" * 100)
    layer.add(Fault(action, "in/k"))
    with pytest.raises(TransientError) as caught:
        store.get("k")
    assert caught.value.code == "STORE_UNAVAILABLE"
    assert 2 <= layer.count("GET", "in/k") <= 9


@pytest.mark.parametrize("action", ["500", "503", "reset"])
def test_listing_goes_through_a_fault_that_passes(s3, layer: FaultLayer, store: Store, action) -> None:
    s3.put("in/k", b"x")
    layer.add(Fault(action, "list-type=2", times=1))
    assert [o.uri for page in store.list() for o in page] == [f"{s3.uri}/in/k"]


def test_listing_that_fails_for_good_is_transient(layer: FaultLayer, store: Store) -> None:
    layer.add(Fault("503", "list-type=2"))
    with pytest.raises(TransientError) as caught:
        list(store.list())
    assert caught.value.code == "STORE_UNAVAILABLE"
    assert layer.count("GET", "list-type=2") == 3


@pytest.mark.parametrize("read", ["get", "list", "put", "head"])
def test_a_store_that_refuses_is_an_access_error(layer: FaultLayer, store: Store, read: str) -> None:
    for method in ("GET", "PUT", "HEAD"):
        layer.add(Fault("403", method=method))
    actions = {
        "get": lambda: store.get("k"),
        "list": lambda: list(store.list()),
        "put": lambda: store.put("k", b"x"),
        "head": lambda: store.head("k"),
    }
    with pytest.raises(AccessError) as caught:
        actions[read]()
    assert caught.value.code == "STORE_REFUSED"


@pytest.mark.parametrize("read", ["get", "list", "put", "head", "put_if_absent"])
def test_a_bucket_that_does_not_exist_is_an_access_error(s3, read: str) -> None:
    store = open_store("s3://no-such-bucket/in", s3.options)
    actions = {
        "get": lambda: store.get("k"),
        "list": lambda: list(store.list()),
        "put": lambda: store.put("k", b"x"),
        "head": lambda: store.head("k"),
        "put_if_absent": lambda: store.put_if_absent("k", b"x"),
    }
    with pytest.raises(AccessError) as caught:
        actions[read]()
    assert caught.value.code == "BUCKET_MISSING"


def test_errors_carry_no_text_of_the_store_and_no_cause(s3, layer: FaultLayer, store: Store) -> None:
    layer.add(Fault("500", "in/k"))
    with pytest.raises(ClinrayError) as caught:
        store.get("k")
    assert str(caught.value) == (
        f"STORE_UNAVAILABLE: the store did not answer for {s3.uri}/in/k after bounded retries (500)"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_stream_whose_object_changes_under_way_is_not_mixed(s3, layer: FaultLayer, store: Store) -> None:
    s3.put("in/k", bytes(5000))
    raw = store.head("k")
    assert raw is not None
    layer.add(Fault("change", "in/k", after=2, times=1, change=lambda: s3.put("in/k", b"1" * 5000)))
    got = []
    with pytest.raises(ObjectChanged):
        got.extend(store.stream("k", etag=raw.etag, block_bytes=1000))
    assert b"1" not in b"".join(got)


@pytest.mark.parametrize("ranged", [False, True])
def test_an_object_changed_while_it_is_read_costs_only_itself(s3, layer: FaultLayer, options, ranged: bool) -> None:
    store = open_store(s3.uri, options)
    size = 10 << 20
    for key in "ab":
        s3.put(key, bytes(size))
    raws = [o for page in store.list() for o in page]
    layer.add(Fault("change", "/a", after=1, times=1, change=lambda: s3.put("a", b"1" * size)))
    reading = Reading([Span(r, 0, size if ranged else None) for r in raws], options, ahead=Ahead(small_bytes=1000))
    for piece in reading.pieces():
        if piece.ordinal == 0:
            with pytest.raises(ObjectChanged):
                list(piece.blocks)
        else:
            assert sum(map(len, piece.blocks)) == size
    assert reading.failures[0].code == "OBJECT_CHANGED"
    assert list(reading.hashed()) == [1]


def test_small_objects_that_cannot_be_had_are_left_out(s3, layer: FaultLayer, options: StorageOptions) -> None:
    for n in range(5):
        s3.put(f"k{n}", b"x" * n)
    raws = [o for page in open_store(s3.uri, options).list() for o in page]
    layer.add(Fault("503", "/k3"))
    reading = Reading([Span(r) for r in raws], options)
    assert [p.ordinal for p in reading.pieces()] == [0, 1, 2, 4]
    assert {n: e.code for n, e in reading.failures.items()} == {3: "STORE_UNAVAILABLE"}


def test_a_store_that_honours_conditions_passes_the_probe_and_nothing_stays(s3, store: Store) -> None:
    probe(store)
    assert list(store.list()) == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_store_that_ignores_conditions_is_refused_and_nothing_stays(s3, layer, store: Store, method: str) -> None:
    layer.add(Fault("unconditional", method=method))
    with pytest.raises(ConfigError) as caught:
        probe(store)
    assert caught.value.code == "STORE_UNCONDITIONAL"
    assert list(store.list()) == []


def test_a_store_without_conditional_writes_is_refused(layer: FaultLayer, store: Store) -> None:
    layer.add(Fault("501", method="PUT"))
    with pytest.raises(ConfigError) as caught:
        probe(store)
    assert caught.value.code == "STORE_UNSUPPORTED"


def test_a_put_if_absent_whose_answer_is_lost_knows_its_own_object(s3, layer: FaultLayer, store: Store) -> None:
    layer.add(Fault("lost", "in/1.json", method="PUT", times=1))
    assert store.put_if_absent("1.json", b"ours")
    assert layer.count("PUT", "in/1.json") == 2
    assert not store.put_if_absent("1.json", b"ours")


def test_an_archived_object_is_deferred_and_does_not_stop_the_others(s3, layer: FaultLayer, store: Store) -> None:
    s3.put("in/k", b"x")
    layer.add(Fault("archived", "in/k"))
    with pytest.raises(TransientError) as caught:
        store.get("k")
    assert caught.value.code == "OBJECT_ARCHIVED"


@pytest.mark.parametrize("read", ["get", "list"])
def test_a_bucket_in_another_region_is_told_so(layer: FaultLayer, store: Store, read: str) -> None:
    layer.add(Fault("301"))
    with pytest.raises(AccessError) as caught:
        store.get("k") if read == "get" else list(store.list())
    assert caught.value.code == "STORE_REGION"
