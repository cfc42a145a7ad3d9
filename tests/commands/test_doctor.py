"""``doctor``: every check, and what only a database can tell, with a way out of each."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings
from django_q.models import Schedule

from django_workflows.core.registry import registry
from django_workflows.models import Workflow
from django_workflows.q2.schedules import SWEEP_NAME, ensure_sweep
from tests.app.workflows import asks_approval, nothing
from tests.cluster import Cluster
from tests.commands.conftest import Manage
from tests.engine.driver import advance, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def sweep(transactional_db: None) -> None:
    """Flushing the tables takes it away; a migration makes it."""
    from django.apps import apps

    ensure_sweep(apps.get_app_config("django_workflows"), connection.alias)


#: What is wrong with this project on purpose: handlers that cannot be replayed, a server without fsync.
ON_PURPOSE = [f"django_workflows.W0{number}" for number in (*range(10, 19), 33, 44)]
healthy = override_settings(SILENCED_SYSTEM_CHECKS=ON_PURPOSE)


def found(manage: Manage, *options: str) -> dict[str, list[dict[str, Any]]]:
    """What is wrong, by subject, whatever the exit code."""
    from io import StringIO

    out = StringIO()
    try:
        manage("doctor", "--json", *options, out=out)
    except CommandError as error:
        assert error.returncode == 1
    document = json.loads(out.getvalue())
    return {each["subject"]: each["problems"] for each in document["examined"]}


def ids(problems: list[dict[str, Any]]) -> list[str]:
    return [problem["id"].removeprefix("django_workflows.") for problem in problems]


@healthy
def test_without_workers_it_warns_and_says_what_to_start(manage: Manage) -> None:
    page = manage("doctor")

    assert "ok       settings, cluster and handlers\n" in page
    assert "ok       database and migrations\n" in page
    assert "warning  W039 idle: No worker has reported" in page
    assert "         Start one with `manage.py workflows cluster`" in page
    assert "Nothing is wrong" not in page
    assert "1 problem" in manage.error("doctor", "--fail-level", "WARNING", returncode=1)


@pytest.mark.cluster
@healthy
def test_with_a_cluster_nothing_is_wrong(manage: Manage, cluster: Callable[..., Cluster]) -> None:
    cluster()

    assert manage("doctor", "--fail-level", "WARNING").endswith("Nothing is wrong.\n")
    document = manage.json("doctor")
    assert document["ok"] is True
    assert not any(each["problems"] for each in document["examined"])


def test_work_that_nobody_takes_is_an_error(manage: Manage) -> None:
    nothing.start()
    advance(timedelta(minutes=10))

    (problem,) = found(manage)["journal"]
    assert problem["id"] == "django_workflows.E038"
    assert problem["level"] == "error"
    assert problem["message"].startswith("no_workers: ")
    assert "workflows cluster" in problem["hint"]
    assert "1 problem to be mended" in manage.error("doctor", returncode=1)


def test_blocked_workflows_are_named(manage: Manage) -> None:
    workflow_id = asks_approval.start()
    run()
    Workflow.objects.filter(id=workflow_id).update(blocked_message="the code changed", due_at=None)

    problems = found(manage)["journal"]
    (blocked,) = (each for each in problems if each["message"].startswith("blocked"))
    assert str(workflow_id) in blocked["message"]


@pytest.mark.by_hand
def test_workflows_in_progress_that_the_code_does_not_define_are_named(manage: Manage) -> None:
    asks_approval.start()
    nothing.start()
    Workflow.objects.filter(name=nothing.name).update(state="completed", name="gone but finished")
    Workflow.objects.filter(name=asks_approval.name).update(name="shop.workflows.gone")

    (problem,) = found(manage)["code"]
    assert problem["id"] == "django_workflows.W036"
    assert "shop.workflows.gone." in problem["message"]


def test_code_without_workflows_is_said_aloud(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_definitions", {})

    assert ids(found(manage)["code"]) == ["W037"]


def test_a_missing_migration_ends_the_examination(manage: Manage) -> None:
    applied = MigrationRecorder(connection).migration_qs.filter(app="django_workflows").order_by("-name")
    last = applied[0]
    MigrationRecorder(connection).record_unapplied(last.app, last.name)
    try:
        examined = found(manage)
    finally:
        MigrationRecorder(connection).record_applied(last.app, last.name)

    assert list(examined) == ["settings", "schema"]
    (problem,) = examined["schema"]
    assert problem["id"] == "django_workflows.E031"
    assert f"django_workflows.{last.name}" in problem["message"]
    assert "manage.py migrate" in problem["hint"]


def test_a_database_that_does_not_answer_is_one_error_and_no_traceback(tmp_path: Path) -> None:
    environment = {**os.environ, "DJANGO_WORKFLOWS_TEST_DB_NAME": str(tmp_path / "missing" / "database")[-60:]}
    done = subprocess.run(
        [sys.executable, "manage.py", "workflows", "doctor"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 1
    assert "error    E030 The database 'default' does not answer" in done.stdout
    assert done.stderr == "CommandError: 1 problem to be mended.\n"


def test_system_checks_are_part_of_it_and_can_be_silenced(manage: Manage) -> None:
    with override_settings(DJANGO_WORKFLOWS={"LEESE": 30}):
        (problem,) = (each for each in found(manage)["settings"] if each["id"] not in ON_PURPOSE)
        assert problem["id"] == "django_workflows.E001"
        assert "'LEASE'" in problem["message"]
        with override_settings(SILENCED_SYSTEM_CHECKS=[*ON_PURPOSE, "django_workflows.E001", "django_workflows.W039"]):
            assert not any(found(manage).values())


@pytest.mark.parametrize("how", ["deleted", "switched off"])
def test_a_missing_sweep_is_noticed(manage: Manage, how: str, settings: Any) -> None:
    if how == "deleted":
        Schedule.objects.filter(name=SWEEP_NAME).delete()
    else:
        settings.Q_CLUSTER = {**settings.Q_CLUSTER, "scheduler": False}

    assert ids(found(manage)["sweep"]) == ["W035"]


@contextmanager
def told(*statements: str) -> Iterator[None]:
    """The connection, after it was told so; a new one afterwards."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    try:
        yield
    finally:
        connection.close()


@pytest.mark.postgres
def test_a_postgresql_that_may_lose_commits(manage: Manage) -> None:
    for setting, lossy in (("off", True), ("local", False)):
        with told(f"SET synchronous_commit = {setting}"):
            (problem,) = found(manage)["durability"]  # the tests' server has no fsync, to be fast
        assert problem["id"] == "django_workflows.W033"
        assert "fsync" in problem["message"]
        assert ("synchronous_commit" in problem["message"]) is lossy


@pytest.mark.postgres
def test_a_postgresql_that_takes_no_writes(manage: Manage) -> None:
    with told("SET default_transaction_read_only = on"):
        assert "E032" in ids(found(manage)["durability"])


@pytest.mark.sqlite
def test_an_sqlite_that_may_lose_commits(manage: Manage) -> None:
    with told("PRAGMA synchronous = OFF"):
        assert ids(found(manage)["durability"]) == ["W033"]


@pytest.mark.sqlite
def test_an_sqlite_file_that_is_not_in_wal_mode(manage: Manage) -> None:
    try:
        with told("PRAGMA journal_mode = DELETE"):
            assert ids(found(manage)["durability"]) == ["W034"]
    finally:
        with told("PRAGMA journal_mode = WAL"):
            pass


@pytest.mark.parametrize("words", [("doctor", "everything"), ("doctor", "--fail-level", "INFO")])
def test_wrong_usage_is_2(manage: Manage, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "workflows", *words], cwd=ROOT, capture_output=True, timeout=300
    )
    assert done.returncode == 2
