"""Claims find due work through their partial indexes, however many rows sleep or have ended."""

import json
import uuid

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_workflows.engine.drain import drain
from django_workflows.engine.worker import Worker
from django_workflows.models import Step, Workflow
from django_workflows.store import workflows as workflow_store
from django_workflows.store.database import now
from django_workflows.store.many_claims import claim_more
from tests.app import workflows as flows
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


# -- which of them wait for the disk


def sent_by(call):
    with CaptureQueriesContext(connection) as queries:
        found = call()
    return found, [query["sql"] for query in queries.captured_queries]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "claim_turns", [workflow_store.claim_turn, lambda queue, worker: claim_more(queue, worker, 0, 5)]
)
def test_a_claim_of_turns_does_not_wait_for_the_disk_and_all_else_does(claim_turns):
    flows.nothing.start_many([()] * 2)
    found, texts = sent_by(lambda: claim_turns("", "somebody"))
    assert found
    assert "synchronous_commit" in texts[-1]
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


@pytest.mark.postgres
def test_a_claim_in_a_transaction_leaves_it_as_it_is():
    flows.nothing.start()
    with transaction.atomic():
        assert workflow_store.claim_turn("", "somebody")
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("on",)


def test_a_claim_of_a_step_waits_for_the_disk_since_it_may_not_be_claimed_twice():
    flows.parallel.start(3)
    drain(Worker(), seconds=20, stop=lambda: Step.objects.count() == 3)
    found, texts = sent_by(claim)
    assert found
    assert "synchronous_commit" not in " ".join(texts)
