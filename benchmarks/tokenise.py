"""Tokenising alone, on one core: messages of about 312 bytes in memory become Arrow columns.

The same positions are read by each side: ours (kernels of connectors.hl7v2), a naive split into dicts with from_pylist,
and python-hl7. Where the columns are compared, they are equal value for value. Sides run in alternation.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import cache

import hl7
import pyarrow as pa

from benchmarks import stride
from benchmarks.messages import SEED
from benchmarks.rows import Row
from connectors.contract import Piece, RawObject, ReadOptions
from connectors.hl7v2.chunk import chunks, find_values, texts
from connectors.hl7v2.frame import Frame
from connectors.hl7v2.framing import frames
from connectors.hl7v2.generate import bench_messages
from connectors.hl7v2.layout import Layout, Slot, make_layout, specs
from connectors.hl7v2.relate import KINDS, by_row
from connectors.hl7v2.tables import tables

MESSAGES = 20_000
PARSED_BY_HL7 = 300
ROUNDS = 7

FEW = (
    ("MSH-9", "MSH-4", "MSH-7", "PID-3.1", "PID-5", "PID-7", "PID-8", "PID-11"),
    ("OBX-3.1", "OBX-5", "OBX-6", "OBX-7", "OBX-8"),
)
MANY = (
    (
        *("MSH-3", "MSH-4", "MSH-5", "MSH-6", "MSH-7", "MSH-9.1", "MSH-9.2", "MSH-10", "MSH-11", "MSH-12"),
        *("PID-1", "PID-3.1", "PID-3.4", "PID-3.5", "PID-5.1", "PID-5.2", "PID-7", "PID-8"),
        *("PID-11.1", "PID-11.3", "PID-11.4", "PID-11.5", "PV1-1", "PV1-2", "PV1-3.1", "PV1-3.2", "PV1-3.3", "PV1-18"),
    ),
    (
        *("OBX-1", "OBX-2", "OBX-3.1", "OBX-3.2", "OBX-3.3", "OBX-4", "OBX-5", "OBX-6.1", "OBX-7", "OBX-8"),
        *("OBX-9", "OBX-10", "OBX-11", "OBX-14"),
    ),
)
"""Positions of a row a message, and of a row an OBX."""

Columns = dict[str, pa.Array]


@cache
def _layout(positions: Sequence[str]) -> Layout:
    return make_layout([Slot(position, "text", (position,)) for position in positions])


def framed(data: bytes) -> list[Frame]:
    """The messages of the data, found and decoded: what both sides begin with."""
    piece = Piece(0, RawObject("memory", len(data), 0), [data])
    return [each.frame for each in frames([piece], ReadOptions())]


def ours(found: Sequence[Frame], positions: tuple[Sequence[str], Sequence[str]]) -> list[Columns]:
    """For each chunk its columns by position, those of messages and of observations together."""
    return [_columns(chunk.segments, chunk.relations, positions) for frame in found for chunk in chunks(frame)]


def _columns(segments, relations, positions) -> Columns:
    columns = {}
    headers, observations = (relations.of_kind[KINDS.index(name)] for name in ("MSH", "OBX"))
    for wanted, lead in zip(positions, (headers, observations), strict=True):
        layout = _layout(wanted)
        sources = {}
        for name in layout.sources:
            if name in ("MSH", "OBX"):
                sources[name] = lead
            else:
                own = relations.of_kind[KINDS.index(name)]
                sources[name] = by_row(own, segments.message[own], len(lead))
        values = find_values(segments, layout, sources, segments.message[lead])
        columns |= texts(segments, values, list(range(len(wanted))))
        columns |= {name: pa.nulls(len(lead), pa.string()) for name in wanted if name not in columns}
    return columns


def naive(messages: Sequence[str], positions: tuple[Sequence[str], Sequence[str]]) -> Columns:
    """Lines, fields and components by str.split, a dict a row, from_pylist."""
    of_message, of_observation = (_plan(wanted) for wanted in positions)
    found: tuple[list[dict[str, str | None]], list[dict[str, str | None]]] = ([], [])
    for text in messages:
        message: dict[str, str | None] = {}
        for line in text.split("\r"):
            fields = line.split("|")
            name = fields[0]
            if name == "MSH":
                fields.insert(1, "|")
            if name == "OBX":
                found[1].append(_row(fields, of_observation[name]))
            elif name in of_message:
                message.update(_row(fields, of_message[name]))
        found[0].append(message)
    return _arrow(found, positions)


def _arrow(found: tuple[list[dict[str, str | None]], ...], positions: tuple[Sequence[str], Sequence[str]]) -> Columns:
    tables = [
        pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in wanted]))
        for rows, wanted in zip(found, positions, strict=True)
    ]
    return {name: table[name] for table in tables for name in table.column_names}


def _plan(positions: Sequence[str]) -> dict[str, list[tuple[str, int, int]]]:
    plan: dict[str, list[tuple[str, int, int]]] = {}
    for position in positions:
        field, _, component = position[4:].partition(".")
        plan.setdefault(position[:3], []).append((position, int(field), int(component or 0)))
    return plan


def _row(fields: list[str], wanted: Sequence[tuple[str, int, int]]) -> dict[str, str | None]:
    row = {}
    for name, field, component in wanted:
        value = fields[field] if field < len(fields) else ""
        if component and value:
            parts = value.split("~")[0].split("^")
            value = parts[component - 1] if component <= len(parts) else ""
        row[name] = value or None
    return row


def with_hl7(messages: Sequence[str], positions: tuple[Sequence[str], Sequence[str]]) -> Columns:
    """The same through python-hl7, a message at a time."""
    of_message, of_observation = (_plan(wanted) for wanted in positions)
    found: tuple[list[dict[str, str | None]], list[dict[str, str | None]]] = ([], [])
    for message in messages:
        row: dict[str, str | None] = {}
        for segment in hl7.parse(message):
            name = str(segment[0])
            if name == "OBX":
                found[1].append(_parsed(segment, of_observation[name]))
            elif name in of_message:
                row.update(_parsed(segment, of_message[name]))
        found[0].append(row)
    return _arrow(found, positions)


def _parsed(segment: hl7.Segment, wanted: Sequence[tuple[str, int, int]]) -> dict[str, str | None]:
    row = {}
    for name, field, component in wanted:
        value = segment[field] if field < len(segment) else ""
        if component and len(value):
            first = value if isinstance(value, str) else value[0]
            parts = [first] if isinstance(first, str) else first
            value = parts[component - 1] if component <= len(parts) else ""
        row[name] = str(value) or None
    return row


def equal(chunked: list[Columns], other: Columns) -> bool:
    """Whether the chunks, end to end, hold what the other columns hold."""
    return all(
        pa.chunked_array([chunk[name] for chunk in chunked], pa.string()).equals(
            column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
        )
        for name, column in other.items()
    )


def compare(positions: tuple[Sequence[str], Sequence[str]], reach: float) -> list[Row]:
    """Rows of the results: the naive split and python-hl7 over ours, CPU seconds a message."""
    messages = list(bench_messages(MESSAGES, SEED))
    found, few = framed(b"".join(messages)), framed(b"".join(messages[:PARSED_BY_HL7]))
    decoded = [message.decode().removesuffix("\r") for message in messages]
    parsed = decoded[:PARSED_BY_HL7]
    same = equal(ours(found, positions), naive(decoded, positions))
    same &= equal(ours(few, positions), with_hl7(parsed, positions))
    seconds: dict[str, list[float]] = {"ours": [], "naive": [], "hl7": []}
    for _ in range(ROUNDS):
        seconds["ours"].append(stride.seconds(lambda: ours(found, positions)) / MESSAGES)
        seconds["naive"].append(stride.seconds(lambda: naive(decoded, positions)) / MESSAGES)
        seconds["hl7"].append(stride.seconds(lambda: with_hl7(parsed, positions)) / PARSED_BY_HL7)
    count = sum(len(wanted) for wanted in positions)
    peers = {"naive": ("split into dicts + from_pylist", reach), "hl7": ("python-hl7", 500.0)}
    return [
        _as_row(f"tokenise to Arrow, one core, {count} columns", peer, goal, seconds["ours"], seconds[side], same)
        for side, (peer, goal) in peers.items()
    ]


def _as_row(work: str, peer: str, reach: float, own: list[float], other: list[float], same: bool) -> Row:
    ratios = [b / a for a, b in zip(own, other, strict=True)]
    note = f"both sides begin with whole, decoded messages, each for {stride.LONG_ENOUGH} s a round; " + (
        "columns equal value for value" if same else "COLUMNS DIFFER"
    )
    ours_us, peers_us = statistics.median(own) * 1e6, statistics.median(other) * 1e6
    spread = (min(ratios), max(ratios))
    return Row(work, peer, peers_us / ours_us, reach, spread, ours_us, peers_us, "µs a message", note)


def all_tables() -> Row:
    """How many bytes a second become all tables but hl7v2_segments, against the budget of 90 MB/s."""
    data = b"".join(bench_messages(MESSAGES * 3, SEED))
    options = ReadOptions(tables=frozenset(specs()) - {"hl7v2_segments"})
    found = framed(data)

    def work() -> None:
        for frame in found:
            tables(frame, options)

    work()
    rates = [len(data) / stride.seconds(work) / 1e6 for _ in range(ROUNDS)]
    rate = statistics.median(rates)
    return Row(
        "all tables of a de-identifying run from framed messages, one core",
        "the budget of 90 MB/s",
        rate / 90,
        1.0,
        (min(rates) / 90, max(rates) / 90),
        rate,
        90.0,
        "MB/s",
        "without framing; hl7v2_segments left out",
    )


def rows() -> list[Row]:
    """The rows of tokenising for the results."""
    return [*compare(MANY, 15.0), *compare(FEW, 8.0), all_tables()]


if __name__ == "__main__":
    for row in rows():
        print(row.as_json())
