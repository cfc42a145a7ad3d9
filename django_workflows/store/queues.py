"""Which queues hold work, now or later."""

from __future__ import annotations

from .database import fetch_all
from .rows import STEP, WORKFLOW
from .workflows import live


def queues_in_use() -> list[str]:
    """The queues that hold work which is due, falls due some time, or is being done; names as rows have them."""
    found: set[str] = set()
    for table in (WORKFLOW, STEP):
        # Steps from queue to queue through the index, instead of reading all that sleeps.
        rows = fetch_all(f"""
            WITH RECURSIVE used (queue) AS (
                SELECT (SELECT min(queue) FROM {table} WHERE {live(table)})
                UNION ALL
                SELECT (SELECT min(queue) FROM {table} WHERE {live(table)} AND queue > used.queue)
                FROM used WHERE used.queue IS NOT NULL
            ) SELECT queue FROM used WHERE queue IS NOT NULL""")
        found.update(row[0] for row in rows)
    return sorted(found)
