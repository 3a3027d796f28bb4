"""One way through a bundle: its chunks by stage into the parts of a zone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import REJECTS, Parsed, Piece
from connectors.errors import ClinrayError
from connectors.kernels.distinct import Told
from connectors.registry import connector
from connectors.storage import open_store
from connectors.storage.reading import readable
from jobs.intake import Intake
from jobs.leaves import Leaves
from jobs.names import bundle_name
from jobs.outcomes import Packed, SpanOutcome, table_of
from jobs.outlet import Outlet, quarantine_rows
from jobs.plan import Bundle
from jobs.privacy.keys import opened
from jobs.privacy.policy import canonical
from jobs.records import Written, without
from jobs.reopened import Reopened
from jobs.stages import deidentify_tables, object_findings, rejected, validate, written_schemas
from jobs.tally import Tally
from jobs.work import Known, Work

T = TypeVar("T")

VANISHED = "RECORD_VANISHED"


@dataclass(frozen=True)
class Begun:
    """What became of a bundle whose parts may be on their way to the store still. finish: waits for them,
    and holds nothing of the bundle, for the next one is worked on before."""

    leaves: Leaves
    finish: Callable[[], None]

    def finished(self) -> Leaves:
        """The leaves; every part is in the store then. Raises what a part met on its way."""
        start = time.perf_counter()
        self.finish()
        seconds = dict(self.leaves.seconds)
        seconds["write"] = seconds.get("write", 0.0) + time.perf_counter() - start
        return replace(self.leaves, seconds=seconds)


class Passage:
    """Everything a bundle's task holds while it works: readers, writers, counts."""

    def __init__(self, bundle: Bundle, work: Work, known: Known | None, set_aside: Mapping[int, SpanOutcome]) -> None:
        self._bundle = bundle
        self._work = work
        self._connector = connector(work.format)
        self._policy = canonical(work.policy) if work.policy is not None else None
        self._keys = opened(work.keys) if work.keys is not None else None
        self._tally = Tally(bundle.spans)
        self._intake = Intake(bundle.spans, work.source_options, set_aside)
        again = _again(bundle, known)
        self._name = bundle_name(bundle.identity, self._keys, again.head if again else None)
        self._names = again.names if again else {}
        self._written = Written(again.written) if again else None
        self._reopened = Reopened(again.quarantined) if again else None
        self._told = Told()
        self._outlet = Outlet(
            open_store(work.lake, work.lake_options),
            work.zone,
            self._name,
            written_schemas(self._connector, self._policy),
            work.part_bytes,
            self._told,
        )
        self._envelopes: list[pa.Table] = []
        self._seconds: dict[str, float] = {}

    def run(self) -> Begun:
        """The whole bundle. Raises PieceLost if an object fails after rows of it were taken."""
        try:
            self._read()
        except ClinrayError as error:
            raise self._intake.lost(error) from None
        self._whole_objects()
        parts = self._timed("write", self._outlet.end)
        rows: dict[str, int] = {}
        for part in parts:
            rows[part.table] = rows.get(part.table, 0) + part.rows
        split = [e for e in self._envelopes if not self._bundle.spans[0].whole]
        leaves = Leaves(
            self._bundle.index,
            self._name,
            parts,
            self._outcomes(),
            rows,
            pa.concat_tables(split) if split else None,
            self._seconds,
        )
        return Begun(leaves, self._outlet.uploads.finish)

    def _read(self) -> None:
        chunks = iter(self._connector.read(self._intake.pieces(), self._work.options))
        while (parsed := self._timed("read", lambda: next(chunks, None))) is not None:
            self._pass(parsed)

    def _timed(self, name: str, step: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return step()
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    def _outcomes(self) -> Packed:
        lost, count = self._intake.set_aside, len(self._bundle.spans)
        outcomes = self._tally.outcomes([self._intake.sha256(n) for n in range(count)])
        if lost:
            read = outcomes.filter(pa.array([n not in lost for n in range(count)], pa.bool_()))
            outcomes = pa.concat_tables([read, table_of(lost.values())])
        return Packed.of(outcomes)

    def _pass(self, parsed: Parsed) -> None:
        """A chunk: checked, quarantined, released, written."""
        self._outlet.hold()
        self._told.forget()
        if parsed.told is not None:
            self._told.learn(parsed.told)
        self._tally.add(parsed.accounts)
        if parsed.envelopes.num_rows:
            self._envelopes.append(parsed.envelopes)
        tables, rejects = self._checked(parsed)
        self._quarantine(rejects)
        released = self._timed("deidentify", lambda: self._released(tables))
        if self._written is not None:
            repeated = self._written.duplicates(released[self._connector.record_table])
            self._tally.duplicate(tables[self._connector.record_table].filter(pa.array(repeated)))
            released = without(released, self._connector.record_table, repeated)
        self._timed("write", lambda: self._outlet.write(released))

    def _checked(self, parsed: Parsed) -> tuple[Mapping[str, pa.Table], pa.Table]:
        if not self._work.validate:
            return parsed.tables, parsed.rejects
        checked = self._timed(
            "validate", lambda: validate(parsed.tables, self._connector, self._work.min_score, self._told)
        )
        if not checked.left_out.num_rows:
            return checked.tables, parsed.rejects
        self._tally.quarantine(checked.left_out)
        low = rejected(checked.left_out, self._tally.pieces(checked.left_out))
        return checked.tables, pa.concat_tables([parsed.rejects, low])

    def _released(self, tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        if self._policy is None or self._keys is None:
            return tables
        # What was written before is compared with the text of columns.
        encoded = self._written is None
        return deidentify_tables(tables, self._connector, self._policy, self._keys, self._told, encoded=encoded)

    def _quarantine(self, rejects: pa.Table) -> None:
        if self._reopened is not None and rejects.num_rows:
            repeated = pa.array(self._reopened.repeated(rejects))
            self._tally.duplicate_rejects(rejects.filter(repeated))
            rejects = rejects.filter(pc.invert(repeated))
        self._outlet.quarantine(quarantine_rows(rejects, self._work.format, self._work.zone))

    def _undecodable(self) -> None:
        """Objects that cannot be decoded, quarantined whole unless they are already."""
        for ordinal, outcome in sorted(self._intake.set_aside.items()):
            if outcome.outcome != "quarantined":
                continue
            outcome = self._intake.set_aside[ordinal] = self._counted(ordinal, outcome)
            rejects = object_rejects(ordinal, outcome)
            if self._reopened is not None and self._reopened.repeated(rejects)[0]:
                again = outcome.read
                self._intake.set_aside[ordinal] = replace(
                    outcome, quarantined=0, duplicate=again, still_quarantined=again
                )
                continue
            self._outlet.quarantine(quarantine_rows(rejects, self._work.format, self._work.zone))

    def _counted(self, ordinal: int, outcome: SpanOutcome) -> SpanOutcome:
        """The outcome with the records that can be read of the object as its count, at least one."""
        raw = outcome.object
        piece = Piece(ordinal, raw, readable(raw, self._work.source_options))
        options = replace(self._work.options, tables=frozenset({self._connector.record_table}))
        records = sum(
            pc.sum(parsed.accounts["records"]).as_py() or 0 for parsed in self._connector.read([piece], options)
        )
        return replace(outcome, read=max(records, 1), quarantined=max(records, 1))

    def _whole_objects(self) -> None:
        """What is said of objects as a whole: those that cannot be decoded, envelope counts, records that vanished."""
        self._undecodable()
        findings = []
        if self._envelopes and self._bundle.spans[0].whole:
            findings.append(self._connector.envelope_findings(pa.concat_tables(self._envelopes)))
        released = self._findings(findings)
        if self._written is not None and self._reopened is not None:
            unread = {outcome.object.uri for outcome in self._intake.set_aside.values()}
            resolved = self._reopened.resolved(unread)
            self._tally.resolve(resolved)
            self._outlet.quarantine(resolved)
            gone = self._written.vanished({self._names[uri] for uri in unread if uri in self._names})
            schema = written_schemas(self._connector, self._policy)[self._connector.findings_table]
            released.append(object_findings(gone["_object"], VANISHED, schema))
        for table in released:
            self._outlet.write({self._connector.findings_table: table})

    def _findings(self, findings: list[pa.Table]) -> list[pa.Table]:
        name = self._connector.findings_table
        return [self._released({name: table})[name] for table in findings if table.num_rows]


def _again(bundle: Bundle, known: Known | None) -> Known | None:
    """What is known of the bundle's keys that come again; None where none does."""
    uris = [span.object.uri for span in bundle.spans if span.again]
    return known.of(uris) if known is not None and uris else None


def object_rejects(ordinal: int, outcome: SpanOutcome) -> pa.Table:
    """REJECTS of an object that is quarantined whole because it cannot be decoded."""
    row = {
        "piece": ordinal,
        "code": outcome.code,
        "records": outcome.read,
        "_object": outcome.object.uri,
        "_offset": 0,
        "_length": outcome.object.size,
        "_record_id": outcome.sha256,
    }
    return pa.Table.from_pylist([row], schema=REJECTS)
