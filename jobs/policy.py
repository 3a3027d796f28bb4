"""`clinray policy`: what the privacy policies do."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.console import AsJson, command, emit, say, table

app = typer.Typer(help="List the privacy policies and show what one does.", no_args_is_help=True)


@app.command("list")
@command
def list_policies(as_json: AsJson = False) -> int:
    """The shipped policies.

    Example: clinray policy list --json
    """
    from jobs.privacy import policy

    policies = [policy.load(name) for name in policy.names()]
    if as_json:
        emit({"policies": [{"name": p.name, "version": p.version, "digest": p.digest} for p in policies]})
    else:
        table(("policy", "version", "legal basis"), [(p.name, p.version, p.legal_basis) for p in policies])
    return 0


@app.command("show")
@command
def show(name: Annotated[str, typer.Argument(help="A shipped name or a YAML file.")], as_json: AsJson = False) -> int:
    """What a policy does to each category.

    Example: clinray policy show hipaa-limited-data-set
    """
    from jobs.privacy import policy

    chosen = policy.load(name)
    rows = policy.describe(chosen)
    if as_json:
        emit({"name": chosen.name, "digest": chosen.digest, "actions": [list(row) for row in rows]})
        return 0
    say(f"{chosen.name} {chosen.version}: {chosen.legal_basis}")
    say(chosen.description.strip())
    say()
    table(("category", "meaning", "law", "action", "what is left"), rows)
    return 0
