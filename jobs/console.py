"""What a command says: one JSON object or lines for a person on standard output, logs and errors on standard error."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, ParamSpec

import typer
from typer.exceptions import TyperException

from connectors.errors import AccessError, ClinrayError, ConfigError, ExitCode
from jobs.flag_groups import spread

P = ParamSpec("P")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
LogFormat = Annotated[str, typer.Option("--log-format", help="Logs on standard error: console or json.")]


def command(function: Callable[P, int]) -> Callable[P, None]:
    """A typer command of a function that returns an exit code. No traceback reaches a user.

    Parameters may be groups of flags. An error becomes one sentence on standard error (with --json also an object on
    standard output) and its exit code.
    """

    spread_out = spread(function)

    @functools.wraps(spread_out)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            code = int(spread_out(*args, **kwargs))
            _flush()
        except BrokenPipeError:
            code = int(ExitCode.UNHEARD)
            _silence()
        except ClinrayError as error:
            code = int(error.exit_code)
            _say_error(error.code, error.message, as_json)
        except KeyboardInterrupt:
            code = int(ExitCode.INTERRUPTED)
            _say_error("INTERRUPTED", "stopped; what was committed stays, the same command goes on from there", as_json)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever is raised must not show content
            code = int(ExitCode.FAULT)
            _say_error("UNEXPECTED", f"{where(error)}; this is a fault of Clinray, not of the input", as_json)
        raise typer.Exit(code)

    return run


def start(app: typer.Typer) -> None:
    """A program, from its command line to its exit code. A line that cannot be read is a mistake like others."""
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        code = _misused(error)
    sys.exit(code)


def _misused(error: Any) -> int:
    """What is said of a command line that cannot be read, or of one that names no command. Its exit code."""
    message = str(error.format_message())
    if "\n" in message:
        error.show()  # the help, of a program or a group that was called by its name alone
        return int(error.exit_code)
    path = error.ctx.command_path if error.ctx else "clinray"
    sentence = message[:1].lower() + message[1:].rstrip(".")
    _say_error("USAGE", f"{sentence}; see {path} --help", "--json" in sys.argv)
    return int(ConfigError.exit_code)


def where(error: BaseException) -> str:
    """Type and place of an error, without its text, which may hold content."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    path = PurePath(last.filename)
    return f"{type(error).__name__} at {path.parent.name}/{path.name}:{last.lineno}"


def _say_error(code: str, message: str, as_json: bool) -> None:
    print(f"clinray: {code}: {message}", file=sys.stderr)  # noqa: T201
    if as_json:
        emit({"error": {"code": code, "message": message}})


def emit(result: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    say(json.dumps(result, ensure_ascii=False, sort_keys=False, default=str))
    _flush()


def say(line: str = "") -> None:
    """A line on standard output."""
    # Paths may hold bytes that are not UTF-8: they are written as the escapes of JSON and Python.
    with _writing():
        # Python has none where standard output was closed before it began: then nobody is to be told.
        if sys.stdout is not None:
            sys.stdout.write(line.encode("utf-8", "backslashreplace").decode() + "\n")


def _flush() -> None:
    with _writing():
        if sys.stdout is not None:
            sys.stdout.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Raises AccessError where standard output cannot be written, BrokenPipeError where its reader went away."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _silence()
        raise AccessError(
            "OUTPUT_UNWRITABLE", f"standard output cannot be written ({error.strerror}); what was committed stays"
        ) from None


def _silence() -> None:
    """What is still to be written, at the end of the program too, goes where nobody misses it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows for a person, in columns as wide as they need; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = (
        [max(map(len, column)) for column in zip(headers, *cells, strict=True)] if cells else list(map(len, headers))
    )
    numeric = [all(_is_number(row[k]) for row in cells) and bool(cells) for k in range(len(headers))]
    for row in [list(headers), ["-" * w for w in widths], *cells]:
        parts = [v.rjust(w) if right else v.ljust(w) for v, w, right in zip(row, widths, numeric, strict=True)]
        say("  ".join(parts).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").replace(".", "", 1).replace("-", "", 1).isdigit()


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = {"time": stamp, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps({**line, **getattr(record, "facts", {})}, default=str)


class _ConsoleLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        said = " ".join(f"{name}={value}" for name, value in facts.items())
        return f"{record.levelname.lower():8}{record.getMessage()} {said}".rstrip()


def set_up_logs(log_format: str, level: int = logging.WARNING) -> logging.Logger:
    """The logger of the program. Lines carry an event and facts (codes and counts), never content."""
    if log_format not in ("console", "json"):
        raise ConfigError("LOG_FORMAT", "logs are written as console or json")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format == "json" else _ConsoleLines())
    logger = logging.getLogger("clinray")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if log_format == "json" else level)
    logger.propagate = False
    return logger


def note(event: str, **facts: object) -> None:
    """A line of the program's log; facts are codes and counts."""
    logging.getLogger("clinray").info(event, extra={"facts": facts})


def done(report: Mapping[str, Any]) -> ExitCode:
    """The exit code of a run's report: objects that were deferred are left for the next run."""
    return ExitCode.DEFERRED if report["objects"]["deferred"] else ExitCode.DONE
