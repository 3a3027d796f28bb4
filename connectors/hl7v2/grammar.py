"""Which orders of segments a message structure allows: a position automaton made from a one-line grammar.

A grammar is a sequence of segment names and groups in parentheses; `?`, `*` and `+` behind one of them stand for
optional, any number, and at least one. Construction after Glushkov (1961): every name in the grammar is a state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(r"[A-Z][A-Z0-9]{2}|[()?*+]")


@dataclass(frozen=True)
class _Part:
    """A part of a grammar: its states that may come first and last, and whether it may be empty."""

    first: frozenset[int]
    last: frozenset[int]
    empty: bool


@dataclass(frozen=True)
class Grammar:
    """A compiled grammar.

    names: segment name of each state. first: states a message may begin with. follow: for each state, those that may
    come next. required: segments without which no message is whole, in the grammar's order.
    Required segments are checked apart, so any state may be passed over where it stands in `follow`.
    """

    names: tuple[str, ...]
    first: frozenset[int]
    follow: tuple[frozenset[int], ...]
    required: tuple[str, ...]

    def misplaced(self, segments: Sequence[str]) -> int:
        """The index of the first segment that may not stand where it does, or -1."""
        states = self.first
        for index, segment in enumerate(segments):
            here = [state for state in states if self.names[state] == segment]
            if not here:
                return index
            states = frozenset().union(*(self.follow[state] for state in here))
        return -1


def parse(grammar: str) -> Grammar:
    """Compiles a grammar in which no segment that is `required` may hold up the order of the others."""
    return _Reader(_TOKEN.findall(grammar)).grammar()


class _Reader:
    """Reads the tokens of a grammar from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._names: list[str] = []
        self._follow: list[set[int]] = []
        self._required: list[str] = []

    def grammar(self) -> Grammar:
        whole = self._sequence(required=True)
        follow = tuple(frozenset(states) for states in self._follow)
        return Grammar(tuple(self._names), whole.first, follow, tuple(self._required))

    def _sequence(self, required: bool) -> _Part:
        """A sequence up to its closing parenthesis or the end. Every item of it may be absent."""
        part = _Part(frozenset(), frozenset(), True)
        while self._at < len(self._tokens) and self._tokens[self._at] != ")":
            item = self._item(required)
            self._join(part.last, item.first)
            part = _Part(part.first | item.first, part.last | item.last, True)
        return part

    def _item(self, required: bool) -> _Part:
        token = self._take()
        needed = required and not self._optional_behind()
        part = self._group(needed) if token == "(" else self._state(token, needed)
        if self._at < len(self._tokens) and self._tokens[self._at] in "?*+":
            mark = self._take()
            if mark != "?":
                self._join(part.last, part.first)
        return part

    def _group(self, required: bool) -> _Part:
        part = self._sequence(required)
        self._take()
        return part

    def _state(self, name: str, required: bool) -> _Part:
        state = len(self._names)
        self._names.append(name)
        self._follow.append(set())
        if required and name not in self._required:
            self._required.append(name)
        return _Part(frozenset({state}), frozenset({state}), False)

    def _optional_behind(self) -> bool:
        """Whether the item whose first token was just taken is marked as optional."""
        depth = 1 if self._tokens[self._at - 1] == "(" else 0
        at = self._at
        while depth:
            depth += {"(": 1, ")": -1}.get(self._tokens[at], 0)
            at += 1
        return at < len(self._tokens) and self._tokens[at] in "?*"

    def _join(self, before: frozenset[int], after: frozenset[int]) -> None:
        for state in before:
            self._follow[state] |= after

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]


def expand(structure: str) -> Iterator[tuple[str, int]]:
    """The segments of a run-collapsed structure ("MSH PID OBX+") and their indices in the message.

    A run is given as one segment. The index is -1 behind a run, whose length the structure does not tell.
    """
    known = True
    for index, token in enumerate(structure.split(" ")):
        yield token[:3], index if known else -1
        known = known and not token.endswith("+")
