"""Listed objects → bundles. A pure function of the sorted objects and the bundle size, never of the cores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.block_hash import BLOCK
from connectors.contract import RawObject
from connectors.lake import BundleParts, Part

SMALL_BUNDLE = 16 << 20
LARGEST_BUNDLE = 1 << 30
BUNDLES_OF_A_RUN = 64

_FEW = 3
"""More bundles than these are made an even number, which two workers end together."""

_MARGIN = 4
"""Objects do not fill a bundle to the last byte. The room for them takes so much of the last bundle, a quarter."""

OBJECTS_OF_A_BUNDLE = 10_000

OBJECTS = pa.schema(
    [
        pa.field("uri", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("modified_us", pa.int64()),
        pa.field("etag", pa.string()),
        pa.field("version", pa.string()),
    ]
)
"""Listed objects as a table: about a tenth of the memory of Python objects."""


class Span(NamedTuple):
    """An object, or the range [start, end) of one. again: records of this key have been written before."""

    object: RawObject
    start: int = 0
    end: int | None = None
    again: bool = False

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end is None


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one task works on. index: its place in the plan.

    parts: for a stage apart, what one bundle left in the zone before, which then is the one object of `spans`.
    """

    index: int
    spans: tuple[Span, ...]
    parts: tuple[Part, ...] = ()

    @property
    def identity(self) -> str:
        """16 hexadecimal digits that follow from the spans alone."""
        digest = hashlib.sha256()
        for span in self.spans:
            name = (span.object.uri, span.object.version, str(span.start), str(span.end))
            digest.update("\0".join(name).encode() + b"\n")
        return digest.hexdigest()[:16]

    @property
    def bytes(self) -> int:
        """What its spans have, as the listing says."""
        return sum((span.object.size if span.end is None else span.end) - span.start for span in self.spans)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle then meets a tuple a field, not an object a span and a call a field.
        objects = tuple(zip(*(span.object for span in self.spans), strict=True))
        beside = tuple(zip(*(span[1:] for span in self.spans), strict=True))
        return _bundle, (self.index, objects, beside, self.parts)


def _bundle(
    index: int, objects: tuple[tuple[Any, ...], ...], beside: tuple[tuple[Any, ...], ...], parts: tuple[Part, ...]
) -> Bundle:
    """A bundle from the fields of its objects, and those of its spans beside the object: a tuple a field."""
    listed = map(RawObject._make, zip(*objects, strict=True))
    return Bundle(index, tuple(map(Span._make, zip(listed, *beside, strict=True))), parts)


def as_table(objects: Sequence[RawObject]) -> pa.Table:
    """OBJECTS of a page of the listing."""
    listed = zip(*objects, strict=True) if objects else ([] for _ in RawObject._fields)
    columns = (*listed, [o.etag or o.version for o in objects])
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, OBJECTS, strict=True)], schema=OBJECTS)


def as_objects(table: pa.Table) -> list[RawObject]:
    columns = (table[name].to_pylist() for name in RawObject._fields)
    return list(map(RawObject._make, zip(*columns, strict=True)))


def sort(pages: Iterable[pa.Table]) -> pa.Table:
    """All pages as one OBJECTS table by key; of a key listed twice the last stays."""
    listed = pa.concat_tables([OBJECTS.empty_table(), *pages]).combine_chunks()
    order = np.asarray(pc.sort_indices(listed, sort_keys=[("uri", "ascending")]))
    listed = listed.take(pa.array(order))
    if listed.num_rows < 2:
        return listed
    uri = listed["uri"].combine_chunks()
    last = np.append(np.asarray(pc.not_equal(uri[:-1], uri[1:])), True)
    return listed.filter(pa.array(last))


def bundle_size(total_bytes: int, setting: int | None) -> int:
    """Bytes of a bundle: the setting, else those of bundles that are all alike, of at most 16 MB or, where that is
    more, a 64th of the whole up to 1 GB."""
    if setting is not None:
        return setting
    most = min(max(total_bytes // BUNDLES_OF_A_RUN, SMALL_BUNDLE), LARGEST_BUNDLE)
    if total_bytes <= most:
        return most
    count = -(-total_bytes // most)
    count += count % 2 if count > _FEW else 0
    size = -(-total_bytes // count) + total_bytes // count // (_MARGIN * count)
    return min(size, SMALL_BUNDLE if most == SMALL_BUNDLE else LARGEST_BUNDLE)


def bundles(
    objects: pa.Table,
    *,
    size: int,
    again: pa.Array,
    splittable: Callable[[RawObject], bool],
) -> Iterator[Bundle]:
    """OBJECTS (sorted) packed into bundles of about `size` bytes.

    again: bool per object, true where records of its key were written before; such an object is read whole, because
    which occurrence of a record is the new one shows only in order. An object over `size` that `splittable` allows is
    cut into ranges, each a bundle of its own, so that it can be deferred alone.
    """
    index = 0
    held: list[Span] = []
    held_bytes = 0
    for batch_start in range(0, objects.num_rows, OBJECTS_OF_A_BUNDLE):
        batch = objects.slice(batch_start, OBJECTS_OF_A_BUNDLE)
        whole = _whole_spans(as_objects(batch), again.slice(batch_start, OBJECTS_OF_A_BUNDLE))
        for span, span_bytes in zip(whole, batch["size"].to_pylist(), strict=True):
            if held and (held_bytes + span_bytes > size or len(held) == OBJECTS_OF_A_BUNDLE):
                yield Bundle(index, tuple(held))
                index, held, held_bytes = index + 1, [], 0
            if span_bytes > size and not span.again and splittable(span.object):
                for part in ranges(span.object, size):
                    yield Bundle(index, (part,))
                    index += 1
                continue
            held.append(span)
            held_bytes += span_bytes
    if held:
        yield Bundle(index, tuple(held))


def _whole_spans(objects: Sequence[RawObject], again: pa.Array) -> Iterator[Span]:
    """A span an object. again: bool per object."""
    return map(Span._make, zip(objects, repeat(0), repeat(None), again.to_pylist(), strict=False))


def ranges(raw: RawObject, size: int) -> Iterator[Span]:
    """An object in equal ranges of at most `size` bytes; the last one is open. Those that are not smaller than a block
    that is hashed begin with one, so that their task hashes what it reads of them itself."""
    unit = BLOCK if size >= BLOCK else 1
    units = -(-raw.size // unit)
    count = -(-units // (size // unit))
    edges = [units * k // count * unit for k in range(count)]
    for start, end in zip(edges, [*edges[1:], None], strict=True):
        yield Span(raw, start, end)


def bundle_of_parts(index: int, zone: str, group: BundleParts) -> Bundle:
    """What a bundle left in a zone, as a bundle of one object; its entity tag follows from the parts' hashes."""
    digest = hashlib.sha256("\n".join(sorted(part.sha256 for part in group.parts)).encode()).hexdigest()
    size = sum(part.bytes for part in group.parts)
    raw = RawObject(f"{zone}/{group.entry}/{group.bundle}", size, 0, etag=digest)
    return Bundle(index, (Span(raw),), group.parts)
