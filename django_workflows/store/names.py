"""Which names of definitions the stored workflows have."""

from __future__ import annotations

from .database import fetch_all
from .rows import WORKFLOW


def names(limit: int = 1000) -> list[str]:
    """The names of all stored workflows, ``limit`` of them at most."""
    return _names("", limit)


def names_in_progress(limit: int = 1000) -> list[str]:
    """The names of those in progress."""
    found = "SELECT 1 FROM {0} AS one WHERE one.name = used.name AND one.state = 'in_progress'"
    return _names(f" AND EXISTS ({found.format(WORKFLOW)})", limit)


def _names(condition: str, limit: int) -> list[str]:
    # Steps from name to name through the index, instead of reading all workflows.
    rows = fetch_all(f"""
        WITH RECURSIVE used (name) AS (
            SELECT (SELECT min(name) FROM {WORKFLOW})
            UNION ALL
            SELECT (SELECT min(name) FROM {WORKFLOW} WHERE name > used.name) FROM used WHERE used.name IS NOT NULL
        ) SELECT name FROM used WHERE name IS NOT NULL{condition} LIMIT {int(limit)}""")
    return [row[0] for row in rows]
