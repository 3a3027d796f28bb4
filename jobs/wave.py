"""A wave of bundles: worked on, settled, balanced, committed; what another run took first is left to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import AccessError, ConfigError, LimitExceeded
from connectors.lake import DoneIndex, Draft, Entry, Lake, LostRace, Part, PartsGone
from jobs.console import note
from jobs.envelope_parts import envelope_parts
from jobs.inputs import Settled, counts, settle
from jobs.leaves import Failure, Leaves
from jobs.metrics import Meters, NoMeters, of_leaves, of_wave
from jobs.outcomes import MET_AGAIN, Packed, SpanOutcome, by_value, table_of, total
from jobs.plan import Bundle
from jobs.progress import Progress
from jobs.work import Known, Work

REFUSED = "OBJECT_REFUSED"
Counts = dict[str, dict[str, int]]
Execute = Callable[[Iterable[Bundle], Work, Known | None], Iterator[Leaves | Failure]]


@dataclass
class Wave:
    """Bundles on their way to one entry of the log; it changes when others commit first.

    done: objects of the listing that are in the log. planned: number of the log's head that the plan knows of.
    """

    bundles: list[Bundle]
    done: int
    planned: int
    leaves: dict[int, Leaves] = field(default_factory=dict)
    known: Known | None = None

    def settled(self) -> Settled:
        """What became of its objects."""
        return settle(list(self.leaves.values()))


@dataclass(frozen=True)
class Committed:
    """What a wave came to. entry: None where there was nothing to commit. met_again: of records that stood in the
    quarantine, how many stand there still and how many do not."""

    entry: Entry | None
    counts: Counts
    tables: dict[str, int]
    codes: dict[str, int]
    places: frozenset[str]
    seconds: dict[str, float]
    met_again: dict[str, int]


@dataclass(frozen=True)
class Committer:
    """Takes waves to the lake.

    draft: from what was settled and its counts to the draft of an entry. known: what stands under the keys that come
    again.
    """

    lake: Lake
    work: Work
    execute: Execute
    draft: Callable[[Settled, Counts], Draft]
    known: Callable[[Sequence[Bundle]], Known | None]
    max_quarantine: float | None
    progress: Progress
    meters: Meters = field(default_factory=NoMeters)

    def commit(self, waves: Iterable[Wave]) -> list[Committed]:
        """Work on the bundles of each wave until an entry holds them, or others took them all.

        Nothing is committed where none of the objects may be read, as far as the first wave goes.
        With a limit of quarantined records the first entry is made when all waves were worked on and the limit holds
        for the run. Raises LimitExceeded, and then nothing is committed; AccessError, ConfigError, FaultError,
        LakeError and TransientError, and then the waves that were committed before stay.
        """
        reached = _reached(self._worked_on(wave) for wave in waves)
        if self.max_quarantine is None:
            return [_told(self._commit(wave)) for wave in reached]
        worked = list(reached)
        self._check_limit(self.max_quarantine, [wave.settled().outcomes for wave in worked])
        return [_told(self._commit(wave)) for wave in worked]

    def _worked_on(self, wave: Wave) -> Wave:
        self._work_on(wave, wave.bundles)
        return wave

    def _commit(self, wave: Wave) -> Committed:
        while True:
            settled = wave.settled()
            counted = counts(settled.outcomes, wave.done)
            if not counted["objects"]["written"] + counted["objects"]["quarantined"]:
                self.meters.record(of_wave(settled.outcomes, self.work.format, committed=False))
                return _committed(None, settled, counted)
            try:
                entry = self.lake.commit(self._drafted(wave, settled, counted))
                self.meters.record(of_wave(settled.outcomes, self.work.format, committed=True))
                return _committed(entry, settled, counted)
            except LostRace:
                note("race lost", planned=wave.planned, head=self.lake.head()[0])
                wave.planned = self.lake.head()[0]
                self._work_on(wave, self._left(wave))
            except PartsGone as gone:
                note("parts gone", parts=len(gone.paths))
                lost = set(gone.paths)
                hit = {n for n, leaf in wave.leaves.items() if any(p.path in lost for p in leaf.parts)}
                self._work_on(wave, [b for b in wave.bundles if b.index in hit])

    def _drafted(self, wave: Wave, settled: Settled, counted: Counts) -> Draft:
        parts = [part for leaf in settled.leaves for part in leaf.parts] + list(
            envelope_parts(settled.leaves, self.work)
        )
        return replace(self.draft(settled, counted), parts=parts, tables=_rows(parts), planned=wave.planned)

    def _work_on(self, wave: Wave, bundles: Sequence[Bundle]) -> None:
        wave.known = self.known(wave.bundles)
        by_index = {bundle.index: bundle for bundle in bundles}
        for result in self.execute(bundles, self.work, wave.known):
            bundle = by_index[result.index]
            leaves = wave.leaves[bundle.index] = _leaves(result, bundle)
            self.meters.record(of_leaves(leaves, self.work.format))
            self.progress.advance(1)

    def _left(self, wave: Wave) -> list[Bundle]:
        """What is to be done again after others committed: bundles without the objects they took, and those of keys
        of which they wrote another version."""
        done = self.lake.done(self.work.zone)
        changed = []
        kept = []
        for bundle in wave.bundles:
            shrunk = _without_done(bundle, done)
            if shrunk is not bundle:
                wave.leaves.pop(bundle.index)
                wave.done += _objects(bundle) - (_objects(shrunk) if shrunk else 0)
                changed += [shrunk] if shrunk else []
            kept += [shrunk] if shrunk else []
        wave.bundles = kept
        return changed

    def _check_limit(self, limit: float, outcomes: Sequence[pa.Table]) -> None:
        read, quarantined = (sum(total(table, name) for table in outcomes) for name in ("read", "quarantined"))
        if quarantined <= limit * read:
            return
        raise LimitExceeded(
            "QUARANTINE_LIMIT",
            f"{quarantined} of {read} records would be quarantined, more than the limit of {limit:g} of them; "
            "nothing was committed",
        )


def _reached(worked: Iterable[Wave]) -> Iterator[Wave]:
    """The waves. Raises AccessError where nothing that was listed may be read: the run's rights are wrong."""
    for number, wave in enumerate(worked):
        if number == 0 and not wave.done and not any(leaf.parts for leaf in wave.leaves.values()):
            _check_refused(wave.settled().outcomes)
        yield wave


def _check_refused(outcomes: pa.Table) -> None:
    refused = pc.sum(pc.equal(outcomes["code"], REFUSED)).as_py() or 0
    if refused and refused == outcomes.num_rows:
        raise none_readable(refused, outcomes["uri"][0].as_py())


def none_readable(objects: int, first: str) -> AccessError:
    """What stops a run whose objects are all refused."""
    sentence = f"none of {objects} objects may be read, {first} the first: check credentials and rights"
    return AccessError("STORE_REFUSED", sentence)


def _told(committed: Committed) -> Committed:
    """The same, after a line of the log about it."""
    entry = committed.entry.number if committed.entry is not None else None
    note("committed", entry=entry, **committed.counts, deferred=committed.codes, tables=committed.tables)
    return committed


def _objects(bundle: Bundle) -> int:
    """Objects that a bundle brings to the count: of a split one, the range that begins it."""
    return sum(span.start == 0 for span in bundle.spans)


def _without_done(bundle: Bundle, done: DoneIndex) -> Bundle | None:
    """The same bundle, or one without what is done and with what came again, or None where nothing is left."""
    uris = pa.array([s.object.uri for s in bundle.spans], pa.string())
    versions = pa.array([s.object.version for s in bundle.spans], pa.string())
    new, known = done.new(uris, versions), done.known_key(uris)
    spans = tuple(
        span._replace(again=span.again or bool(k)) for span, n, k in zip(bundle.spans, new, known, strict=True) if n
    )
    if spans == bundle.spans:
        return bundle
    return replace(bundle, spans=spans) if spans else None


def _leaves(result: Leaves | Failure, bundle: Bundle) -> Leaves:
    """The leaves of a bundle; those of one that failed defer its objects. Raises what stops the run."""
    if isinstance(result, Leaves):
        return result
    if result.stops:
        kind = AccessError if result.access else ConfigError
        raise kind(result.code, result.message)
    outcomes = (
        SpanOutcome(s.object, s.start, s.end, "deferred", code=result.code, place=result.place) for s in bundle.spans
    )
    return Leaves(bundle.index, bundle.identity, (), Packed.of(table_of(outcomes)))


def _rows(parts: Iterable[Part]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for part in parts:
        rows[part.table] = rows.get(part.table, 0) + part.rows
    return rows


def _committed(entry: Entry | None, settled: Settled, counted: Counts) -> Committed:
    seconds: dict[str, float] = {}
    for leaf in settled.leaves:
        for name, spent in leaf.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + spent
    outcomes = settled.outcomes
    codes = by_value(outcomes.filter(pc.equal(outcomes["outcome"], "deferred"))["code"])
    places = frozenset(by_value(outcomes["place"]))
    met_again = {name: total(outcomes, name) for name in MET_AGAIN}
    return Committed(entry, counted, dict(entry.tables) if entry else {}, codes, places, seconds, met_again)
