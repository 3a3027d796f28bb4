"""`python -m k8s COMMAND`: submit, watch and gate the RayJobs of a pipeline."""

from __future__ import annotations

import typer

from jobs.console import start
from k8s.cancelling import cancel
from k8s.doctor import doctor
from k8s.logs import logs
from k8s.submitting import submit
from k8s.watching import runner, wait

app = typer.Typer(
    name="clinray-k8s",
    help="Clinray on Kubernetes: submit, watch and gate RayJobs. It reads the same chart as Helm.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(submit)
app.command()(wait)
app.command()(logs)
app.command()(cancel)
app.command()(runner)
app.command()(doctor)


def main() -> None:
    """The program."""
    start(app)


if __name__ == "__main__":
    main()
