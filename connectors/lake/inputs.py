"""What a run read: the restricted file of inputs of an entry, and the index of what is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.digests import sha256_spans
from connectors.lake.files import read_parquet
from connectors.lake.layout import inputs_key, leaves_key
from connectors.lake.parts import Part
from connectors.storage import Store

INPUTS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("modified_us", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("code", pa.string()),
        pa.field("records_read", pa.int64()),
        pa.field("records_written", pa.int64()),
        pa.field("records_quarantined", pa.int64()),
        pa.field("records_duplicate", pa.int64()),
        pa.field("bytes_record", pa.int64()),
        pa.field("bytes_quarantined", pa.int64()),
        pa.field("bytes_envelope", pa.int64()),
        pa.field("zone", pa.string(), nullable=False),
    ]
)
"""One row an object. key: its URI. outcome: written, quarantined or deferred; the last is not done. sha256: 64
hexadecimal digits, null where the object was never read whole. Counts of records, and of bytes after decompression."""

LEAVES = pa.schema(
    [
        pa.field("action", pa.string(), nullable=False),
        pa.field("zone", pa.string()),
        pa.field("table", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("rows", pa.int64()),
        pa.field("bytes", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("bundle", pa.string()),
    ]
)
"""One row a file. action: "add" for a part that the entry adds to its table, "remove" for a file that it takes away
(path alone)."""

SALT_BYTES = 16
DONE = ("written", "quarantined")
Words = npt.NDArray[np.uint64]


FEW_VALUES = ["action", "zone", "table", "outcome", "code"]

WRITER: Mapping[str, Any] = {
    "version": "2.6",
    "data_page_version": "1.0",
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": FEW_VALUES,
    "write_statistics": False,
    "store_schema": True,
}
"""What is set of pyarrow's writer, for files of inputs and leaves."""


def put_inputs(store: Store, inputs: pa.Table, salt: str) -> str:
    """Write the file of inputs; its SHA-256.

    salt: random, stands in the file's metadata, so that the file's hash, which stands in the open, confirms no guess.
    """
    salted = inputs.select(INPUTS.names).cast(INPUTS).replace_schema_metadata({"salt": salt})
    return _put(store, salted, inputs_key)


def put_leaves(store: Store, parts: Iterable[Part], removed: Iterable[str] = ()) -> tuple[str, pa.Table]:
    """Write the file of leaves; its SHA-256 and the table."""
    rows = [{"action": "add", **{f: getattr(p, f) for f in LEAVES.names[1:]}} for p in parts]
    rows += [{"action": "remove", "path": path} for path in removed]
    leaves = pa.Table.from_pylist(rows, schema=LEAVES)
    return _put(store, leaves, leaves_key), leaves


def _put(store: Store, table: pa.Table, key: Callable[[str], str]) -> str:
    sink = pa.BufferOutputStream()
    # As in parts: lengths apart from text, and differences of numbers, leave zstd less to do and less to keep.
    encodings = {
        field.name: "DELTA_BINARY_PACKED" if pa.types.is_integer(field.type) else "DELTA_LENGTH_BYTE_ARRAY"
        for field in table.schema
        if field.name not in FEW_VALUES
    }
    pq.write_table(table, sink, column_encoding=encodings, **WRITER)
    data = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(data).hexdigest()
    store.put_if_absent(key(digest), data)
    return digest


def read_table(data: bytes, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of a file of inputs or leaves."""
    wanted = list(columns or schema.names)
    table = read_parquet(data, wanted)
    return table.select(wanted).cast(pa.schema([schema.field(name) for name in wanted]))


def parts_of(leaves: pa.Table) -> list[Part]:
    """The parts that an entry adds."""
    rows = leaves.filter(pc.equal(leaves["action"], "add")).select(LEAVES.names[1:]).to_pylist()
    return [Part(**row) for row in rows]


def removed_of(leaves: pa.Table) -> list[str]:
    """The paths that an entry takes away."""
    removed: list[str] = leaves.filter(pc.equal(leaves["action"], "remove"))["path"].to_pylist()
    return removed


class DoneIndex:
    """Which object versions are done in a zone. 32 bytes for each: two 128-bit digests."""

    def __init__(self, versions: _Digests, keys: _Digests) -> None:
        self._versions = versions
        self._keys = keys

    @classmethod
    def of(cls, inputs: Iterable[pa.Table]) -> DoneIndex:
        """inputs: tables with columns key, version and outcome."""
        versions, keys = [], []
        for table in inputs:
            done = table.filter(pc.is_in(table["outcome"], value_set=pa.array(DONE)))
            keys.append(_digests(done["key"]))
            versions.append(_digests(_identity(done["key"], done["version"])))
        return cls(_Digests(versions), _Digests(keys))

    def __len__(self) -> int:
        return len(self._versions)

    def new(self, uris: pa.Array, versions: pa.Array) -> npt.NDArray[np.bool_]:
        """bool[n]: true where this version of the object is not done."""
        if not len(self._versions):
            return np.ones(len(uris), np.bool_)
        return ~self._versions.contain(_digests(_identity(uris, versions)))

    def known_key(self, uris: pa.Array) -> npt.NDArray[np.bool_]:
        """bool[n]: true where some version of the object is done."""
        return self._keys.contain(_digests(uris)) if len(self._keys) else np.zeros(len(uris), np.bool_)


class _Digests:
    """A set of 128-bit digests: two sorted columns of words."""

    def __init__(self, several: Sequence[Words]) -> None:
        whole = np.concatenate([np.empty((0, 2), np.uint64), *several])
        order = np.lexsort((whole[:, 1], whole[:, 0]))
        self._high, self._low = whole[order, 0], whole[order, 1]
        _, counts = np.unique(self._high, return_counts=True) if len(whole) else (None, np.zeros(1, np.int64))
        self._longest = int(counts.max())

    def __len__(self) -> int:
        return len(self._high)

    def contain(self, wanted: Words) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(wanted), np.bool_)
        at = np.searchsorted(self._high, wanted[:, 0])
        # Digests that share their first word stand side by side; a version that is done twice does so, too.
        for _ in range(self._longest):
            inside = np.flatnonzero(at < len(self._high))
            place = at[inside]
            found[inside] |= (self._high[place] == wanted[inside, 0]) & (self._low[place] == wanted[inside, 1])
            at = at + 1
        return found


def _identity(uris: pa.Array | pa.ChunkedArray, versions: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Key and version as one text; the version comes first and holds no NUL."""
    return pc.binary_join_element_wise(versions, uris, "\0")


def _digests(texts: pa.Array | pa.ChunkedArray) -> Words:
    """uint64[n, 2]: the first 128 bits of each text's SHA-256."""
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    return np.concatenate([np.empty((0, 2), np.uint64), *(_digests_of(chunk) for chunk in chunks)])


def _digests_of(texts: pa.Array) -> Words:
    if len(texts) == 0:
        return np.empty((0, 2), np.uint64)
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, offsets_buffer, data = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, width)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    values = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    digests = sha256_spans(values, offsets[:-1], offsets[1:])
    return np.ascontiguousarray(digests[:, :16]).view(np.uint64)
