"""What became of every byte of a chunk: rejected spans, byte accounts and envelope lines as tables of the contract."""
# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from connectors import digests
from connectors.contract import ACCOUNTS, ENVELOPES, REJECTS
from connectors.hl7v2 import boundaries
from connectors.hl7v2.boundaries import KINDS, MSH, TEXT, declared_count
from connectors.hl7v2.buffer import READABLE, Chunk
from connectors.hl7v2.runs import HEAD

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Integers = npt.NDArray[np.integer]

_CODES: Final = (
    ("", ""),
    ("HL7_MSH_SHORT", "MSH"),
    ("HL7_SEPARATORS", "MSH-2"),
    ("HL7_RECORD_TOO_LONG", ""),
    ("HL7_CHARSET_UNKNOWN", "MSH-18"),
    ("HL7_UNDECODABLE", "MSH-18"),
    ("HL7_TEXT_BEFORE_MESSAGE", ""),
    ("HL7_TEXT_AFTER_ENVELOPE", ""),
    ("HL7_TEXT_AFTER_MESSAGE", ""),
    ("HL7_TEXT_CUT", ""),
    ("HL7_EMPTY", ""),
    ("HL7_JSON", ""),
    ("HL7_XML", ""),
    ("HL7_BINARY", ""),
    ("HL7_NO_MESSAGE", ""),
    ("HL7_OBJECT_TOO_LONG", ""),
)
"""Error code and position of a reject; the first ones are indexed by the status of a message (see buffer)."""
OF_MESSAGES: Final = frozenset(code for code, _ in _CODES[1:6])
"""Codes of rejects that are one message, from its "MSH" to its end."""
_INDEX: Final = {code: i for i, (code, _) in enumerate(_CODES)}
_NO_REJECTS: Final = REJECTS.empty_table()
_NO_ENVELOPES: Final = ENVELOPES.empty_table()
_CONTROLS: Final = bytes({*range(32), 127} - set(b"\t\n\v\f\r\x1a\x1b\x1c"))


class _Rejects:
    """Rejected spans: entry, code (index in _CODES), records, offset, length and SHA-256, in batches."""

    def __init__(self) -> None:
        nothing = np.empty(0, np.int64)
        no_digest = np.empty((0, digests.SIZE), np.uint8)
        self.columns: list[tuple[Integers, Integers, Integers, Integers, Integers, Bytes]] = [
            (nothing, nothing, nothing, nothing, nothing, no_digest)
        ]

    def add(
        self, entry: Integers, code: Integers, records: Integers, offset: Integers, length: Integers, digest: Bytes
    ) -> None:
        self.columns.append((entry, code, records, offset, length, digest))

    def add_one(self, entry: int, code: str, records: int, offset: int, length: int, digest: bytes) -> None:
        numbers = [np.array([number]) for number in (entry, _INDEX[code], records, offset, length)]
        self.add(*numbers, np.frombuffer(digest, np.uint8).reshape(1, 32))  # type: ignore[call-arg]

    def joined(self) -> tuple[Integers, Integers, Integers, Integers, Integers, Bytes]:
        """All batches as one, by entry and offset."""
        entry, code, records, offset, length, digest = (
            np.concatenate(batch) for batch in zip(*self.columns, strict=True)
        )
        order = np.lexsort((offset, entry))
        return entry[order], code[order], records[order], offset[order], length[order], digest[order]


class Books:
    """Accounts of the chunks of a reader, in order. Holds what is known of a piece that the next chunk continues."""

    def __init__(self) -> None:
        self._open = np.zeros(3, np.int64)  # messages, offset of the first, whether the piece has an envelope line

    def settle(self, chunk: Chunk, status: npt.NDArray[np.int8]) -> tuple[pa.Table, pa.Table, pa.Table]:
        """(REJECTS, ACCOUNTS, ENVELOPES) of a chunk; status: int8[m] of its messages. Once a chunk, in order."""
        rejects = _Rejects()
        _reject_messages(rejects, chunk, status)
        _reject_texts(rejects, chunk)
        _reject_skipped(rejects, chunk)
        columns = rejects.joined()
        return _reject_table(chunk, columns), _account_table(chunk, status, columns), self._envelope_table(chunk)

    def _envelope_table(self, chunk: Chunk) -> pa.Table:
        items, entries = chunk.items, chunk.entries
        lines = (items.kinds != MSH) & (items.kinds != TEXT)
        capacity = 2 * int(lines.sum()) + len(entries) + 1
        rows = np.empty((5, capacity), np.int64)
        skipped = np.zeros(len(entries), np.int64)
        for e, each in entries.skipped:
            skipped[e] = each.records if each.kind == MSH else 0
        n = _list_envelopes(
            chunk.buf,
            items.kinds,
            items.entry_of,
            items.starts,
            items.ends,
            chunk.scale,
            chunk.shift,
            entries.offset,
            skipped,
            entries.whole,
            entries.last,
            self._open,
            rows,
        )
        if not n:
            return _NO_ENVELOPES
        entry, kind, offset, declared, count = rows[:, :n]
        return pa.table(
            [
                _pieces(chunk, entry),
                _objects(chunk, entry),
                pa.array(offset),
                pa.array(KINDS).take(pa.array(kind)),
                pa.array(declared, mask=declared < 0),
                pa.array(count, mask=count < 0),
            ],
            schema=ENVELOPES,
        )


def _reject_messages(rejects: _Rejects, chunk: Chunk, status: npt.NDArray[np.int8]) -> None:
    bad = np.flatnonzero(status != READABLE)
    if not len(bad):
        return
    entry = chunk.entry_of[bad]
    starts, ends = chunk.starts[bad] * chunk.scale, chunk.ends[bad] * chunk.scale
    digest = digests.sha256_spans(chunk.raw, starts, ends)
    rejects.add(entry, status[bad], np.ones(len(bad), np.int64), starts + chunk.shift[entry], ends - starts, digest)


def _reject_texts(rejects: _Rejects, chunk: Chunk) -> None:
    """What is neither message nor envelope, and objects in which nothing starts."""
    items = chunk.items
    found = np.flatnonzero(items.text_ends > items.text_starts)
    whole = _objects_without_start(rejects, chunk)
    found = found[~whole[items.entry_of[found]]]
    if not len(found):
        return
    entry = items.entry_of[found]
    starts, ends = items.text_starts[found] * chunk.scale, items.text_ends[found] * chunk.scale
    codes = np.full(len(KINDS), _INDEX["HL7_TEXT_AFTER_ENVELOPE"])
    codes[TEXT], codes[MSH] = _INDEX["HL7_TEXT_BEFORE_MESSAGE"], _INDEX["HL7_TEXT_AFTER_MESSAGE"]
    code = codes[items.kinds[found]]
    digest = digests.sha256_spans(chunk.raw, starts, ends)
    rejects.add(entry, code, np.zeros(len(found), np.int64), starts + chunk.shift[entry], ends - starts, digest)


def _objects_without_start(rejects: _Rejects, chunk: Chunk) -> npt.NDArray[np.bool_]:
    """bool[entries]: the entry is an object in which nothing starts; each is rejected whole."""
    bounds = chunk.entries.bounds
    starting = np.zeros(len(chunk.entries), np.bool_)
    starting[chunk.items.entry_of[chunk.items.kinds != TEXT]] = True
    whole = chunk.entries.complete & ~starting
    for e in np.flatnonzero(whole).tolist():
        low, high = int(bounds[e]), int(bounds[e + 1])
        first, last = low // chunk.scale, high // chunk.scale
        text = int(boundaries.text_start(chunk.buf, first, last))
        head = chunk.buf[text if chunk.scale == 2 else first : min(last, first + HEAD)].tobytes()
        digest = digests.sha256_spans(chunk.raw, bounds[e : e + 1], bounds[e + 1 : e + 2])
        rejects.add_one(e, "HL7_EMPTY" if text == last else what_it_is(head), 1, 0, high - low, digest.tobytes())
    if chunk.scale == 2 and chunk.size % 2 and not whole[0]:
        odd = chunk.raw[chunk.size - 1 : chunk.size].tobytes()
        if odd.strip(b"\0\r\n \x1a"):
            rejects.add_one(0, "HL7_TEXT_CUT", 0, chunk.size - 1, 1, hashlib.sha256(odd).digest())
    return whole


def _reject_skipped(rejects: _Rejects, chunk: Chunk) -> None:
    for e, entry in chunk.entries.skipped:
        if not entry.length:
            continue
        if entry.wide:
            code, records = "HL7_OBJECT_TOO_LONG", entry.records
        elif entry.kind == MSH:
            code, records = "HL7_RECORD_TOO_LONG", 1
        elif entry.head:
            code, records = "HL7_EMPTY" if entry.blank else what_it_is(entry.head), 1
        else:
            code, records = "HL7_TEXT_AFTER_ENVELOPE" if entry.offset else "HL7_TEXT_BEFORE_MESSAGE", 0
        rejects.add_one(e, code, records, entry.offset + entry.skip, entry.length, entry.digest)


def what_it_is(head: bytes) -> str:
    """The code of an object without a message that begins with these bytes."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if len(head.translate(None, _CONTROLS)) < len(head):
        return "HL7_BINARY"
    if text[:1] in (b"{", b"["):
        return "HL7_JSON"
    return "HL7_XML" if text[:1] == b"<" else "HL7_NO_MESSAGE"


def _pieces(chunk: Chunk, entry: Integers) -> pa.Array:
    return pa.array(chunk.entries.ordinals[entry])


def _objects(chunk: Chunk, entry: Integers) -> pa.Array:
    return chunk.entries.objects.take(pa.array(entry))


def _reject_table(chunk: Chunk, columns: tuple[Integers, Integers, Integers, Integers, Integers, Bytes]) -> pa.Table:
    entry, code, records, offset, length, digest = columns
    if not len(entry):
        return _NO_REJECTS
    which = pa.array(code)
    return pa.table(
        [
            _pieces(chunk, entry),
            pa.array([c for c, _ in _CODES]).take(which),
            pa.array([p for _, p in _CODES]).take(which),
            pa.array(records, pa.int64()),
            _objects(chunk, entry),
            pa.array(offset, pa.int64()),
            pa.array(length, pa.int64()),
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(32), len(digest), [None, pa.py_buffer(np.ascontiguousarray(digest))]
            ).cast(pa.binary()),
        ],
        schema=REJECTS,
    )


def _account_table(
    chunk: Chunk,
    status: npt.NDArray[np.int8],
    columns: tuple[Integers, Integers, Integers, Integers, Integers, Bytes],
) -> pa.Table:
    n = len(chunk.entries)
    entry, _, reject_records, _, reject_length, _ = columns
    size = np.diff(chunk.entries.bounds)
    for e, each in chunk.entries.skipped:
        size[e] = each.size
    records, quarantined, record_bytes, quarantined_bytes = np.zeros((4, n), np.int64)
    np.add.at(quarantined, entry, reject_records)
    np.add.at(quarantined_bytes, entry, reject_length)
    _count_messages(status, chunk.entry_of, chunk.starts, chunk.ends, chunk.scale, records, record_bytes)
    return pa.table(
        [
            pa.array(chunk.entries.ordinals),
            pa.array(records + quarantined),
            pa.array(quarantined),
            pa.array(record_bytes),
            pa.array(quarantined_bytes),
            pa.array(size - record_bytes - quarantined_bytes),
        ],
        schema=ACCOUNTS,
    )


@njit(cache=True, nogil=True)
def _count_messages(
    status: npt.NDArray[np.int8],
    entry_of: npt.NDArray[np.int32],
    starts: Offsets,
    ends: Offsets,
    scale: int,
    records: Offsets,
    record_bytes: Offsets,
) -> None:
    """Adds the READABLE messages of each entry to its records, and their bytes to its record_bytes."""
    for i in range(status.size):
        if status[i] == READABLE:
            records[entry_of[i]] += 1
            record_bytes[entry_of[i]] += (ends[i] - starts[i]) * scale


@njit(cache=True, nogil=True)
def _list_envelopes(
    buf: Bytes,
    kinds: npt.NDArray[np.int8],
    entry_of: npt.NDArray[np.int32],
    starts: Offsets,
    ends: Offsets,
    scale: int,
    shift: Offsets,
    entry_offset: Offsets,
    skipped: Offsets,
    whole: npt.NDArray[np.bool_],
    last: npt.NDArray[np.bool_],
    state: Offsets,
    rows: npt.NDArray[np.int64],
) -> int:
    """rows[:, :n]: entry, kind, offset, declared count or -1, messages or -1 of the rows of ENVELOPES; returns n.

    state: what the chunk before left of an open piece, and what this one leaves (see Books). A whole piece without an
    envelope line has no rows.
    """
    n, i = 0, 0
    for e in range(shift.size):
        if skipped[e] > 0:
            state[1] = entry_offset[e] if state[0] == 0 else state[1]
            state[0] += skipped[e]
        while i < kinds.size and entry_of[i] == e:
            offset = starts[i] * scale + shift[e]
            if kinds[i] == MSH:
                state[1] = offset if state[0] == 0 else state[1]
                state[0] += 1
            elif kinds[i] != TEXT:
                if state[0] > 0:
                    rows[0, n], rows[1, n], rows[2, n], rows[3, n], rows[4, n] = e, MSH, state[1], -1, state[0]
                    n += 1
                declared = declared_count(buf, starts[i], ends[i])
                rows[0, n], rows[1, n], rows[2, n], rows[3, n], rows[4, n] = e, kinds[i], offset, declared, -1
                n += 1
                state[0], state[2] = 0, 1
            i += 1
        if last[e]:
            if state[0] > 0 and (state[2] == 1 or not whole[e]):
                rows[0, n], rows[1, n], rows[2, n], rows[3, n], rows[4, n] = e, MSH, state[1], -1, state[0]
                n += 1
            state[:] = 0
    return n
