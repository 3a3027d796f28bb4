"""The rules of messages: what is found amiss, and the score that is left of 100.

A rule is a row of rules.csv. Those of stage `read` are found while a message is parsed, the others here, over whole
tables: structures by their distinct values, required fields by their nulls.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import ConfigError
from connectors.hl7v2.conformance import deviations
from connectors.hl7v2.envelopes import disagreements
from connectors.hl7v2.layout import specs
from connectors.hl7v2.records import rows_of
from connectors.kernels.distinct import Told, combinations

MESSAGES = "hl7v2_messages"
FINDINGS = "hl7v2_findings"
READ = "read"
VALIDATE = "validate"
FULL_SCORE = 100
STRUCTURE_KINDS = ("unknown_type", "required_segment", "incomplete_group", "segment_order", "unexpected_segment")

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of rules.csv.

    weight: points off a message's score, once a message. stage: `read` or `validate`. types: first components of MSH-9
    it applies to (empty: all). table, columns: where a required field stands; it is absent where all of them are null.
    when: a column that must hold a value for the field to be required (empty: always). index: the column with the place
    of the segment in its message (empty: the header, which is the first).
    """

    code: str
    severity: str
    weight: int
    stage: str
    kind: str
    types: tuple[str, ...]
    segment: str
    position: str
    table: str
    columns: tuple[str, ...]
    when: str
    index: str
    description: str


@dataclass(frozen=True)
class _Found:
    """Findings of one rule or several: parallel arrays.

    rows: int64, row of the message. rules: int64, index into rules(). segments: string. indices: int64, index of the
    segment in its message, -1 where it is not known.
    """

    rows: Rows
    rules: Rows
    segments: pa.StringArray
    indices: Rows


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of rules.csv."""
    text = resources.files("connectors.hl7v2").joinpath("rules.csv").read_text("utf-8")
    return tuple(_rule(row) for row in csv.DictReader(text.splitlines()))


def _rule(row: Mapping[str, str]) -> Rule:
    plain = {name: value for name, value in row.items() if name not in ("weight", "types", "columns")}
    types, columns = tuple(row["types"].split()), tuple(row["columns"].split())
    return Rule(**plain, weight=int(row["weight"]), types=types, columns=columns)


def rule(code: str) -> Rule:
    """The rule of a code. Raises ConfigError HL7_RULE for a code without one."""
    for each in rules():
        if each.code == code:
            return each
    raise ConfigError("HL7_RULE", f"no rule has the code {code}")


def validate(tables: Mapping[str, pa.Table], told: Told | None = None) -> dict[str, pa.Table]:
    """The same tables with `score` of hl7v2_messages filled in and the findings of the rules in hl7v2_findings.

    Findings stand in the order of their messages, within a message those of reading first. Findings of an earlier call
    are made anew, so a second call changes nothing. Without hl7v2_findings only the score is given; without
    hl7v2_messages nothing changes. told: what is known of columns; gets to know of those of which the distinct values
    are looked at.
    """
    result, told = dict(tables), told or Told()
    messages, findings = tables.get(MESSAGES), tables.get(FINDINGS)
    if messages is None:
        return result
    messages = messages.combine_chunks()
    read = None if findings is None else _of_reading(findings, told)
    read_rows = np.empty(0, np.int64) if read is None else rows_of(read, messages)
    found = _concat([_structure(messages, told), *_required(tables, messages, read, read_rows)])
    result[MESSAGES] = _scored(messages, read, read_rows, found, told)
    if read is not None:
        result[FINDINGS] = _merged(read, read_rows, found, messages)
    return result


def _of_reading(findings: pa.Table, told: Told) -> pa.Table:
    """The findings of stage `read`."""
    findings = findings.combine_chunks()
    stages = findings["stage"]
    if not len(findings) or (not stages.null_count and told.distinct(_array(stages)).values.to_pylist() == [READ]):
        return findings
    return findings.filter(pc.equal(stages, READ)).combine_chunks()


def envelope_findings(envelopes: pa.Table) -> pa.Table:
    """Trailers whose declared count is wrong, as rows of hl7v2_findings.

    envelopes: contract.ENVELOPES of whole objects. The lineage names the object and the offset of the trailer; there is
    no message, so `_record_id` and `patient_key` are null.
    """
    wrong = disagreements(envelopes)
    count = wrong.num_rows
    which = [rule(code) for code in wrong["code"].to_pylist()]
    columns = {
        "code": wrong["code"],
        "severity": pa.array([each.severity for each in which], pa.string()),
        "stage": pa.array([READ] * count, pa.string()),
        "segment": pa.array([each.segment for each in which], pa.string()),
        "position": wrong["position"],
        "_object": wrong["_object"],
        "_offset": wrong["_offset"],
        "_length": pa.array(np.zeros(count, np.int64)),
    }
    return _in_schema(columns, count, specs()[FINDINGS].schema)


def _structure(messages: pa.Table, told: Told) -> _Found:
    """What the structures lack or misplace: each distinct pair of type and structure is looked at once."""
    columns = messages.select(["message_type", "trigger_event", "message_structure", "structure"])
    codes, firsts = combinations([told.distinct(_array(column)) for column in columns.columns])
    kinds = {each.kind: index for index, each in enumerate(rules()) if each.kind in STRUCTURE_KINDS}
    several = [[value or "" for value in row.values()] for row in columns.take(pa.array(firsts)).to_pylist()]
    return _spread(codes.astype(np.int64), [deviations(*each) for each in several], kinds)


def _spread(codes: Rows, distinct: Sequence[tuple[tuple[str, str, int], ...]], kinds: Mapping[str, int]) -> _Found:
    """The deviations of each distinct structure, given to every message that has it."""
    lengths = np.array([len(each) for each in distinct], np.int64)
    flat = [deviation for each in distinct for deviation in each]
    if not flat:
        return _Found(codes[:0], codes[:0], pa.array([], pa.string()), codes[:0])
    rows = np.repeat(np.arange(len(codes)), lengths[codes])
    before = np.cumsum(lengths[codes]) - lengths[codes]
    starts = (np.cumsum(lengths) - lengths)[codes]
    chosen = np.arange(len(rows)) - before[rows] + starts[rows]
    which = np.array([kinds[kind] for kind, _, _ in flat], np.int64)[chosen]
    segments = pa.array([segment for _, segment, _ in flat], pa.string()).take(pa.array(chosen))
    return _Found(rows, which, segments, np.array([index for _, _, index in flat], np.int64)[chosen])


def _required(
    tables: Mapping[str, pa.Table], messages: pa.Table, read: pa.Table | None, read_rows: Rows
) -> list[_Found]:
    """Required fields that are null, unless reading has said already that what stands there does not parse."""
    result = []
    for index, each in enumerate(rules()):
        table = tables.get(each.table) if each.kind == "required_field" else None
        absent = np.empty(0, np.intp) if table is None else np.flatnonzero(_absent(table, each))
        if table is None or not len(absent):
            continue
        rows = absent if each.table == MESSAGES else rows_of(table.take(pa.array(absent)), messages)
        known = _indices(table, absent, each)
        keep = ~np.isin(rows, _unparsed(read, read_rows, each.position)) & (rows < len(messages))
        keep &= _of_types(messages, rows, each.types)
        segments = pa.array([each.segment], pa.string()).take(pa.array(np.zeros(keep.sum(), np.int64)))
        result.append(_Found(rows[keep], np.full(keep.sum(), index), segments, known[keep]))
    return result


def _absent(table: pa.Table, each: Rule) -> npt.NDArray[np.bool_]:
    """bool[rows]: all of the rule's columns are null, and its condition holds."""
    absent = np.ones(len(table), np.bool_)
    for name in each.columns:
        if not table[name].null_count:
            return np.zeros(len(table), np.bool_)
        absent &= _null(table[name])
    return absent & ~_null(table[each.when]) if each.when else absent


def _null(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(_array(pc.is_null(column)).to_numpy(zero_copy_only=False), np.bool_)


def _indices(table: pa.Table, rows: Rows, each: Rule) -> Rows:
    """int64[rows]: the place in its message of each row's segment, -1 where it is not known."""
    if not each.index:
        return np.zeros(len(rows), np.int64)
    return np.asarray(_array(pc.fill_null(table[each.index].take(pa.array(rows)), -1)).to_numpy(), np.int64)


def _of_types(messages: pa.Table, rows: Rows, types: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    if not types:
        return np.ones(len(rows), np.bool_)
    named = pc.is_in(messages["message_type"], pa.array(types))
    applies = np.append(_array(named).to_numpy(zero_copy_only=False).astype(np.bool_), False)
    return np.asarray(applies[rows], np.bool_)


def _unparsed(read: pa.Table | None, rows: Rows, position: str) -> Rows:
    """The rows of the messages for which reading has a finding at a position."""
    if read is None or not read.num_rows:
        return np.empty(0, np.int64)
    there = _array(pc.fill_null(pc.equal(read["position"], position), False))
    unparsed: Rows = rows[there.to_numpy(zero_copy_only=False).astype(np.bool_)]
    return unparsed


def _scored(messages: pa.Table, read: pa.Table | None, read_rows: Rows, found: _Found, told: Told) -> pa.Table:
    """The messages with 100 less the weights of their findings, each code once, and not below 0."""
    weights = np.array([each.weight for each in rules()], np.int64)
    rows, which = found.rows, found.rules
    if read is not None and read.num_rows:
        index = {each.code: index for index, each in enumerate(rules())}
        codes = told.distinct(_array(read["code"]))
        known = np.array([*(index.get(code, -1) for code in codes.values.to_pylist()), -1])[codes.places()]
        keep = (known >= 0) & (read_rows < len(messages))
        rows, which = np.concatenate([read_rows[keep], rows]), np.concatenate([known[keep], which])
    counted = weights[which] > 0
    pairs = np.unique(rows[counted] * len(weights) + which[counted])
    lost = np.bincount(pairs // len(weights), weights[pairs % len(weights)], len(messages))
    at = messages.schema.get_field_index("score")
    field = messages.schema.field(at)
    return messages.set_column(at, field, pa.array(np.maximum(FULL_SCORE - lost, 0)).cast(field.type))


def _table(found: _Found, messages: pa.Table, schema: pa.Schema) -> pa.Table:
    """Findings as rows of hl7v2_findings; lineage and patient key are those of the message."""
    shared = [name for name in schema.names if name in messages.schema.names]
    which, of = pa.array(found.rules), messages.select(shared).take(pa.array(found.rows))
    named = {name: pa.array([getattr(each, name) for each in rules()]) for name in ("code", "severity", "position")}
    position = named["position"].take(which)
    unknown = pa.array(found.indices < 0)
    columns = {
        "code": named["code"].take(which),
        "severity": named["severity"].take(which),
        "stage": pa.array([VALIDATE]).take(pa.array(np.zeros(len(found.rows), np.int64))),
        "segment": found.segments,
        "segment_index": pc.if_else(unknown, None, pa.array(found.indices)),
        "position": pc.if_else(pc.equal(position, ""), found.segments, position),
    }
    return _in_schema(columns | {name: of[name] for name in of.schema.names if name not in columns}, len(of), schema)


def _in_schema(columns: Mapping[str, pa.Array], count: int, schema: pa.Schema) -> pa.Table:
    """The columns of the schema, in its types; null where there is none of that name."""
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(count, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _merged(read: pa.Table, read_rows: Rows, found: _Found, messages: pa.Table) -> pa.Table:
    """Both in the order of their messages; those that belong to no message of these tables stand last."""
    if not len(found.rows):
        return read
    order = np.argsort(np.concatenate([read_rows, found.rows]), kind="stable")
    return pa.concat_tables([read, _table(found, messages, read.schema)]).take(pa.array(order)).combine_chunks()


def _concat(found: Sequence[_Found]) -> _Found:
    """All of them, in the order of messages; within a message in the order of the rules."""
    rows, which = np.concatenate([f.rows for f in found]), np.concatenate([f.rules for f in found])
    indices = np.concatenate([f.indices for f in found])
    order = np.lexsort((which, rows))
    segments = pa.concat_arrays([f.segments for f in found]).take(pa.array(order))
    return _Found(rows[order], which[order], segments, indices[order])


def _array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column
