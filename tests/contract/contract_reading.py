"""How the suite reads: whole objects or ranges of them as pieces, and what came of them as one outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from connectors.contract import ACCOUNTS, ENVELOPES, REJECTS, Connector, Piece, RawObject, ReadOptions

BEFORE = 4


@dataclass(frozen=True)
class Outcome:
    """All chunks of a reader as one."""

    tables: dict[str, pa.Table]
    rejects: pa.Table
    accounts: pa.Table
    envelopes: pa.Table

    def total(self, column: str) -> int:
        return sum(self.accounts[column].to_pylist())


def blocks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def whole(data: bytes, ordinal: int = 0, uri: str = "", block: int = 1 << 20) -> Piece:
    """The piece of an object that is read whole."""
    raw = RawObject(uri or f"/object-{ordinal:05}", len(data), 0)
    return Piece(ordinal, raw, blocks(data, block))


def part(data: bytes, start: int, end: int | None, ordinal: int, uri: str) -> Piece:
    """The piece of a range [start, end) of an object."""
    raw = RawObject(uri, len(data), 0)
    return Piece(ordinal, raw, blocks(data[start:], 97), start, end, data[max(0, start - BEFORE) : start])


def read(connector: Connector, pieces: Iterable[Piece], options: ReadOptions | None = None) -> Outcome:
    """Reads the pieces. Every table is in the schema of its spec, every other in that of the contract."""
    chunks = list(connector.read(pieces, options or ReadOptions()))
    tables = {}
    for name, spec in connector.tables.items():
        own = [chunk.tables[name] for chunk in chunks if name in chunk.tables]
        assert all(table.schema.equals(spec.schema, check_metadata=True) for table in own), name
        tables[name] = pa.concat_tables([spec.schema.empty_table(), *own]).combine_chunks()
    assert all(chunk.tables.keys() <= connector.tables.keys() for chunk in chunks)
    return Outcome(
        tables,
        _joined(REJECTS, [chunk.rejects for chunk in chunks]),
        _joined(ACCOUNTS, [chunk.accounts for chunk in chunks]),
        _joined(ENVELOPES, [chunk.envelopes for chunk in chunks]),
    )


def _joined(schema: pa.Schema, tables: Sequence[pa.Table]) -> pa.Table:
    assert all(table.schema.equals(schema) for table in tables)
    return pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()


def texts(table: pa.Table, without: Sequence[str] = ()) -> Iterator[str]:
    """Every text of a table's string columns but those named."""
    for name in table.schema.names:
        if pa.types.is_string(table.schema.field(name).type) and name not in without:
            yield from (value for value in table[name].to_pylist() if value is not None)
