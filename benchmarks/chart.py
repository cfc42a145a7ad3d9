"""Draws the chart of the documentation from results: ``python -m benchmarks.chart RESULTS.json CHART.svg``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .targets import Medians

_NAMES = {
    "ours": "django_workflows",
    "absurd": "Absurd",
    "dbos": "DBOS",
    "dbos_queue": "DBOS by queue",
    "procrastinate": "procrastinate, chains",
    "chain": "django-q2, chains",
    "ours_sqlite": "django_workflows, SQLite",
    "dbos_sqlite": "DBOS, SQLite",
}
#: A heading for each group of bars, and the figure that they show.
_GROUPS = [
    ("Steps per second, 200 workflows of 10 actions", "w1_actions_per_s", "{:,.0f}"),
    ("Start to end of a workflow of one step, median, ms (less is better)", "w2_p50_ms", "{:,.1f}"),
    ("Last of 5,000 steps with sleeps between, ms each (less is better)", "w3_naps_last_ms", "{:,.1f}"),
]
_HEIGHT, _LEFT, _WIDTH, _HEADING = 26, 210, 400, 34


def chart(medians: Medians) -> str:
    """A group of bars for each of a few figures, one bar for each engine that has it."""
    parts: list[str] = []
    y = 0
    for heading, key, form in _GROUPS:
        bars = [(label, medians[engine][key]) for engine, label in _NAMES.items() if key in medians.get(engine, {})]
        if key == "w1_actions_per_s" and "floor_per_s" in medians.get("ours", {}):
            bars.insert(0, ("PostgreSQL alone, commits", medians["ours"]["floor_per_s"]))
        parts.append(f'<text x="{_LEFT}" y="{y + 22}" font-weight="bold">{heading}</text>')
        y += _HEADING
        for label, value in bars:
            parts.append(_bar(y, label, value / max(each for _, each in bars), form.format(value)))
            y += _HEIGHT
        y += 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 80} {y}" role="img" '
        'font-family="sans-serif" font-size="13" fill="currentColor"><title>How fast each engine is</title>'
        f"{''.join(parts)}</svg>\n"
    )


def _bar(y: int, label: str, share: float, value: str) -> str:
    length = max(1, round(_WIDTH * share))
    return (
        f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{label}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{length}" height="18" fill="#2a6f97"/>'
        f'<text x="{_LEFT + length + 6}" y="{y + 14}">{value}</text>'
    )


if __name__ == "__main__":
    results, drawing = map(Path, sys.argv[1:3])
    drawing.write_text(chart(json.loads(results.read_text())["medians"]))
