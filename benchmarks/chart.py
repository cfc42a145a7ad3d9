"""Draws the chart of the documentation from results: ``python -m benchmarks.chart RESULTS.json CHART.svg``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_BARS = [
    ("floor", "commits_per_s", "PostgreSQL alone, commits"),
    ("ours", "actions_per_s", "django_workflows"),
    ("absurd", "actions_per_s", "Absurd"),
    ("dbos", "actions_per_s", "DBOS"),
    ("ours_sqlite", "actions_per_s", "django_workflows, SQLite"),
    ("dbos_sqlite", "actions_per_s", "DBOS, SQLite"),
]
_HEIGHT, _LEFT, _WIDTH = 28, 210, 400


def chart(medians: dict[str, dict[str, Any]]) -> str:
    """One bar for each engine: steps per second of sequential workflows."""
    bars = [(label, medians[engine][key]) for engine, key, label in _BARS if engine in medians]
    most = max(value for _, value in bars)
    rows = []
    for index, (label, value) in enumerate(bars):
        y, length = 34 + index * _HEIGHT, max(1, round(_WIDTH * value / most))
        rows.append(f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{label}</text>')
        rows.append(f'<rect x="{_LEFT}" y="{y}" width="{length}" height="20" fill="#2a6f97"/>')
        rows.append(f'<text x="{_LEFT + length + 6}" y="{y + 14}">{value:,.0f}</text>')
    height = 44 + len(bars) * _HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 80} {height}" role="img" '
        'font-family="sans-serif" font-size="13" fill="currentColor"><title>Steps per second</title>'
        f'<text x="{_LEFT}" y="20" font-weight="bold">Steps per second, 200 workflows of 10 actions</text>'
        f"{''.join(rows)}</svg>\n"
    )


if __name__ == "__main__":
    results, drawing = map(Path, sys.argv[1:3])
    drawing.write_text(chart(json.loads(results.read_text())["medians"]))
