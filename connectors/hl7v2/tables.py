"""Decoded messages → the tables of hl7v2, a chunk at a time."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.contract import ReadOptions
from connectors.hl7v2 import charsets, findings, observations, reference_range
from connectors.hl7v2.assemble import Assembly
from connectors.hl7v2.chunk import Chunk, Values, chunks, find_values, texts
from connectors.hl7v2.findings import Findings, segment_names
from connectors.hl7v2.frame import Frame
from connectors.hl7v2.layout import Slot, layout, make_layout, specs
from connectors.hl7v2.locate import Positions
from connectors.hl7v2.patient_key import FIELDS, LONGEST, Identifiers, find_identifiers, without_authority
from connectors.hl7v2.relate import KINDS, NONE, TABLES, by_row, kind_table
from connectors.hl7v2.segments import segment_columns
from connectors.hl7v2.structures import structures
from connectors.kernels.distinct import Told, spread
from connectors.kernels.gather import picked, taken
from connectors.kernels.numbers import integers, numbers
from connectors.kernels.spans import number_array, validity
from connectors.kernels.times import times

Columns = dict[str, pa.Array]

MESSAGES = "hl7v2_messages"
PATIENTS = "hl7v2_patients"
IDENTIFIERS = "hl7v2_identifiers"
ORDERS = "hl7v2_orders"
OBSERVATIONS = "hl7v2_observations"
PHARMACY = "hl7v2_pharmacy"
ALLERGIES = "hl7v2_allergies"
CONTACTS = "hl7v2_contacts"
NOTES = "hl7v2_notes"
SEGMENTS = "hl7v2_segments"
FINDINGS = "hl7v2_findings"
_LONGEST_SET_ID = 6  # digits; HL7 2.9, 2A.3.68 has four: what is longer numbers a person or a day, no segment
_LONGEST_REPEATED = 256  # bytes of a value that is given again to each row of another table


def tables(frame: Frame, options: ReadOptions, told: Told | None = None) -> list[dict[str, pa.Table]]:
    """The tables of a frame, in the schemas of their specs: one dict for each 2 GiB of text, so mostly one, never none.

    options.tables names those that are wanted (empty: all); options.time_zone is applied to times without an offset.
    told: gets to know of columns whose distinct values are found on the way.
    """
    told = told or Told()
    wanted = options.tables or frozenset(specs())
    made = [_Reader(chunk, options.time_zone, wanted, told).tables() for chunk in chunks(frame)]
    return made or [{name: spec.empty for name, spec in specs().items() if name in wanted}]


class _Reader:
    """The tables of one chunk. What several tables need is made once."""

    def __init__(self, chunk: Chunk, time_zone: str, wanted: Collection[str], told: Told) -> None:
        self._frame, self._segments, self._relations = chunk.frame, chunk.segments, chunk.relations
        self._time_zone, self._wanted, self._told = time_zone, wanted, told
        self._findings = Findings()
        self._reports: Positions = np.empty(0, np.int32)

    def tables(self) -> dict[str, pa.Table]:
        made: dict[str, pa.Table] = {}
        for name in TABLES:
            if name in self._wanted or (name == OBSERVATIONS and NOTES in self._wanted):
                made[name] = self._of_segments(name)
        if IDENTIFIERS in self._wanted:
            made[IDENTIFIERS] = self._identifier_table()
        if SEGMENTS in self._wanted:
            everything = np.arange(len(self._segments.start), dtype=np.int32)
            own = segment_columns(self._frame, self._segments, self._relations.index(everything), self._told)
            made[SEGMENTS] = self._assembled(SEGMENTS, own, everything)
        if FINDINGS in self._wanted:
            made[FINDINGS] = self._finding_table()
        return {name: made[name] for name in specs() if name in made and name in self._wanted}

    # Rows and what they are made of

    @cached_property
    def _of_kind(self) -> dict[str, Positions]:
        """The segments of each kind, in order."""
        return dict(zip(KINDS, self._relations.of_kind, strict=True))

    def _lead(self, table: str) -> Positions:
        """int32[rows]: the first segment of each row."""
        return self._relations.leads[TABLES.index(table)]

    def _sources(self, table: str, lead: Positions) -> dict[str, Positions]:
        """For each source of the layout the segment that each row reads, NONE for none."""
        made: dict[str, Positions] = {}
        for name in layout(table).sources:
            kind, _, related = name.partition("@")
            own = self._of_kind[kind]
            if not len(own):
                continue
            if related:
                made[name] = self._only(self._parents(lead), kind)
            elif kind_table(kind) != table or table == NOTES:
                made[name] = self._elsewhere(table, kind, lead)
            else:
                same = np.array_equal(own, lead)
                made[name] = own if same else by_row(own, picked(self._relations.row, own), len(lead))
        return made

    def _elsewhere(self, table: str, kind: str, lead: Positions) -> Positions:
        """Segments of another table that rows read: the request and the specimen of an observation, a report's OBX."""
        if table == NOTES:
            return self._only(lead, kind)
        owners = self._relations.owners
        which: Positions = picked(owners.request if kind == "OBR" else owners.specimen, lead)
        return which

    def _only(self, segments: Positions, kind: str) -> Positions:
        """The segments where they are of that kind, else NONE."""
        same = (segments >= 0) & (self._relations.kind[segments] == KINDS.index(kind))
        return np.where(same, segments, NONE).astype(np.int32)

    def _parents(self, lead: Positions) -> Positions:
        """The segment that a note belongs to; of a report's line its request."""
        is_note = self._relations.kind[lead] == KINDS.index("NTE")
        owners = self._relations.owners
        return np.where(is_note, owners.parent[lead], owners.request[lead]).astype(np.int32)

    # Tables

    def _of_segments(self, table: str) -> pa.Table:
        lead = self._note_lines() if table == NOTES else self._lead(table)
        if not len(lead):
            return specs()[table].empty
        message = self._relations.message_of(lead)
        values = find_values(self._segments, layout(table), self._sources(table, lead), message)
        if table == OBSERVATIONS:
            return self._assembled(table, self._observation_columns(values, lead), lead, message)
        own = self._located(values)
        derive = {
            MESSAGES: self._message_columns,
            PATIENTS: self._patient_columns,
            ORDERS: self._order_columns,
            PHARMACY: self._pharmacy_columns,
            ALLERGIES: self._segment_name,
            CONTACTS: self._segment_name,
            NOTES: self._note_columns,
        }.get(table)
        if derive is not None:
            own.update(derive(lead))
        return self._assembled(table, own, lead, message)

    def _located(self, values: Values, without: Collection[int] = ()) -> Columns:
        """The located columns that hold any value, but for some slots of texts."""
        self._default_authority(values)
        wanted = [slot for slot in values.layout.texts if slot not in without]
        return {**self._all_parsed(values), **texts(self._segments, values, wanted)}

    def _all_parsed(self, values: Values) -> Columns:
        """The columns of times and numbers that hold any value."""
        made: Columns = {}
        for slot in values.layout.parsed:
            if values.totals[slot]:
                made.update(self._parsed(values, slot))
        return made

    def _parsed(self, values: Values, slot: int) -> Columns:
        """The column or columns of a slot that holds times or numbers; what does not parse is a finding."""
        each, start, length = values.layout.slots[slot], values.start[slot], values.length[slot]
        if each.kind == "time":
            found = times(self._segments.text, start, length, self._time_zone)
            self._unparsed(findings.TIME_INVALID, values, slot, found.bad)
            names = (each.name, f"{each.name}_precision", f"{each.name}_offset")
            return dict(zip(names, found[:3], strict=True))
        parse = integers if each.kind == "integer" else numbers
        if each.kind == "integer":
            length = np.where(length > _LONGEST_SET_ID, 0, length)
        number, bad = parse(self._segments.text, start, length)
        self._unparsed(findings.NUMBER_INVALID, values, slot, bad)
        return {each.name: number}

    def _unparsed(self, code: str, values: Values, slot: int, bad: npt.NDArray[np.bool_]) -> None:
        if bad.any():
            self._findings.unparsed(code, self._segments, values, slot, bad)

    @cached_property
    def _facility(self) -> Values:
        """Where MSH-4.1 of each message stands."""
        headers = self._of_kind["MSH"]
        facility = make_layout([Slot("facility", "text", ("MSH-4.1",))])
        found = find_values(self._segments, facility, {"MSH": headers}, self._relations.each_message)
        found.length[found.length > LONGEST] = 0
        return found

    def _default_authority(self, values: Values) -> None:
        """Identifiers whose assigning authority is not sent, or an explicit null, get the sending facility for it."""
        for slot, named in values.layout.authorities.items():
            if not values.totals[named].any():
                continue
            values.clear([slot, *named])
            rows = without_authority(self._segments.text, values.start, values.length, slot, named)
            if len(rows) and self._facility.totals[0]:
                message = values.message[rows]
                values.start[slot, rows] = self._facility.start[0, message]
                values.length[slot, rows] = self._facility.length[0, message]
                values.totals[slot] += int(self._facility.length[0, message].sum())
                values.escaped[slot] |= self._facility.escaped[0]

    # What is derived

    def _message_columns(self, lead: Positions) -> Columns:
        frame, segments = self._frame, self._segments
        counts = np.diff(lead, append=np.int32(len(segments.name)))
        self._findings.add(findings.CHARSET_ASSUMED, "MSH-18", lead[np.flatnonzero(frame.charset_assumed)])
        return {
            "charset": self._told.column(spread(pa.array(charsets.NAMES), frame.charset.astype(np.int32))),
            "structure": structures(segments.name, counts, self._told),
            "segments": pa.array(counts),
        }

    @cached_property
    def _identifiers(self) -> Identifiers:
        pids = self._of_kind["PID"]
        return find_identifiers(self._segments, pids, layout(IDENTIFIERS), self._default_authority, self._told)

    @cached_property
    def _patient_of_row(self) -> Positions:
        """For each row of hl7v2_patients the place of its PID segment among those of the chunk, NONE without one."""
        pids = self._of_kind["PID"]
        places = by_row(np.arange(len(pids), dtype=np.int32), self._relations.row[pids], len(self._lead(PATIENTS)))
        return np.append(places, np.int32(NONE))

    @cached_property
    def _pid_in_each_row(self) -> bool:
        """Whether the rows of hl7v2_patients are the PID segments."""
        return np.array_equal(self._of_kind["PID"], self._lead(PATIENTS))

    @cached_property
    def _pid_in_each_message(self) -> bool:
        """Whether every message has one PID segment."""
        return self._relations.message_of(self._of_kind["PID"]) is self._relations.each_message

    @cached_property
    def _assembly(self) -> Assembly:
        return Assembly(self._frame, self._keys, self._told)

    @cached_property
    def _keys(self) -> pa.StringArray:
        """text[p]: the key of each PID segment, null where it has no identifier."""
        return self._identifiers.keys(self._told)

    def _patient_columns(self, lead: Positions) -> Columns:
        found, pids = self._identifiers, self._of_kind["PID"]
        self._findings.add(findings.PATIENT_ID_MISSING, "PID-3", pids[np.flatnonzero(~validity(self._keys))])
        self._findings.add(findings.PATIENT_ID_SEVERAL, "PID-3", pids[np.flatnonzero(found.several)])
        message = self._relations.message_of(pids)
        another = np.flatnonzero(message[1:] == message[:-1]) + 1
        self._findings.add(findings.PATIENT_SEVERAL, "PID", pids[another[np.diff(another, prepend=-1) > 1]])
        if not len(pids) or not len(found.patient):
            return {}
        chosen = found.chosen
        if not self._pid_in_each_row:
            place = self._patient_of_row[:-1]
            chosen = np.where(place >= 0, chosen[place], np.int32(NONE))
        columns = {**found.columns, "type": found.type}
        names = {"patient_id": "identifier", "patient_id_authority": "authority", "patient_id_type": "type"}
        return {own: taken(columns[name], chosen) for own, name in names.items() if name in columns}

    def _identifier_table(self) -> pa.Table:
        found = self._identifiers
        fields = pa.array([f"PID-{field}" for field in range(max(FIELDS) + 1)])
        own = {
            **self._all_parsed(found.values),
            **found.columns,
            "position": self._told.column(spread(fields, found.field)),
            "repetition": pa.array(found.repetition),
            "type": found.type,
            "category": found.category,
        }
        return self._assembled(IDENTIFIERS, own, found.segment)

    def _order_columns(self, lead: Positions) -> Columns:
        own: Columns = {}
        for kind, name in (("ORC", "orc_index"), ("OBR", "obr_index")):
            segments = self._of_kind[kind]
            if len(segments):
                at = np.full(len(lead), NONE, np.int32)
                at[self._relations.row[segments]] = self._relations.index(segments)
                own[name] = _present(at)
        return own

    @cached_property
    def _order_index(self) -> Positions:
        """The place in its message of the first segment of each order, and NONE behind them for no order."""
        return np.append(self._relations.index(self._lead(ORDERS)), NONE).astype(np.int32)

    def _order_of(self, lead: Positions) -> Columns:
        if not len(self._lead(ORDERS)):
            return {}
        return {"order_index": _present(picked(self._order_index, picked(self._relations.owners.order, lead)))}

    def _specimen_of(self, lead: Positions) -> Columns:
        if not len(self._of_kind["SPM"]):
            return {}
        specimen = picked(self._relations.owners.specimen, lead)
        return {"specimen_index": _present(np.where(specimen >= 0, self._relations.index(specimen), NONE))}

    def _observation_columns(self, values: Values, lead: Positions) -> Columns:
        obx = {"OBX": values.sources["OBX"]} if "OBX" in values.sources else {}
        for slot, each in enumerate(values.layout.slots):
            if values.totals[slot] and not each.positions[0].startswith("OBX"):
                values.length[slot] *= values.length[slot] <= _LONGEST_REPEATED
        own = [values.layout.slot(name) for name in ("value_type", "code", "alternate_code", "units")]
        telling = texts(self._segments, values, own)
        derived = observations.typed(self._segments, values, telling, self._time_zone, self._told)
        value = values.layout.slot("value")
        self._unparsed(findings.NUMBER_INVALID, values, value, derived.bad_number)
        self._unparsed(findings.TIME_INVALID, values, value, derived.bad_time)
        self._reports = lead[derived.report] if obx else lead[:0]
        located = {**self._located(values, without=own), **telling}
        if "reference_range" in located:
            located["reference_range_category"] = reference_range.categories(located["reference_range"], self._told)
        return {
            **located,
            **derived.columns,
            **self._order_of(lead),
            **self._specimen_of(lead),
        }

    def _pharmacy_columns(self, lead: Positions) -> Columns:
        return {**self._segment_name(lead), **self._order_of(lead)}

    def _segment_name(self, lead: Positions) -> Columns:
        return {"segment": self._told.column(segment_names(self._segments.name[lead]))}

    def _note_lines(self) -> Positions:
        return np.sort(np.concatenate([self._of_kind["NTE"], self._reports])).astype(np.int32)

    def _note_columns(self, lead: Positions) -> Columns:
        parent = self._parents(lead)
        has = parent >= 0
        names = segment_names(self._segments.name[np.where(has, parent, 0)])
        return {
            **self._segment_name(lead),
            "parent_segment": names.column(names.values).take(pa.array(np.arange(len(lead)), mask=~has)),
            "parent_index": _present(np.where(has, self._relations.index(parent), NONE)),
            **self._order_of(lead),
        }

    def _finding_table(self) -> pa.Table:
        self._findings.of_lines(self._segments)
        places, own = self._findings.columns(self._segments, self._relations, self._told)
        return self._assembled(FINDINGS, own, places)

    def _assembled(self, table: str, own: Columns, lead: Positions, message: Positions | None = None) -> pa.Table:
        """The table of rows that begin at those segments, of those messages."""
        if message is None:
            message = self._relations.message_of(lead)
        if table != MESSAGES and table != FINDINGS and table != SEGMENTS:
            own = {**own, "segment_index": pa.array(self._relations.index(lead, message))}
        return self._assembly.table(table, own, message, self._patient(lead, message))

    def _patient(self, lead: Positions, message: Positions) -> Positions:
        """The place of the PID segment that each of some segments of those messages belongs to, NONE for none."""
        if self._pid_in_each_message:
            return message
        row: Positions = picked(self._relations.owners.patient, lead)
        place: Positions = row if self._pid_in_each_row else picked(self._patient_of_row, row)
        return place


def _present(at: npt.NDArray[np.integer]) -> pa.Array:
    """int32, null where it is NONE."""
    return number_array(at.astype(np.int32, copy=False), at >= 0)
