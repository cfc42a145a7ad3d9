"""Metrics: what Prometheus reads is what the database holds, at a bounded cost, for those who may."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from django_workflows.engine.live import live_handlers
from django_workflows.engine.worker import Worker
from django_workflows.models import Workflow
from django_workflows.store import metrics as store
from tests.app.workflows import asks_approval, fails, nothing, parallel
from tests.engine.driver import advance, finish, reset_clock, run

TOKEN = "a token for the tests"
OPEN_METRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture(autouse=True)
def engine(transactional_db: None) -> Iterator[None]:
    live_handlers.clear()
    yield
    live_handlers.clear()
    reset_clock()


@override_settings(DJANGO_WORKFLOWS={"METRICS_TOKEN": TOKEN})
def scraped(client: Client, **headers: str) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of their labels: of workflow, state, queue and bound."""
    response = client.get("/metrics/", headers={"Authorization": f"Bearer {TOKEN}", **headers})
    assert response.status_code == 200
    parse = openmetrics if "openmetrics" in response.headers["Content-Type"] else plain
    samples = (sample for family in parse(response.text) for sample in family.samples)
    return {
        (
            each.name.removeprefix("django_workflows_"),
            *(each.labels[key] for key in ("workflow", "state", "queue", "le") if key in each.labels),
        ): each.value
        for each in samples
    }


@pytest.mark.parametrize("headers", [{}, OPEN_METRICS], ids=["text", "OpenMetrics"])
def test_workflows_are_counted_by_name_and_state(client: Client, headers: dict[str, str]) -> None:
    for _ in range(3):
        finish(nothing.start())
    finish(fails.start())
    asks_approval.start()
    run()

    found = scraped(client, **headers)
    assert found["up",] == 1
    assert found["workflows", nothing.name, "completed"] == 3
    assert found["workflows", fails.name, "failed"] == 1
    assert found["workflows", asks_approval.name, "in_progress"] == 1
    assert ("workflows", nothing.name, "failed") not in found
    assert found["open_steps", "waiting"] == 1
    assert found["open_steps", "running"] == 0
    assert 0 <= found["scrape_seconds",] < 10


def test_queues_and_workers(client: Client) -> None:
    Worker().beat()
    parallel.with_options(queue="slow").start(3)
    advance(timedelta(minutes=5))
    Worker().beat()

    found = scraped(client)
    assert found["workers", ""] == 1
    assert found["busy_workers", ""] == 0
    assert found["due", ""] == 0
    assert found["oldest_due_seconds", ""] == 0
    assert found["stalled", ""] == 0
    assert found["workers", "slow"] == 0
    assert found["due", "slow"] == 1
    assert 299 < found["oldest_due_seconds", "slow"] < 330
    assert found["stalled", "slow"] == 1
    assert found["blocked",] == 0


def test_durations_are_a_histogram_of_what_ended_lately(client: Client) -> None:
    finish(nothing.start())
    advance(timedelta(hours=2))
    slow = [asks_approval.start(timeout=2.0) for _ in range(2)]
    run()
    for workflow_id in slow:
        finish(workflow_id)

    found = scraped(client, **OPEN_METRICS)
    assert ("duration_seconds_bucket", nothing.name, "completed", "+Inf") not in found
    name = asks_approval.name
    assert found["duration_seconds_bucket", name, "completed", "1.0"] == 0
    assert found["duration_seconds_bucket", name, "completed", "5.0"] == 2
    assert found["duration_seconds_bucket", name, "completed", "+Inf"] == 2
    assert found["duration_seconds_gcount", name, "completed"] == 2
    assert 4 <= found["duration_seconds_gsum", name, "completed"] < 8


def test_counting_stops_at_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "COUNT_LIMIT", 5)
    for _ in range(8):
        nothing.start()

    assert scraped(client)["workflows", nothing.name, "in_progress"] == 5


def test_a_scrape_costs_as_many_statements_however_many_workflows_there_are(client: Client) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            scraped(client)
        return len(queries)

    finish(nothing.start())
    scraped(client)
    before = statements()
    for _ in range(20):
        finish(nothing.start())
    assert statements() == before


@pytest.mark.postgres
def test_no_statement_reads_the_whole_table(client: Client) -> None:
    """100,000 finished workflows: no sequential scan of them, and a scrape that takes less than a second."""
    now = "now() - interval '2 days'"
    columns = (
        "id, name, state, args, result, problem, generation, version, delivered, journal_bytes, deliveries, "
        "claimed_by, queue, priority, on_complete, depth, continuations, reopened, trace, created_at, "
        "started_at, finished_at"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Workflow._meta.db_table} ({columns}) SELECT gen_random_uuid(), 'old.' || (n % 3), "
            f"'completed', '{{}}', 'null', '', 1, 1, 0, 2, 0, '', '', 0, '', 0, 0, false, '', {now}, {now}, {now} "
            "FROM generate_series(1, 100000) AS n"
        )
        cursor.execute(f"ANALYZE {Workflow._meta.db_table}")
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = %s", [Workflow._meta.db_table])
        before = cursor.fetchone()[0]

    found = scraped(client)

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = %s", [Workflow._meta.db_table])
        read = cursor.fetchone()[0] - before
    assert found["workflows", "old.0", "completed"] == 10_000
    assert found["scrape_seconds",] < 1
    assert read < 100_000


def test_only_those_who_may_can_look(client: Client, django_user_model: type[User]) -> None:
    def status(**headers: str) -> int:
        return client.get("/metrics/", headers=headers).status_code

    assert status() == 403
    assert status(Authorization=f"Bearer {TOKEN}") == 403
    assert status(Authorization="Bearer ") == 403
    with override_settings(DJANGO_WORKFLOWS={"METRICS_TOKEN": TOKEN}):
        assert status(Authorization=f"Bearer {TOKEN}") == 200
        assert status(Authorization=f"bearer {TOKEN}") == 200
        assert status(Authorization=f"Bearer {TOKEN}x") == 403
        assert status(Authorization=f"Basic {TOKEN}") == 403
        assert status(Authorization="Bearer \u00e9") == 403
        assert client.post("/metrics/", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405

    user = django_user_model.objects.create_user("someone")
    client.force_login(user)
    assert status() == 403
    user.user_permissions.add(Permission.objects.get(codename="view_workflow"))
    assert status() == 200
    with override_settings(
        DJANGO_WORKFLOWS={"API_VISIBLE": "tests.api.test_permissions.only_quick", "METRICS_TOKEN": TOKEN}
    ):
        assert status() == 403, "all workflows are counted, and only some exist for this user"
        assert status(Authorization=f"Bearer {TOKEN}") == 200
        client.force_login(django_user_model.objects.create_superuser("operator"))
        assert status() == 200


@pytest.mark.parametrize("token", ["short", 7, "", "\u00e9" * 20])
def test_a_bad_token_is_a_wrong_setting(token: Any) -> None:
    from django_workflows.checks.settings import check_settings

    with override_settings(DJANGO_WORKFLOWS={"METRICS_TOKEN": token}):
        (problem,) = check_settings()
    assert problem.id == "django_workflows.E001"


DOWN = """
import django

django.setup()
from prometheus_client import CollectorRegistry, generate_latest
from django_workflows.metrics.collector import WorkflowCollector

registry = CollectorRegistry()
registry.register(WorkflowCollector())
print(generate_latest(registry).decode())
"""


def test_without_a_database_up_is_0(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing" / "database")[-60:]
    environment = {**os.environ, "DJANGO_WORKFLOWS_TEST_DB_NAME": missing, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", DOWN], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "django_workflows_up 0.0" in done.stdout
    assert "django_workflows_workflows" not in done.stdout
