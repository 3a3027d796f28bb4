"""Groups of flags: a parameter of a command whose type is a dataclass stands for the fields of that class."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, ParamSpec, TypeVar, get_type_hints

P = ParamSpec("P")
R = TypeVar("R")


def spread(function: Callable[P, R]) -> Callable[P, R]:
    """The function with one keyword for each field of its groups, as typer reads it from the signature.

    A field is annotated as a parameter of a typer command is; two groups of a command share no field.
    """
    signature = inspect.signature(function, eval_str=True)
    annotated: dict[str, Any] = {name: p.annotation for name, p in signature.parameters.items()}
    groups = {name: kind for name, kind in annotated.items() if isinstance(kind, type) and is_dataclass(kind)}
    flags = [flag for p in signature.parameters.values() for flag in _flags(p)]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, Any] = dict(kwargs)
        members = {name: {f.name: given.pop(f.name) for f in fields(group)} for name, group in groups.items()}
        built = {name: group(**members[name]) for name, group in groups.items()}
        return function(*args, **given, **built)  # type: ignore[arg-type]

    call.__signature__ = signature.replace(parameters=flags)  # type: ignore[attr-defined]
    call.__annotations__ = {flag.name: flag.annotation for flag in flags} | {"return": signature.return_annotation}
    return call


def _flags(parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """The parameter itself, or those of its group, as keywords, so that one without a default may follow on any."""
    if not is_dataclass(parameter.annotation):
        yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        return
    types = get_type_hints(parameter.annotation, include_extras=True)
    for member in fields(parameter.annotation):
        default = inspect.Parameter.empty if member.default is MISSING else member.default
        yield inspect.Parameter(
            member.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[member.name]
        )
