"""Files of inputs and leaves as a run reads them: only as the log names them, for what it does follows from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pyarrow as pa

from connectors.errors import LakeError, ObjectChanged
from connectors.lake.inputs import INPUTS, LEAVES, read_table
from connectors.lake.layout import inputs_key, leaves_key
from connectors.storage import Store


def read_leaves(store: Store, digest: str) -> pa.Table:
    """LEAVES of the file of this SHA-256. Raises LakeError (LEAVES_MISSING, LEAVES_CHANGED)."""
    key = leaves_key(digest)
    try:
        data = store.get(key)
    except ObjectChanged:
        raise LakeError("LEAVES_MISSING", _missing(key)) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise LakeError("LEAVES_CHANGED", _changed(key))
    return read_table(data, LEAVES)


def read_inputs(store: Store, digest: str, columns: Sequence[str]) -> pa.Table:
    """Columns of INPUTS of the file of this SHA-256. Raises LakeError (INPUTS_MISSING, INPUTS_CHANGED)."""
    return _inputs(digest, partial(store.get, inputs_key(digest)), columns)


def read_all_inputs(store: Store, digests: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """As `read_inputs`, of several files in their order, which are fetched ahead."""
    files = store.get_many((inputs_key(digest), None) for digest in digests)
    for digest in digests:
        yield _inputs(digest, partial(next, files), columns)


def _inputs(digest: str, get: Callable[[], bytes], columns: Sequence[str]) -> pa.Table:
    key = inputs_key(digest)
    try:
        data = get()
    except ObjectChanged:
        raise LakeError("INPUTS_MISSING", _missing(key)) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise LakeError("INPUTS_CHANGED", _changed(key))
    return read_table(data, INPUTS, columns)


def _missing(key: str) -> str:
    return f"{key} is named by the log and not in the lake; run clinray verify"


def _changed(key: str) -> str:
    return f"{key} is not the file that the log names; run clinray verify"
