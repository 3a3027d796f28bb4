"""A bar on standard error while a command works; nothing where standard error is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Is told what there is to do and what is done of it."""

    def total(self, amount: int, what: str) -> None: ...

    def advance(self, amount: int) -> None: ...


class Silent:
    """Shows nothing."""

    def total(self, amount: int, what: str) -> None:
        del amount, what

    def advance(self, amount: int) -> None:
        del amount


@contextmanager
def bar(quiet: bool) -> Iterator[Progress]:
    """A progress bar, unless the person asked for none or nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task("listing", total=None)

        class Drawn:
            def total(self, amount: int, what: str) -> None:
                drawn.update(task, total=amount, completed=0, description=what)

            def advance(self, amount: int) -> None:
                drawn.advance(task, amount)

        yield Drawn()
