"""A lake as pictures in one self-contained page."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import duckdb
import plotly.graph_objects as go
import plotly.io

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1c2b33}"
    "h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin:2rem 0 .3rem}p{margin:.3rem 0;color:#445}"
    "table{border-collapse:collapse}td,th{padding:.15rem .9rem .15rem 0;text-align:left}td.n{text-align:right}"
)


def write_report(lake: Path, out: Path) -> None:
    """Volumes by kind and hour, a laboratory value's distribution, quarantine by code, rows of each table.

    lake: a local lake with a de-identified zone. out: an HTML file that needs nothing from elsewhere.
    """
    tables = lake / "deidentified"
    with duckdb.connect() as connection:
        sections = [
            ("Messages by hour of the day", "By the kind of message.", _volumes(connection, tables)),
            ("A laboratory value", "The most frequent numeric observation.", _value(connection, tables)),
            ("Quarantine", "What could not be read, by code. No value is kept.", _quarantine(connection, lake)),
        ]
        rows = _rows(connection, tables)
    figures, script = [], "inline"
    for title, text, figure in sections:
        drawn = plotly.io.to_html(figure, full_html=False, include_plotlyjs=script, div_id=title.split()[0].lower())
        figures.append(f"<h2>{html.escape(title)}</h2><p>{html.escape(text)}</p>{drawn}")
        script = False  # type: ignore[assignment]
    body = "".join(figures) + _table(rows)
    out.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Clinray report</title><style>{STYLE}</style>"
        f"<h1>What the lake holds</h1><p>Synthetic data, de-identified.</p>{body}</html>",
        encoding="utf-8",
    )


def _query(connection: duckdb.DuckDBPyConnection, sql: str, files: Path) -> list[tuple[Any, ...]]:
    """Rows of a query over the Parquet files that match; none where there is no file."""
    if not any(files.parent.glob(files.name)):
        return []
    return connection.execute(sql, [str(files)]).fetchall()


def _layout(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_layout(
        template="plotly_white", height=360, margin={"l": 60, "r": 20, "t": 20, "b": 50}, xaxis_title=x, yaxis_title=y
    )
    return figure


def _volumes(connection: duckdb.DuckDBPyConnection, tables: Path) -> go.Figure:
    sql = """SELECT concat_ws('^', message_type, trigger_event) AS kind, hour(message_time AT TIME ZONE 'UTC') AS h,
        count(*) FROM read_parquet(?) WHERE message_time IS NOT NULL GROUP BY ALL ORDER BY ALL"""
    found = _query(connection, sql, tables / "hl7v2_messages" / "*.parquet")
    figure = go.Figure()
    for kind in sorted({row[0] for row in found}):
        counts = {hour: count for name, hour, count in found if name == kind}
        figure.add_bar(x=list(range(24)), y=[counts.get(hour, 0) for hour in range(24)], name=kind)
    figure.update_layout(barmode="stack")
    return _layout(figure, "hour (UTC)", "messages")


def _value(connection: duckdb.DuckDBPyConnection, tables: Path) -> go.Figure:
    files = tables / "hl7v2_observations" / "*.parquet"
    top = _query(
        connection,
        """SELECT code, any_value(units), count(*) AS n FROM read_parquet(?) WHERE value_number IS NOT NULL
        GROUP BY code ORDER BY n DESC, code LIMIT 1""",
        files,
    )
    figure = go.Figure()
    if not top:
        return _layout(figure, "value", "observations")
    code, units, _ = top[0]
    values = connection.execute(
        "SELECT value_number FROM read_parquet(?) WHERE code = ? AND value_number IS NOT NULL", [str(files), code]
    ).fetchall()
    figure.add_histogram(x=[value for (value,) in values], nbinsx=60, name=str(code))
    return _layout(figure, f"{code} ({units or 'no unit'})", "observations")


def _quarantine(connection: duckdb.DuckDBPyConnection, lake: Path) -> go.Figure:
    sql = "SELECT code, sum(records) AS n FROM read_parquet(?) GROUP BY code ORDER BY n, code"
    found = _query(connection, sql, lake / "restricted" / "quarantine" / "*.parquet")
    figure = go.Figure()
    figure.add_bar(x=[int(n) for _, n in found], y=[code for code, _ in found], orientation="h")
    return _layout(figure, "records", "")


def _rows(connection: duckdb.DuckDBPyConnection, tables: Path) -> list[tuple[str, int]]:
    counted = []
    for folder in sorted(path for path in tables.iterdir() if path.is_dir()):
        found = _query(connection, "SELECT count(*) FROM read_parquet(?)", folder / "*.parquet")
        counted.append((folder.name, int(found[0][0]) if found else 0))
    return counted


def _table(rows: list[tuple[str, int]]) -> str:
    lines = "".join(f"<tr><td>{html.escape(name)}</td><td class=n>{count:,}</td></tr>" for name, count in rows)
    return f"<h2>Tables</h2><table><tr><th>table</th><th>rows</th></tr>{lines}</table>"
