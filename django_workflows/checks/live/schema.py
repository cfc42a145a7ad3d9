"""Whether the database answers, and has the tables that this code needs."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error
from django.db import Error as DatabaseError
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from ...store.database import alias

_APPS = ("django_workflows", "django_q")


def check_schema() -> Iterator[CheckMessage]:
    """E030: the journal's database does not answer; E031: migrations that are yet to be applied."""
    connection = connections[alias()]
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        yield Error(
            f"The database {alias()!r} does not answer: {' '.join(str(error).split())[:300]}",
            hint="Start it, or mend DATABASES. Workflows go on by themselves when it is back.",
            id="django_workflows.E030",
        )
        return
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] in _APPS]
    missing = [f"{each.app_label}.{each.name}" for each, _ in executor.migration_plan(targets)]
    if missing:
        yield Error(
            f"Migrations are yet to be applied to {alias()!r}: {', '.join(missing)}.",
            hint=f"python manage.py migrate --database {alias()}. The code that runs goes on working meanwhile.",
            id="django_workflows.E031",
        )
