"""What the tests of tables share: bytes through the whole reader, and messages with any separators."""

from __future__ import annotations

import pyarrow as pa

from connectors.contract import Parsed, Piece, RawObject, ReadOptions
from connectors.hl7v2 import HL7v2

HEADER = r"MSH|^~\&|LAB|GEN|LAKE|DATA|20240102030405+0100||ORU^R01^ORU_R01|C1|P|2.5.1"


def message(*segments: str, header: str = HEADER, end: str = "\r") -> bytes:
    """A message of a header and segments."""
    return end.join((header, *segments, "")).encode()


def chunks(data: bytes, block: int = 1 << 30, **options: object) -> list[Parsed]:
    """What becomes of an object that is read `block` bytes at a time."""
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    piece = Piece(0, RawObject("/data/a.hl7", len(data), 0), blocks)
    return list(HL7v2().read([piece], ReadOptions(**options)))


def read(data: bytes, block: int = 1 << 30, **options: object) -> dict[str, pa.Table]:
    """The tables of an object, those of all its chunks end to end."""
    found = chunks(data, block, **options)
    tables = {name: pa.concat_tables([parsed.tables[name] for parsed in found]) for name in found[0].tables}
    for table in tables.values():
        table.validate(full=True)
    return tables


def rows(data: bytes, table: str, *columns: str, **options: object) -> list[tuple[object, ...]]:
    """The values of some columns, a tuple a row."""
    found = read(data, **options)[f"hl7v2_{table}"]
    return list(zip(*(found[name].to_pylist() for name in columns), strict=True))
