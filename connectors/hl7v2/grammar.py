"""Which orders of segments a message structure allows: two position automata made from a one-line grammar.

A grammar is a sequence of segment names and groups in parentheses; `?`, `*` and `+` behind one of them stand for
optional, any number, and at least one. Construction after Glushkov (1961): every name in the grammar is a state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

OPEN, CLOSE, MARKS = "(", ")", "?*+"
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{2}|[()?*+]")


@dataclass(frozen=True)
class Automaton:
    """names: segment name of each state. first: states a message may begin with. follow: for each state those that may
    come next. last: states a message may end with."""

    names: tuple[str, ...]
    first: frozenset[int]
    follow: tuple[frozenset[int], ...]
    last: frozenset[int]

    def stops_at(self, segments: Sequence[str]) -> int:
        """The index of the first segment that may not stand where it does, len(segments) if more had to come, or -1."""
        states, here = self.first, self.last
        for index, segment in enumerate(segments):
            here = frozenset(state for state in states if self.names[state] == segment)
            if not here:
                return index
            states = frozenset().union(*(self.follow[state] for state in here))
        return -1 if here & self.last else len(segments)


@dataclass(frozen=True)
class Grammar:
    """A compiled grammar.

    order: allows every segment to be absent, so it stops only where the order is wrong. whole: the grammar as it is
    written. required: segments without which no message is whole, in the grammar's order.
    """

    order: Automaton
    whole: Automaton
    required: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """Every segment that the grammar knows."""
        return frozenset(self.whole.names)


def parse(grammar: str) -> Grammar:
    """Compiles a grammar, which must be well-formed (those of structures.csv are tested to be)."""
    symbols = _SYMBOL.findall(grammar)
    whole = _Reader(symbols, all_optional=False)
    return Grammar(_Reader(symbols, all_optional=True).automaton(), whole.automaton(), tuple(whole.required))


@dataclass(frozen=True)
class _Part:
    """A part of a grammar: its states that may come first and last, and whether it may be absent."""

    first: frozenset[int]
    last: frozenset[int]
    optional: bool

    def then(self, item: _Part) -> _Part:
        first = self.first | item.first if self.optional else self.first
        last = self.last | item.last if item.optional else item.last
        return _Part(first, last, self.optional and item.optional)


class _Reader:
    """Reads the symbols of a grammar from left to right."""

    def __init__(self, symbols: list[str], all_optional: bool) -> None:
        self._symbols = symbols
        self._all_optional = all_optional
        self._at = 0
        self._names: list[str] = []
        self._follow: list[set[int]] = []
        self.required: list[str] = []

    def automaton(self) -> Automaton:
        part = self._sequence(needed=True)
        return Automaton(tuple(self._names), part.first, tuple(frozenset(each) for each in self._follow), part.last)

    def _sequence(self, needed: bool) -> _Part:
        """A sequence up to its closing parenthesis or the end."""
        part = _Part(frozenset(), frozenset(), True)
        while self._at < len(self._symbols) and self._symbols[self._at] != CLOSE:
            item = self._item(needed)
            self._join(part.last, item.first)
            part = part.then(item)
        return part

    def _item(self, needed: bool) -> _Part:
        symbol = self._symbols[self._at]
        mark = self._mark_behind()
        needed = needed and mark not in ("?", "*")
        self._at += 1
        part = self._sequence(needed) if symbol == OPEN else self._state(symbol, needed)
        self._at += (symbol == OPEN) + (mark != "")
        if mark in ("*", "+"):
            self._join(part.last, part.first)
        return _Part(part.first, part.last, part.optional or self._all_optional or mark in ("?", "*"))

    def _state(self, name: str, needed: bool) -> _Part:
        state = frozenset({len(self._names)})
        self._names.append(name)
        self._follow.append(set())
        if needed and name not in self.required:
            self.required.append(name)
        return _Part(state, state, False)

    def _mark_behind(self) -> str:
        """The mark behind the item that begins here, or an empty text."""
        at, depth = self._at, 0
        while True:
            depth += {OPEN: 1, CLOSE: -1}.get(self._symbols[at], 0)
            at += 1
            if not depth:
                break
        return self._symbols[at] if at < len(self._symbols) and self._symbols[at] in MARKS else ""

    def _join(self, before: frozenset[int], after: frozenset[int]) -> None:
        for state in before:
            self._follow[state] |= after


def expand(structure: str) -> Iterator[tuple[str, int]]:
    """The segments of a run-collapsed structure ("MSH PID OBX+") and their indices in the message.

    Of a run the first two are given: more say nothing about order. The index is -1 behind a run, whose length the
    structure does not tell.
    """
    index = 0
    for collapsed in structure.split(" "):
        yield collapsed[:3], index
        if index >= 0:
            index += 1
        if collapsed.endswith("+"):
            yield collapsed[:3], index
            index = -1
