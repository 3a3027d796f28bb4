"""A row of the results: one piece of work, ours against a peer."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """ratio: the peer's cost over ours, or for rows that ask for "at most" ours over the peer's; None if not run.

    reach: the ratio to reach; at_most: whether it must stay below. spread: the smallest and largest ratio of a round.
    ours, peers_value: medians, in `unit`. note: how it was measured, or why it was not.
    """

    work: str
    peer: str
    ratio: float | None
    reach: float
    spread: tuple[float, float] | None = None
    ours: float | None = None
    peers_value: float | None = None
    unit: str = "s"
    note: str = ""
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        if self.ratio is None:
            return None
        return self.ratio <= self.reach if self.at_most else self.ratio >= self.reach

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "reached": self.reached}


def not_run(work: str, peer: str, reach: float, why: str, at_most: bool = False) -> Row:
    return Row(work, peer, None, reach, note=f"not run: {why}", at_most=at_most)
