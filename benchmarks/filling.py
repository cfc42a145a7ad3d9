"""Fills a database with sleeping and finished workflows: ``python -m benchmarks.filling --sleeping N --finished N``.

One of each kind is run by a real cluster, and its rows are multiplied inside the database, with ids and instants that
spread over the last 29 days. The database's address is in the environment, as ``DATABASE_URL``.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .engines.engine import until
from .engines.ours import Ours

CHUNK = 50_000
DAYS = 29
_MONTH = 30 * 86400.0

#: Ids that sort by the time from which the copies are said to be, and how long ago that is.
_NEW = """
CREATE TEMPORARY TABLE filling ON COMMIT DROP AS
SELECT uuidv7(ago) AS id, ago FROM (
    SELECT make_interval(secs => {days} * 86400.0 * (1 - ({done} + number) / {total}.0)) * -1 AS ago
    FROM generate_series(1, {count}) AS number) AS moments
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.filling", description=__doc__)
    parser.add_argument("--sleeping", type=int, default=1_000_000)
    parser.add_argument("--finished", type=int, default=1_000_000)
    asked = parser.parse_args()
    sleeping, finished = prototypes()
    multiply(finished, asked.finished)
    multiply(sleeping, asked.sleeping)
    settle()


def prototypes() -> tuple[Any, Any]:
    """Ids of a workflow that sleeps for a month after its first step, and of one that has ended after three."""
    engine = Ours()
    from django_workflows.models import Step, Workflow

    try:
        sleeping = engine.flow("reminder").start(_MONTH)
        finished = engine.flow("actions").start(3)
        until(Step.objects.filter(workflow_id=sleeping, kind="sleep", state="waiting").exists)
        until(Workflow.objects.filter(id=finished, finished_at__isnull=False).exists)
        return sleeping, finished
    finally:
        engine.close()


def multiply(prototype: Any, count: int) -> None:
    """Copy a workflow with its steps so many times, a transaction for each chunk."""
    from django.db import connection, transaction

    for done in range(0, count, CHUNK):
        size = min(CHUNK, count - done)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_NEW.format(days=DAYS, done=done, total=count, count=size))
            for table, key in (("django_workflows_workflow", "id"), ("django_workflows_step", "workflow_id")):
                cursor.execute(_copy(cursor, table, key), [prototype])
        print(f"  {done + size:,} of {count:,}", file=sys.stderr, flush=True)  # noqa: T201


def _copy(cursor: Any, table: str, key: str) -> str:
    cursor.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s AND is_identity = 'NO'",
        [table],
    )
    columns = dict(cursor.fetchall())
    values = {
        name: f"row.{name} + filling.ago" if kind == "timestamp with time zone" else f"row.{name}"
        for name, kind in columns.items()
    } | {key: "filling.id"}
    return (
        f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} "
        f"FROM filling CROSS JOIN {table} AS row WHERE row.{key} = %s ORDER BY filling.id"
    )


def settle() -> None:
    """What autovacuum would do in the hours that these rows would have taken."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


if __name__ == "__main__":
    main()
