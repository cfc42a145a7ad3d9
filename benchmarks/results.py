"""What was measured: a file of rounds, their medians, and tables of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .targets import Medians

#: Of each engine, the figures of each round.
Rounds = dict[str, list[dict[str, float]]]
_PACKAGES = ("absurd-sdk", "dbos", "django", "django-q2", "procrastinate", "psycopg", "psycopg-c", "psycopg-binary")


def medians_of(rounds: Rounds) -> Medians:
    """Of each figure by itself, over the rounds that have it."""
    return {engine: _medians(figures) for engine, figures in rounds.items()}


def _medians(figures: list[dict[str, float]]) -> dict[str, float]:
    keys = dict.fromkeys(key for each in figures for key in each)
    return {key: statistics.median(each[key] for each in figures if key in each) for key in keys}


def load(path: Path | None) -> Rounds:
    """The rounds of an earlier run; none if there is no such file."""
    if path is None or not path.exists():
        return {}
    found: Rounds = json.loads(path.read_text())["rounds"]
    return found


def save(path: Path, rounds: Rounds, **about: Any) -> None:
    document = {"about": {**surroundings(), **about}, "medians": medians_of(rounds), "rounds": rounds}
    path.write_text(json.dumps(document, indent=1) + "\n")


def surroundings() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def table(medians: Medians, keys: Iterable[str] = ()) -> str:
    """A column for each engine, a row for each figure, a dash where one has none."""
    rows = list(keys) or list(dict.fromkeys(key for found in medians.values() for key in found))
    width = max(map(len, rows), default=0) + 2
    lines = ["".ljust(width) + "".join(engine.rjust(14) for engine in medians)]
    for row in rows:
        cells = (f"{found[row]:,.2f}" if row in found else "-" for found in medians.values())
        lines.append(row.ljust(width) + "".join(cell.rjust(14) for cell in cells))
    return "\n".join(lines)
