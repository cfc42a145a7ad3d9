"""Flags of replay: kept by restarts, renewed by ``continue_as_new``, and left to those who know them."""

from __future__ import annotations

import json

import pytest
from django.db import connection

from django_workflows import Completed, InProgress, RetryPolicy, WorkflowContext
from django_workflows.core.histories import History
from django_workflows.core.logic import KNOWN
from django_workflows.core.registry import registry
from django_workflows.engine.histories import mismatch, read_history
from django_workflows.models import Workflow
from django_workflows.store import workflows
from tests.app import steps
from tests.app.workflows import asks_approval, counts_for_ever, sleeper, sums, workflow
from tests.engine.driver import advance, become_another_process, finish, reset_clock, run

NEWER = KNOWN + 1


@workflow.define(name="logic: retried later")
async def retried_later(step: WorkflowContext, name: str) -> int:
    policy = RetryPolicy(max_attempts=3, initial_backoff=30, jitter=0)
    return await step.with_options(retry=policy).run_action(steps.fail_until, name, 2)


def logic_of(workflow_id: object) -> int:
    return Workflow.objects.get(pk=workflow_id).logic


def set_logic(workflow_id: object, logic: int) -> None:
    Workflow.objects.filter(pk=workflow_id).update(logic=logic)


@pytest.fixture(autouse=True)
def clock():
    yield
    reset_clock()


def test_new_workflows_and_children_get_the_flags_of_this_version() -> None:
    assert logic_of(sums.start([1])) == KNOWN
    assert {logic_of(found) for found in sums.start_many([{"numbers": [1]}, {"numbers": [2]}])} == {KNOWN}


def test_a_row_that_an_older_version_inserts_has_none() -> None:
    field = Workflow._meta.get_field("logic")
    assert field.db_default is not None
    workflow_id = sums.start([1])
    row = Workflow.objects.filter(pk=workflow_id).values().get()
    columns = [field.column for field in Workflow._meta.concrete_fields if field.name not in ("id", "logic")]
    names = ", ".join(columns)
    other = asks_approval.start()
    Workflow.objects.filter(pk=other).delete()
    with connection.cursor() as cursor:
        put = other if connection.vendor == "postgresql" else other.hex
        key = workflow_id if connection.vendor == "postgresql" else workflow_id.hex
        table = Workflow._meta.db_table
        cursor.execute(f"INSERT INTO {table} (id, {names}) SELECT %s, {names} FROM {table} WHERE id = %s", [put, key])
    assert row["logic"] == KNOWN
    assert logic_of(other) == 0
    assert finish(other) == Completed(1)


def test_a_workflow_with_a_flag_of_a_newer_version_is_left_to_its_workers() -> None:
    ours, theirs = sums.start([1, 2]), sums.start([3, 4])
    set_logic(theirs, NEWER)
    run()
    assert workflow.status(ours) == Completed(3)
    left = Workflow.objects.get(pk=theirs)
    assert (left.started_at, left.deliveries, left.blocked_message) == (None, 0, "")
    assert left.due_at is not None, "whoever knows the flag finds it due"
    assert workflows.next_due("") is None, "and nobody else spins on it"
    set_logic(theirs, KNOWN)
    assert finish(theirs) == Completed(7)


def test_canceling_it_leaves_its_clean_up_to_them() -> None:
    workflow_id = asks_approval.start()
    run()
    set_logic(workflow_id, NEWER)
    become_another_process()
    workflow.cancel(workflow_id)
    run()
    assert isinstance(workflow.status(workflow_id), InProgress)
    set_logic(workflow_id, KNOWN)
    run()
    assert workflow.status(workflow_id).type == "canceled"


def test_a_step_whose_function_only_a_replay_would_find_is_left_to_them() -> None:
    workflow_id = retried_later.start("left")
    run()
    step = Workflow.objects.get(pk=workflow_id).steps.get()
    assert step.state == "queued", "it waits for its next attempt"
    set_logic(workflow_id, NEWER)
    become_another_process()
    advance(60)
    run()
    step.refresh_from_db()
    assert (step.state, step.attempt) == ("queued", 1), "as if it had not been claimed"
    set_logic(workflow_id, KNOWN)
    assert isinstance(finish(workflow_id), Completed)


def test_a_restart_keeps_the_flags() -> None:
    workflow_id = sums.start([1])
    set_logic(workflow_id, 0)
    finish(workflow_id)
    workflow.restart(workflow_id, 0)
    assert logic_of(workflow_id) == 0
    finish(workflow_id)


def test_continuing_as_new_takes_those_of_the_version_that_does_it() -> None:
    workflow_id = counts_for_ever.start(0, 3)
    set_logic(workflow_id, 0)
    finish(workflow_id)
    assert Workflow.objects.get(pk=workflow_id).continuations > 0
    assert logic_of(workflow_id) == KNOWN


def test_a_history_keeps_the_flags_and_a_newer_one_is_not_judged() -> None:
    workflow_id = sleeper.start(0.0)
    finish(workflow_id)
    history = read_history(workflow_id)
    assert history.logic == KNOWN
    assert History.load(history.dump()) == history
    old = json.loads(history.dump())
    del old["logic"]
    assert History.load(json.dumps(old)).logic == 0
    newer = History.load(json.dumps({**old, "logic": NEWER}))
    assert "newer version of django_workflows" in str(mismatch(registry.find(history.name), newer))
