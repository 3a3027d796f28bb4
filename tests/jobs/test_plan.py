"""Listed objects become bundles as a pure function of the objects and the bundle size."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from connectors.block_hash import BLOCK
from connectors.contract import RawObject
from connectors.lake import Part
from jobs.plan import LARGEST_BUNDLE, SMALL_BUNDLE, Bundle, Span, as_table, bundle_size, bundles, ranges, sort


def raw(name: str, size: int, etag: str = "e") -> RawObject:
    return RawObject(f"s3://b/{name}", size, 0, etag)


def packed(objects: list[RawObject], size: int, again: set[str] | None = None, may_split: bool = True) -> list[Bundle]:
    table = sort([as_table(objects)])
    seen = pa.array([uri in (again or set()) for uri in table["uri"].to_pylist()], pa.bool_())
    return list(bundles(table, size=size, again=seen, splittable=lambda _: may_split))


def test_small_objects_are_packed_up_to_the_size() -> None:
    plan = packed([raw(f"{n}", 40) for n in range(5)], 100)
    assert [[s.object.uri for s in b.spans] for b in plan] == [
        ["s3://b/0", "s3://b/1"],
        ["s3://b/2", "s3://b/3"],
        ["s3://b/4"],
    ]


def test_an_object_over_the_size_is_cut_into_ranges_that_cover_it() -> None:
    plan = packed([raw("a", 10), raw("big", 250), raw("z", 10)], 100)
    spans = [(b.index, s.object.uri[-3:], s.start, s.end) for b in plan for s in b.spans]
    assert spans == [
        (0, "b/a", 0, None),
        (1, "big", 0, 83),
        (2, "big", 83, 166),
        (3, "big", 166, None),
        (4, "b/z", 0, None),
    ]


@pytest.mark.parametrize("size", [BLOCK, BLOCK + 1, 3 * BLOCK - 1, 16 << 20, 15_435_229])
@pytest.mark.parametrize("blocks", [17, 256, 4711])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_ranges_begin_where_blocks_that_are_hashed_do(size: int, blocks: int, more: int) -> None:
    spans = list(ranges(raw("big", blocks * BLOCK + more), size))
    edges = [s.start for s in spans] + [blocks * BLOCK + more]
    lengths = np.diff(edges)
    assert all(start % BLOCK == 0 for start in edges[:-1])
    assert [s.end for s in spans] == [*edges[1:-1], None]
    assert 0 < lengths.min() <= lengths.max() <= size
    assert lengths[:-1].max(initial=0) - lengths[:-1].min(initial=size) <= BLOCK
    assert len(spans) <= -(-(blocks + 1) * BLOCK // (size - size % BLOCK))


def test_a_range_is_alone_in_its_bundle() -> None:
    plan = packed([raw("a", 10), raw("big", 250), raw("z", 10)], 100)
    assert all(len(b.spans) == 1 for b in plan if not b.spans[0].whole)


def test_an_object_that_cannot_be_split_is_a_bundle_whole() -> None:
    plan = packed([raw("big", 250)], 100, may_split=False)
    assert [(s.start, s.end) for b in plan for s in b.spans] == [(0, None)]


def test_an_object_that_comes_again_is_read_whole() -> None:
    plan = packed([raw("big", 250)], 100, again={"s3://b/big"})
    assert [(s.start, s.end, s.again) for b in plan for s in b.spans] == [(0, None, True)]


def test_the_order_of_the_listing_does_not_change_the_plan() -> None:
    objects = [raw(f"{n:02}", 30 + n) for n in range(20)]
    assert packed(objects, 100) == packed(objects[::-1], 100)


def test_a_bundle_is_named_by_its_spans_alone() -> None:
    first, second = packed([raw("a", 10)], 100)[0], packed([raw("a", 10)], 1000)[0]
    other = packed([raw("a", 10, etag="changed")], 100)[0]
    assert first.identity == second.identity
    assert first.identity != other.identity
    assert len(first.identity) == 16


def test_of_a_key_that_is_listed_twice_the_last_stays() -> None:
    table = sort([as_table([raw("a", 1, "old")]), as_table([raw("a", 2, "new")])])
    assert table.select(["uri", "size", "etag"]).to_pylist() == [{"uri": "s3://b/a", "size": 2, "etag": "new"}]


def test_the_size_of_a_bundle_is_a_64th_within_bounds() -> None:
    assert bundle_size(6400 << 20, None) == (100 << 20) + (100 << 20 >> 8)
    assert bundle_size(1, None) == SMALL_BUNDLE
    assert bundle_size(1 << 50, None) == LARGEST_BUNDLE
    assert bundle_size(1 << 50, 12345) == 12345


@pytest.mark.parametrize(
    ("megabytes", "bundles_of_it"), [(16, 1), (17, 2), (40, 3), (60, 4), (150, 10), (309, 20), (3000, 64)]
)
def test_bundles_are_of_about_one_size_and_more_than_three_are_an_even_number(
    megabytes: int, bundles_of_it: int
) -> None:
    objects = [raw(f"{n:05}", 100_000) for n in range(megabytes * (1 << 20) // 100_000)]
    plan = packed(objects, bundle_size(megabytes << 20, None))
    sizes = [sum(span.object.size for span in bundle.spans) for bundle in plan]
    assert len(plan) == bundles_of_it
    assert max(sizes) <= max(SMALL_BUNDLE, (megabytes << 20) / 62)
    assert min(sizes) > 0.6 * max(sizes)


def test_a_bundle_crosses_to_another_process_whole() -> None:
    part = Part("hl7v2_messages", "identified", "p.parquet", 1, 2, "ab", "cd")
    spans = (Span(raw("a", 1)), Span(raw("b", 300), 100, 200), Span(raw("c", 3), again=True))
    for bundle in (Bundle(3, spans), Bundle(4, spans[:1], (part,)), Bundle(5, ())):
        assert pickle.loads(pickle.dumps(bundle)) == bundle
