"""The whole way of a bundle, without Ray: fetch, frame, parse, validate, de-identify, parts, leaves.

Everything happens in one task, so that identified data never crosses Ray's object store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from connectors.errors import AccessError, ClinrayError, ConfigError
from jobs.console import where
from jobs.group import process_parts
from jobs.intake import PieceLost
from jobs.leaves import Failure, Leaves, together
from jobs.outcomes import Packed, SpanOutcome, table_of
from jobs.passage import Passage
from jobs.plan import Bundle
from jobs.work import Known, Work

UNEXPECTED = "UNEXPECTED"


def process(bundle: Bundle, work: Work, known: Known | None = None) -> Leaves:
    """Everything that becomes of a bundle; its parts are in the lake when this returns.

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


def guarded(bundle: Bundle, work: Work, known: Known | None = None) -> Leaves | Failure:
    """`process` for a task: whatever is raised becomes a Failure without content."""
    try:
        return process_parts(bundle, work, known) if bundle.parts else process(bundle, work, known)
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
