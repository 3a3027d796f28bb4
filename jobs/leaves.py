"""What a task hands back about its bundle: no row of data, a few hundred bytes and some for each object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from connectors.lake.parts import Part
from jobs.outcomes import Packed


@dataclass(frozen=True, slots=True)
class Leaves:
    """What became of a bundle.

    parts: every part that was written. outcomes: of its objects, or of the range of one. rows: table → rows.
    envelopes: contract.ENVELOPES of ranges of split objects, for whom the declared counts are checked when all ranges
    are known.
    """

    index: int
    identity: str
    parts: tuple[Part, ...]
    outcomes: Packed
    rows: Mapping[str, int] = field(default_factory=dict)
    envelopes: pa.Table | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


def together(index: int, identity: str, several: Iterable[Leaves]) -> Leaves:
    """The leaves of the parts of one bundle as those of the whole."""
    leaves = list(several)
    rows: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for leaf in leaves:
        for name, count in leaf.rows.items():
            rows[name] = rows.get(name, 0) + count
        for name, spent in leaf.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + spent
    envelopes = [leaf.envelopes for leaf in leaves if leaf.envelopes is not None]
    return Leaves(
        index,
        identity,
        tuple(p for leaf in leaves for p in leaf.parts),
        Packed.of(pa.concat_tables([leaf.outcomes.table() for leaf in leaves])),
        rows,
        pa.concat_tables(envelopes) if envelopes else None,
        seconds,
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit of work that could not be done: its objects are deferred, unless `stops` ends the run.

    code: of the error. place: type of the error and where it was raised, without its text. stops: the class of the
    error says that the run cannot go on (access or configuration); `message` is its
    sentence, `access` its class.
    """

    index: int
    code: str
    place: str
    stops: bool = False
    access: bool = False
    message: str = ""
