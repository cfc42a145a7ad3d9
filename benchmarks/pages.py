"""``python -m benchmarks.pages``: how long the server takes for each page of the admin, beside a million workflows.

PostgreSQL with ``--workflows`` of them, and long journals of ``--steps`` steps: one after the other, all side by side,
ended and running, and each tried three times. Prints the median and the worst of ``--times`` requests, in milliseconds,
statements and bytes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from typing import Any
from uuid import UUID

from tests.postgres import PostgresServer

LONG = {
    "in a row": UUID(int=0x7000_8000_0000_0000_0001 | 0x019A_0000_0000 << 80),
    "side by side": UUID(int=0x7000_8000_0000_0000_0002 | 0x019A_0000_0000 << 80),
    "running": UUID(int=0x7000_8000_0000_0000_0003 | 0x019A_0000_0000 << 80),
    "tried again": UUID(int=0x7000_8000_0000_0000_0004 | 0x019A_0000_0000 << 80),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--workflows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--profile", help="the name of a page to profile instead")
    asked = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "DJANGO_WORKFLOWS_TEST_DB": "postgres"}
    url = os.environ.get("DATABASE_URL")
    if url:
        _measure(url, asked)
        return
    with PostgresServer(shared_buffers="256MB", max_wal_size="4GB") as server:
        _measure(server.dsn, asked)


def _measure(url: str, asked: argparse.Namespace) -> None:
    os.environ["DATABASE_URL"] = url
    import django

    django.setup()
    from django.core.management import call_command

    from django_workflows.models import Step, Workflow

    call_command("migrate", verbosity=0)
    if Workflow.objects.count() < asked.workflows:
        print("filling ...", file=sys.stderr, flush=True)  # noqa: T201
        fill_workflows(asked.workflows)
        fill_steps()
    if not Step.objects.filter(workflow_id=LONG["in a row"]).exists():
        fill_journals(asked.steps)
    _look(asked.times, asked.profile)


def fill_workflows(count: int) -> None:
    """A year of them, one in a hundred failed, one in a thousand in progress."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO django_workflows_workflow (id, name, state, args, result, problem, generation, version,
                delivered, journal_bytes, deliveries, claimed_by, queue, priority, idempotency_key, on_complete, depth,
                continuations, reopened, created_at, started_at, finished_at, trace)
            SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' ||
                    lpad(to_hex(number), 12, '0'))::uuid,
                'shop.workflows.' || (ARRAY['order', 'invoice', 'refund', 'import', 'report'])[1 + number %% 5], state,
                '{}', 'null', '', 1, 3, 3, 100, 0, '', '', 0, CASE WHEN number %% 10 = 0 THEN 'order-' || number END,
                '', 0, 0, false, at, at, CASE WHEN state <> 'in_progress' THEN at + number %% 600 * interval '1 s' END,
                ''
            FROM (
                SELECT number, now() - (%s - number) * interval '31 s' AS at, CASE
                    WHEN number %% 1000 = 7 THEN 'in_progress' WHEN number %% 100 = 3 THEN 'failed'
                    ELSE 'completed' END AS state
                FROM generate_series(1, %s) AS number
            ) AS made""",
            [count, count],
        )
        cursor.execute("ANALYZE django_workflows_workflow")


def fill_steps() -> None:
    """Each of them did one step; who is in progress waits for an event, or was tried in vain and will be again."""
    from django.db import connection

    with connection.cursor() as cursor:
        for number, kind, name, state, chosen in _STEPS:
            cursor.execute(
                f"""
                INSERT INTO django_workflows_step (workflow_id, number, kind, name, function, args, options, state,
                    attempt, failures, claimed_by, result, progress, queue, priority, pool, created_at, queued_at,
                    started_at, finished_at, due_at)
                SELECT id, %s, %s, %s, %s, '{{}}', '{{}}', %s, 1, CASE WHEN %s = 'queued' THEN %s ELSE '[]' END, '',
                    CASE WHEN %s = 'completed' THEN 'null' END, '', '', 0, '', created_at, created_at, created_at,
                    CASE WHEN %s = 'completed' THEN created_at END,
                    CASE WHEN %s = 'queued' THEN now() + interval '1 day' END
                FROM django_workflows_workflow WHERE {chosen}""",
                [number, kind, name, name, state, state, _FAILURES, state, state, state],
            )
        cursor.execute("ANALYZE django_workflows_step")


_STEPS = [
    (0, "action", "shop.steps.fetch", "completed", "true"),
    (1, "event", "approval", "waiting", "state = 'in_progress' AND name < 'shop.workflows.order'"),
    (1, "action", "shop.steps.charge", "queued", "state = 'in_progress' AND name >= 'shop.workflows.order'"),
]


def fill_journals(count: int) -> None:
    """The workflows of ``LONG``, each with a journal of ``count`` steps."""
    from django.db import connection

    with connection.cursor() as cursor:
        for kind, workflow_id in LONG.items():
            _fill_journal(cursor, kind, workflow_id, count)
        cursor.execute("ANALYZE")


def _fill_journal(cursor: Any, kind: str, workflow_id: UUID, count: int) -> None:
    state = "in_progress" if kind == "running" else "completed"
    cursor.execute(
        """
        INSERT INTO django_workflows_workflow (id, name, state, args, result, problem, generation, version, delivered,
            journal_bytes, deliveries, claimed_by, queue, priority, on_complete, depth, continuations, reopened,
            created_at, started_at, finished_at, trace)
        VALUES (%s, 'shop.workflows.long', %s, '{}', NULL, '', 1, 3, 3, 100, 0, '', '', 0, '', 0, 0, false,
            now() - interval '1 hour', now() - interval '1 hour', CASE WHEN %s = 'completed' THEN now() END, '')""",
        [workflow_id, state, state],
    )
    step_state = "CASE WHEN number < %s / 2 THEN 'completed' ELSE 'running' END" if kind == "running" else "'completed'"
    failures = _FAILURES if kind == "tried again" else "[]"
    cursor.execute(
        f"""
        INSERT INTO django_workflows_step (workflow_id, number, kind, name, function, args, options, state, attempt,
            failures, claimed_by, result, progress, queue, priority, pool, created_at, queued_at, started_at,
            finished_at, due_at)
        SELECT %s, number, 'action', 'shop.steps.' || CASE WHEN %s THEN 'resize' ELSE (
                ARRAY['fetch', 'parse', 'check'])[1 + number %% 3] END,
            'shop.steps.work', '{{"number": ' || number || ', "text": "' || repeat('x', 100) || '"}}', '{{}}', state,
            %s, %s, 'host:4711', CASE WHEN state = 'completed' THEN '42' END, '', '', 0, '',
            CASE WHEN %s THEN now() - interval '1 hour' ELSE at END, at, at + interval '20 ms',
            CASE WHEN state = 'completed' THEN at + interval '120 ms' END,
            CASE WHEN state = 'running' THEN now() + interval '1 day' END
        FROM (
            SELECT number, now() - interval '1 hour' + number * interval '300 ms' AS at, {step_state} AS state
            FROM generate_series(0, %s - 1) AS number
        ) AS made""",
        [
            workflow_id,
            kind in ("side by side", "running"),
            3 if kind == "tried again" else 1,
            failures,
            kind in ("side by side", "running"),
            *([count] if kind == "running" else []),
            count,
        ],
    )


_FAILURES = (
    '[{"type": "shop.errors.Busy", "message": "try later", "traceback": "'
    + 'File \\"shop/steps.py\\", line 10, in work\\n' * 20
    + '", "queued_at": "2026-01-01T00:00:00+00:00", "started_at": "2026-01-01T00:00:00+00:00", '
    '"finished_at": "2026-01-01T00:00:01+00:00"}]'
)


def _look(times: int, profiled: str | None) -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client

    user, _made = get_user_model().objects.get_or_create(username="chief", is_superuser=True, is_staff=True)
    client = Client()
    client.force_login(user)
    for name, (path, headers) in _pages(client).items():
        if profiled == name:
            _profile(client, path, headers)
        if not profiled:
            print(_line(name, client, path, headers, times), flush=True)  # noqa: T201


def _pages(client: Any) -> dict[str, tuple[str, dict[str, str]]]:
    admin = "/admin/django_workflows/workflow/"
    found: dict[str, tuple[str, dict[str, str]]] = {
        "list": (admin, {}),
        "list, failed": (f"{admin}?state=failed", {}),
        "list, of a name": (f"{admin}?name=shop.workflows.refund", {}),
        "list, searched by key": (f"{admin}?q=order-77", {}),
        "list, its last page": (f"{admin}?p=100", {}),
        "list, waiting in vain": (f"{admin}?attention=retrying", {}),
        "list, failed today": (f"{admin}?attention=failed", {}),
        "list, with children": (f"{admin}?started_by=any", {}),
        "dashboard": (f"{admin}dashboard/", {}),
        "patches": (f"{admin}patches/", {}),
        "what can be started": (f"{admin}start/", {}),
        "workers": ("/admin/django_workflows/worker/", {}),
        "pools": ("/admin/django_workflows/pool/", {}),
    }
    for kind, workflow_id in LONG.items():
        found[f"page, {kind}"] = (f"{admin}{workflow_id}/change/", {})
        found[f"live, {kind}"] = (f"{admin}{workflow_id}/live/", {})
        tag = client.get(f"{admin}{workflow_id}/live/").headers["ETag"]
        found[f"live unchanged, {kind}"] = (f"{admin}{workflow_id}/live/", {"If-None-Match": tag})
        found[f"svg, {kind}"] = (f"{admin}{workflow_id}/timeline.svg", {})
    row, group, running = LONG["in a row"], LONG["side by side"], LONG["running"]
    found["restart form, in a row"] = (f"{admin}{row}/act/restart/", {})
    found["event form, running"] = (f"{admin}{running}/act/send-event/", {})
    found["cancel form, running"] = (f"{admin}{running}/act/cancel/", {})
    found["last page, in a row"] = (f"{admin}{row}/change/?p=200", {})
    found["group, side by side"] = (f"{admin}{group}/change/?group=0&p=100", {})
    return found


def _line(name: str, client: Any, path: str, headers: dict[str, str], times: int) -> str:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        response = client.get(path, headers=headers)
    statements = len(queries)
    assert response.status_code in (200, 304), response
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        client.get(path, headers=headers)
        taken.append((time.perf_counter() - began) * 1000)
    median, worst = statistics.median(taken), max(taken)
    size = len(response.content)
    return f"{name:32}{median:8.1f} ms{worst:8.1f} ms{statements:5} statements{size:10,} bytes"


def _profile(client: Any, path: str, headers: dict[str, str]) -> None:
    import cProfile
    import pstats

    client.get(path, headers=headers)
    with cProfile.Profile() as profile:
        client.get(path, headers=headers)
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    main()
