"""HL7 version 2: messages of hospitals, in files or streams, one or many to an object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from connectors.contract import Parsed, Piece, ReadOptions, TableSpec

if TYPE_CHECKING:
    from connectors.kernels.distinct import Told

_HEAD = 4096


class HL7v2:
    """The connector of HL7 v2 (see contract.Connector)."""

    name: ClassVar[str] = "hl7v2"
    version: ClassVar[int] = 1
    extensions: ClassVar[tuple[str, ...]] = (".hl7", ".hl7v2", ".er7", ".adt", ".oru", ".txt", ".msg")
    splittable: ClassVar[bool] = True
    record_table: ClassVar[str] = "hl7v2_messages"
    findings_table: ClassVar[str] = "hl7v2_findings"

    @property
    def tables(self) -> Mapping[str, TableSpec]:
        """Every table by name."""
        from connectors.hl7v2.layout import specs

        return specs()

    def sniff(self, head: bytes) -> bool:
        """Whether one of the first lines begins like a message or an envelope (MSH, FHS or BHS and a separator)."""
        from connectors.hl7v2.sniff import looks_like_messages

        return looks_like_messages(head[:_HEAD])

    def read(self, pieces: Iterable[Piece], options: ReadOptions) -> Iterator[Parsed]:
        """The tables of the pieces' messages, a chunk at a time (see contract.Connector.read).

        Raises what reading the blocks of a piece raises (TransientError, ObjectChanged).
        """
        from connectors.hl7v2.framing import frames
        from connectors.hl7v2.tables import tables
        from connectors.kernels.distinct import Told

        for framed in frames(pieces, options):
            rejects, accounts, envelopes = framed.rejects, framed.accounts, framed.envelopes
            told = Told()
            for made in tables(framed.frame, options, told):
                yield Parsed(made, rejects, accounts, envelopes, told)
                rejects, accounts, envelopes = rejects.slice(0, 0), accounts.slice(0, 0), envelopes.slice(0, 0)

    def validate(self, tables: Mapping[str, pa.Table], told: Told | None = None) -> Mapping[str, pa.Table]:
        """Scores and findings by the rules of rules.csv. told: gets to know of columns that these look at."""
        from connectors.hl7v2.rules import validate

        return validate(tables, told)

    def envelope_findings(self, envelopes: pa.Table) -> pa.Table:
        """Rows of hl7v2_findings for trailers whose declared count is wrong."""
        from connectors.hl7v2.rules import envelope_findings

        return envelope_findings(envelopes)
