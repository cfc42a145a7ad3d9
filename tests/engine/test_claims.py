"""Claims find due work through their partial indexes, however many rows sleep or have ended."""

import json
import uuid

import pytest
from django.db import connection

from django_workflows.models import Step, Workflow
from django_workflows.store import workflows as workflow_store
from django_workflows.store.database import now
from tests.engine.driver import claim

SLEEPING = 3000


@pytest.fixture
def crowd():
    """Thousands of workflows and steps that have ended or sleep, and one of each that is due."""
    instant = now()
    later = instant.replace(year=instant.year + 1)
    made = [
        Workflow(
            id=uuid.UUID(int=index + 1), name="tests crowd", args="{}", created_at=instant, state=state, due_at=due
        )
        for index in range(SLEEPING)
        for state, due in [("completed", None) if index % 2 else ("in_progress", later)]
    ]
    Workflow.objects.bulk_create(made)
    Step.objects.bulk_create(
        Step(
            workflow=each,
            number=number,
            kind="action",
            name="x",
            args="{}",
            state="completed" if number else "queued",
            due_at=None if number else later,
            created_at=instant,
            queued_at=instant,
        )
        for each in made
        for number in (0, 1)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    yield
    Step.objects.all().delete()
    Workflow.objects.all().delete()


def plans_of(call):
    """What the database says it does for each UPDATE of ``call``."""
    statements = []

    def keep(execute, sql, params, many, context):
        if sql.lstrip().startswith("UPDATE") or "RECURSIVE" in sql or "min(due_at)" in sql:
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        call()
    assert statements
    explain = "EXPLAIN (FORMAT JSON)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    found = []
    for sql, params in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"{explain} {sql}", params)
            found.append(json.dumps(cursor.fetchall(), default=str))
    return found


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda: workflow_store.claim_turn("", "worker"), "dwf_workflow_due"),
        (lambda: claim(), "dwf_step_due"),
    ],
    ids=["turn", "step"],
)
def test_a_claim_uses_its_partial_index(crowd, call, index):
    for plan in plans_of(call):
        assert index in plan
        assert "Seq Scan" not in plan
        assert "SCAN django_workflows" not in plan, "SQLite's word for reading a whole table"


def test_the_look_for_the_next_due_work_uses_them_too(crowd):
    workflow_store.next_due("")
    for plan in plans_of(lambda: workflow_store.next_due("")):
        assert "dwf_workflow_due" in plan
        assert "dwf_step_due" in plan
        assert "Seq Scan" not in plan


def test_the_levels_of_priority_are_found_without_reading_what_sleeps(crowd):
    workflow_store.levels._known.clear()
    for plan in plans_of(lambda: workflow_store.claim_turn("", "worker")):
        assert "dwf_workflow_due" in plan
        assert "Seq Scan" not in plan
