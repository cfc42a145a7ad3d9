"""Queries: they read one state of the database, and write nothing."""

import pytest
from django.db import OperationalError, connection

from django_workflows import Completed
from django_workflows.engine.advance import take_turn
from django_workflows.engine.drain import drain
from django_workflows.engine.run_step import run_step
from django_workflows.engine.worker import Worker
from django_workflows.testing import WorkflowTester
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.battery.batches import side_by_side
from tests.engine.driver import claim, finish

workflow = flows.workflow


def start(function, **options):
    return flows.call.start("query", function, {}, options)


@pytest.mark.parametrize("function", ["count_effects", "count_effects_async"])
@pytest.mark.parametrize("inline", [False, True])
def test_a_query_reads(function, inline):
    Effect.objects.create(key="k")
    assert finish(start(function, inline=inline)) == Completed(1)


@pytest.mark.parametrize("inline", [False, True])
def test_a_write_in_a_query_fails_and_changes_nothing(inline):
    workflow_id = start("write_in_query", inline=inline)
    status = finish(workflow_id)
    assert status.type == "failed"
    assert "read" in status.error.lower()
    assert not Effect.objects.exists()


@pytest.mark.parametrize("inline", [False, True])
def test_an_async_write_in_a_query_fails(inline):
    workflow_id = flows.call.start("query", "insert_effect_async", {"key": "k"}, {"inline": inline})
    assert finish(workflow_id).type == "failed"
    assert not Effect.objects.exists()


@pytest.mark.parametrize("inline", [False, True])
def test_writing_is_allowed_again_after_a_query(inline):
    workflow_id = flows.reads_then_writes.start("k", inline)
    assert finish(workflow_id) == Completed([0, 1])
    Effect.objects.create(key="another")


@pytest.mark.parametrize("inline", [False, True])
def test_writing_is_allowed_again_after_a_query_that_failed(inline):
    workflow_id = flows.fails_reading_then_writes.start("k", inline)
    assert finish(workflow_id) == Completed("k")
    assert Effect.objects.get().key == "k"


def test_a_query_sees_one_state_while_others_commit(elsewhere):
    def commit_elsewhere():
        elsewhere(lambda: Effect.objects.create(key="meanwhile"))

    steps.hooks.append(commit_elsewhere)
    assert finish(start("count_twice")) == Completed([0, 0])
    assert Effect.objects.count() == 1


def alone():
    drain(Worker(), seconds=20)


def in_a_batch():
    with side_by_side():
        drain(Worker(batches=True), seconds=20)


def by_a_tester():
    with WorkflowTester() as workflows:
        workflows.run()


@pytest.mark.postgres
@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("run", [alone, in_a_batch, by_a_tester])
def test_a_query_whose_connection_is_lost_is_run_again(elsewhere, run, inline):
    """It is the database that was away, and not the query that is wrong; nothing of it is to be undone."""

    def terminate(pid):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    def lose_it_once():
        steps.hooks.clear()
        elsewhere(terminate, connection.connection.info.backend_pid)

    steps.hooks.append(lose_it_once)
    ids = [start("count_twice", inline=inline) for _ in range(3)]
    run()
    assert [workflow.status(each) for each in ids] == [Completed([0, 0])] * 3
    assert steps.hooks == []


def test_a_query_that_finds_no_connection_is_run_again(monkeypatch):
    """The database is away as it begins, and has been since before."""
    workflow_id = start("count_effects")
    take_turn(workflow_id, None, None)
    step, connect, refused = claim(), connection.get_new_connection, []

    def refuse_twice(params):
        if len(refused) < 2:
            refused.append(params)
            raise OperationalError("connection is bad: Connection refused")
        return connect(params)

    connection.close()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "get_new_connection", refuse_twice)
        run_step(step, None)
    assert len(refused) == 2
    assert finish(workflow_id) == Completed(0)


@pytest.mark.postgres
def test_a_query_is_repeatable_read_and_read_only():
    assert finish(start("transaction_settings")) == Completed(["repeatable read", "on"])
    assert steps.transaction_settings() == ["read committed", "off"]


@pytest.mark.sqlite
def test_a_query_takes_no_write_lock(elsewhere):
    steps.hooks.append(lambda: elsewhere(lambda: Effect.objects.create(key="meanwhile")))
    assert finish(start("count_twice")).type == "completed"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only")
        assert cursor.fetchone() == (0,)
