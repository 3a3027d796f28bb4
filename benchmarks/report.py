"""Rows → results.json, RESULTS.md and results.svg."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib import metadata
from math import log10
from pathlib import Path

from benchmarks.rows import Row

PACKAGES = ("ray", "pyarrow", "numpy", "numba", "deltalake", "obstore", "cryptography", "hl7", "boto3")
HELD_BACK = "held_back.json"
"""Of the folder of the results: the beginning of a work → what holds it back on that machine."""


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    return {
        "processor": _processor(),
        "processors used": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def write(rows: Sequence[Row], scale: str, folder: Path) -> None:
    """The three files of a run, in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    measured_on = machine()
    said = {"machine": measured_on, "scale": scale, "rows": [row.as_json() for row in rows]}
    (folder / "results.json").write_text(json.dumps(said, indent=2) + "\n")
    (folder / "results.svg").write_text(plot(rows))
    causes = folder / HELD_BACK
    held_back = json.loads(causes.read_text()) if causes.exists() else {}
    (folder / "RESULTS.md").write_text(page(rows, scale, measured_on, held_back))


def page(rows: Sequence[Row], scale: str, measured_on: Mapping[str, str], held_back: Mapping[str, str]) -> str:
    """RESULTS.md."""
    lines = ["# Clinray measured", ""]
    lines += ["Every side runs as processes of its own, in alternation, in the same run; figures are medians and the"]
    lines += ["spread is the smallest and largest ratio of a round. `make bench` measures again.", ""]
    if scale != "full":
        lines += ["**This is a run at small scale: it shows that everything works, not how fast.**", ""]
    lines += [
        "![Ratio over reach, a bar a row](results.svg)",
        "",
        "| work | against | ratio | reach | reached | spread |",
    ]
    lines += ["|---|---|---:|---:|:-:|---|"]
    lines += [_line(row) for row in rows]
    lines += ["", "## How each was measured", ""]
    lines += [f"- **{row.work}**, against {row.peer}: {_values(row)}{row.note or 'no note'}." for row in rows]
    if short := [row for row in rows if row.reached is False]:
        lines += ["", "## What is not reached, by how much, and what holds it back", ""]
        lines += [f"- **{row.work}**, against {row.peer}: {_missing(row)}. {_cause(row, held_back)}" for row in short]
    lines += ["", "## The machine", ""]
    lines += [f"- {name}: {value}" for name, value in measured_on.items()]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    bound = f"{row.reach:g} or less" if row.at_most else f"{row.reach:g}"
    if row.ratio is None:
        return f"| {row.work} | {row.peer} | – | {bound} | – | {row.note.split(':')[0]} |"
    spread = f"{row.spread[0]:.2f} to {row.spread[1]:.2f}" if row.spread else "–"
    return f"| {row.work} | {row.peer} | {row.ratio:.2f} | {bound} | {'yes' if row.reached else 'no'} | {spread} |"


def _values(row: Row) -> str:
    if row.ours is None:
        return ""
    theirs = "" if row.peers_value is None else f" against {row.peers_value:.4g}"
    return f"{row.ours:.4g}{theirs} {row.unit}; "


def _missing(row: Row) -> str:
    assert row.ratio is not None
    if row.at_most:
        return (
            f"{row.ratio:.2f} where {row.reach:g} or less is asked, {100 * (row.ratio / row.reach - 1):.0f} % too much"
        )
    return f"{row.ratio:.2f} of {row.reach:g}, {100 * row.ratio / row.reach:.0f} % of the way"


def _cause(row: Row, held_back: Mapping[str, str]) -> str:
    cause = next((cause for start, cause in held_back.items() if row.work.startswith(start)), "")
    return cause or "Not profiled in this run."


BAR, GAP, LEFT, WIDTH = 20, 12, 620, 420


def plot(rows: Sequence[Row]) -> str:
    """A bar a row: how far beyond (right) or short of (left of the line) its reach, on a logarithmic scale."""
    shown = [row for row in rows if row.ratio]
    scores = [row.reach / row.ratio if row.at_most else row.ratio / row.reach for row in shown if row.ratio]
    low, high = min([0.5, *scores]), max([2.0, *scores])

    def x(score: float) -> float:
        return LEFT + WIDTH * (log10(score) - log10(low)) / (log10(high) - log10(low))

    height = (BAR + GAP) * len(shown) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 160} {height}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for at, (row, score) in enumerate(zip(shown, scores, strict=True)):
        parts += _bar(row, score, 40 + at * (BAR + GAP), x)
    parts += [
        f'<line x1="{x(1):.1f}" y1="28" x2="{x(1):.1f}" y2="{height - 12}" stroke="#333" stroke-dasharray="4 3"/>',
        f'<text x="{x(1):.1f}" y="20" text-anchor="middle" fill="#333">reach</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bar(row: Row, score: float, top: int, x: Callable[[float], float]) -> list[str]:
    left, right = sorted((x(1), x(score)))
    colour = "#2a7f62" if row.reached else "#c8553d"
    label = escape(_short(f"{row.work} / {row.peer}"))
    figure = f"{row.ratio:.2f} (reach {'≤ ' if row.at_most else ''}{row.reach:g})"
    return [
        f'<text x="{LEFT - 10}" y="{top + 14}" text-anchor="end" fill="#222">{label}</text>',
        f'<rect x="{left:.1f}" y="{top}" width="{max(right - left, 1):.1f}" height="{BAR}" fill="{colour}"/>',
        f'<text x="{right + 6:.1f}" y="{top + 14}" fill="#222">{figure}</text>',
    ]


def _short(text: str) -> str:
    return text if len(text) <= 92 else text[:45] + " … " + text[-44:]
