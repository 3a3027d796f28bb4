"""`clinray tables`: the tables of a format, with the category of every column."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.console import AsJson, command, emit, say
from jobs.console import table as print_table


@command
def tables(
    name: Annotated[str | None, typer.Argument(help="A table, for its columns.", show_default=False)] = None,
    format_: Annotated[str, typer.Option("--format", help="Connector.")] = "hl7v2",
    as_json: AsJson = False,
) -> int:
    """The tables of a format, or the columns of one: type, PHI category, what it holds.

    Examples:

      clinray tables

      clinray tables hl7v2_observations
    """
    from connectors.errors import ConfigError
    from connectors.registry import connector

    specs = connector(format_).tables
    if name is not None and name not in specs:
        raise ConfigError("TABLE_UNKNOWN", f"{format_} has no table {name}; it has {', '.join(specs)}")
    if as_json:
        chosen = [specs[name]] if name else specs.values()
        emit(
            {
                "tables": {
                    spec.name: [
                        {"name": c.name, "type": str(c.type), "category": c.category.value, "position": c.position}
                        for c in spec.columns
                    ]
                    for spec in chosen
                }
            }
        )
    elif name is None:
        print_table(("table", "columns", "what"), [(s.name, len(s.columns), s.description) for s in specs.values()])
    else:
        say(specs[name].description)
        say()
        rows = [(c.name, str(c.type), c.category.value, c.position, c.description) for c in specs[name].columns]
        print_table(("column", "type", "category", "position", "what"), rows)
    return 0
