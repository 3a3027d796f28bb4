"""`clinray STAGE …` = `python -m jobs STAGE …`."""

from __future__ import annotations

import typer

from jobs import generate, keys, lake, policy, quarantine, tables
from jobs.compile import compile_kernels
from jobs.console import start
from jobs.deidentify import deidentify
from jobs.demo import demo
from jobs.ingest import ingest
from jobs.show import show
from jobs.validate import validate

app = typer.Typer(
    name="clinray",
    help="A hospital's raw clinical data, turned into audited, de-identified tables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(generate.app, name="generate")
app.command()(ingest)
app.command()(validate)
app.command()(deidentify)
app.command()(lake.verify)
app.command()(lake.runs)
app.command()(lake.vacuum)
app.add_typer(quarantine.app, name="quarantine")
app.command()(show)
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
app.command()(tables.tables)
app.command()(demo)
app.command("compile")(compile_kernels)


def main() -> None:
    """The program."""
    start(app)


if __name__ == "__main__":
    main()
