"""The whole way of a bundle, without Ray: fetch, frame, parse, validate, de-identify, parts, leaves.

Everything happens in one task, so that identified data never crosses Ray's object store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from connectors.errors import AccessError, ClinrayError, ConfigError
from jobs.console import where
from jobs.group import process_parts
from jobs.intake import PieceLost
from jobs.leaves import Failure, Leaves, together
from jobs.outcomes import Packed, SpanOutcome, table_of
from jobs.passage import Begun, Passage
from jobs.plan import Bundle
from jobs.work import Known, Work

UNEXPECTED = "UNEXPECTED"
T = TypeVar("T")


def process(bundle: Bundle, work: Work, known: Known | None = None) -> Leaves:
    """Everything that becomes of a bundle; its parts are in the lake when this returns. Raises as `begin`."""
    return begin(bundle, work, known).finished()


def begin(bundle: Bundle, work: Work, known: Known | None = None) -> Begun:
    """Everything that becomes of a bundle; its parts are on their way to the lake when this returns.

    An object that cannot be had is deferred, one that cannot be read at all is quarantined, and the others go on:
    if it fails after rows of it were taken, the bundle begins again without it.
    Raises AccessError and ConfigError, which stop the run.
    """
    set_aside: dict[int, SpanOutcome] = {}
    while True:
        try:
            return Passage(bundle, work, known, set_aside).run()
        except PieceLost as lost:
            set_aside = {**set_aside, lost.ordinal: lost.outcome}


def one_by_one(bundle: Bundle, work: Work, known: Known | None, step: Callable[..., Leaves] = process) -> Leaves:
    """The bundle's objects each alone, after the whole failed for a reason nobody foresaw.

    The objects that fail again are deferred with the code UNEXPECTED, so that one of them never costs the others.
    """
    several = []
    for span in bundle.spans:
        alone = replace(bundle, spans=(span,))
        try:
            several.append(step(alone, work, known))
        except (AccessError, ConfigError):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a task: what is raised may hold content
            outcome = SpanOutcome(span.object, span.start, span.end, "deferred", code=UNEXPECTED, place=where(error))
            several.append(Leaves(bundle.index, alone.identity, (), Packed.of(table_of([outcome]))))
    return together(bundle.index, bundle.identity, several)


def in_turn(bundles: Iterable[Bundle], work: Work, known: Known | None = None) -> Iterator[Leaves | Failure]:
    """`process` of one bundle after the other, for a task: whatever is raised becomes a Failure without content.

    While the parts of a bundle are on their way to the store the next one is worked on; what became of a bundle comes
    out when its parts are there.
    """
    before: Callable[[], Leaves | Failure] | None = None
    for bundle in bundles:
        following = _begun(bundle, work, known)
        if before is not None:
            yield before()
        before = following
    if before is not None:
        yield before()


def _begun(bundle: Bundle, work: Work, known: Known | None) -> Callable[[], Leaves | Failure]:
    """Works on a bundle; gives what waits for its parts."""
    step = process_parts if bundle.parts else begin
    begun = _guarded(bundle, work, known, lambda: step(bundle, work, known))
    if isinstance(begun, Begun):
        return lambda: _guarded(bundle, work, known, begun.finished)
    return lambda: begun


def _guarded(bundle: Bundle, work: Work, known: Known | None, step: Callable[[], T]) -> T | Leaves | Failure:
    try:
        return step()
    except ClinrayError as error:
        return failure(bundle, error)
    except Exception as error:  # noqa: BLE001 - the boundary of a task: what is raised may hold content
        return _apart(bundle, work, known, where(error))


def _apart(bundle: Bundle, work: Work, known: Known | None, place: str) -> Leaves | Failure:
    if len(bundle.spans) == 1:
        return Failure(bundle.index, UNEXPECTED, place)
    try:
        return one_by_one(bundle, work, known)
    except ClinrayError as error:
        return failure(bundle, error)


def failure(bundle: Bundle, error: ClinrayError) -> Failure:
    """What a task says of an error that ended it."""
    access = isinstance(error, AccessError)
    return Failure(
        bundle.index, error.code, where(error), access or isinstance(error, ConfigError), access, error.message
    )
