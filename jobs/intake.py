"""What comes into a bundle's task: the pieces of its objects, and what became of those that could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from connectors.contract import Piece, Pieces, Stretch
from connectors.errors import ClinrayError, RecordError
from connectors.storage import StorageOptions
from connectors.storage.reading import Reading
from jobs.outcomes import SpanOutcome
from jobs.plan import Span


class PieceLost(Exception):  # noqa: N818 - a signal inside a task, not an error of its own
    """An object failed after rows of it may have been taken: the bundle begins again without it."""

    def __init__(self, ordinal: int, outcome: SpanOutcome) -> None:
        super().__init__(outcome.code)
        self.ordinal = ordinal
        self.outcome = outcome


class Intake:
    """The pieces of a bundle.

    set_aside: ordinal → outcome of the spans that are not read, or could not be.
    """

    def __init__(self, spans: tuple[Span, ...], options: StorageOptions, set_aside: Mapping[int, SpanOutcome]) -> None:
        self._spans = spans
        self._ordinals = [n for n in range(len(spans)) if n not in set_aside]
        self._places = {ordinal: place for place, ordinal in enumerate(self._ordinals)}
        self._reading = Reading([spans[n] for n in self._ordinals], options)
        self.set_aside = dict(set_aside)

    def pieces(self) -> Pieces:
        """The pieces that can be had, with the ordinals of the bundle. Raises AccessError."""
        return Pieces(self._stretches())

    def _stretches(self) -> Iterator[Piece | Stretch]:
        moved = len(self._ordinals) < len(self._spans)
        for each in self._reading.pieces().stretches:
            yield self._placed(each) if moved else each
        self._note_failures()

    def _placed(self, each: Piece | Stretch) -> Piece | Stretch:
        if isinstance(each, Piece):
            return replace(each, ordinal=self._ordinals[each.ordinal])
        return replace(each, ordinals=[self._ordinals[n] for n in each.ordinals])

    def lost(self, error: ClinrayError) -> PieceLost:
        """The signal for an error that came out of a piece's blocks; raises the error if it came from elsewhere."""
        for place, failure in self._reading.failures.items():
            if failure is error:
                ordinal = self._ordinals[place]
                return PieceLost(ordinal, outcome_of(self._spans[ordinal], error, self.sha256(ordinal)))
        raise error

    def _note_failures(self) -> None:
        for place, failure in self._reading.failures.items():
            ordinal = self._ordinals[place]
            self.set_aside[ordinal] = outcome_of(self._spans[ordinal], failure, self.sha256(ordinal))

    def sha256(self, ordinal: int) -> bytes:
        """The hash of the stored bytes of a span (see Reading.hashed); empty if they were not all read."""
        place = self._places.get(ordinal)
        return b"" if place is None else self._reading.hashed().get(place, b"")


def outcome_of(span: Span, error: ClinrayError, sha256: bytes) -> SpanOutcome:
    """A span that cannot be decoded is quarantined whole, as one record; one that cannot be had is deferred."""
    if not isinstance(error, RecordError):
        return SpanOutcome(span.object, span.start, span.end, "deferred", code=error.code)
    size = span.object.size
    return SpanOutcome(
        span.object,
        span.start,
        span.end,
        "quarantined",
        code=error.code,
        sha256=sha256,
        read=1,
        quarantined=1,
        quarantined_bytes=size,
    )
