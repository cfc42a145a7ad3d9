"""Thousands of steps, children and timers: counted in statements and turns, and by the databases' own plans."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from django_workflows import Completed, WorkflowContext
from django_workflows.core.replay import Replay
from django_workflows.models import Step, Workflow
from django_workflows.store import journals, workflows
from django_workflows.store import steps as step_store
from tests.app import steps
from tests.app.workflows import workflow
from tests.conftest import VENDOR
from tests.engine.driver import run


@workflow.define(name="tests many steps")
async def many_steps(step: WorkflowContext, count: int) -> int:
    return sum(await asyncio.gather(*(step.run_action(steps.add, index, 1) for index in range(count))))


@workflow.define(name="tests tiny child")
async def tiny(step: WorkflowContext, number: int) -> int:
    return number


@workflow.define(name="tests many children")
async def many_children(step: WorkflowContext, count: int) -> int:
    return sum(await asyncio.gather(*(step.run_workflow(tiny, number) for number in range(count))))


@workflow.define(name="tests many timers")
async def many_timers(step: WorkflowContext, count: int) -> None:
    await asyncio.gather(*(step.sleep(timedelta(days=30, seconds=number)) for number in range(count)))


class Counts:
    def __init__(self) -> None:
        self.statements = self.rows = self.loads = self.replays = 0

    def statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements += 1
        return execute(sql, params, many, context)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    counts = Counts()
    load, begin = journals.load, Replay.__init__

    def counting_load(*args: Any, **kwargs: Any) -> Any:
        found = load(*args, **kwargs)
        counts.loads += 1
        counts.rows += len(found)
        return found

    def counting_begin(self: Replay, *args: Any, **kwargs: Any) -> None:
        counts.replays += 1
        begin(self, *args, **kwargs)

    with monkeypatch.context() as patched, connection.execute_wrapper(counts.statement):
        patched.setattr(journals, "load", counting_load)
        patched.setattr(Replay, "__init__", counting_begin)
        yield counts


def test_a_gather_of_a_thousand_steps_costs_no_replay_per_step(monkeypatch: pytest.MonkeyPatch) -> None:
    with counted(monkeypatch) as counts:
        workflow_id = many_steps.start(1000)
        run()
    assert workflow.status(workflow_id) == Completed(sum(range(1, 1001)))
    assert counts.replays == 1, "the handler came to life once"
    assert counts.statements < 12 * 1000
    assert counts.rows <= 1000, "each turn reads what is new, not all that is open"


def test_children_of_one_parent_cost_each_the_same_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = []
    for count in (50, 2000):
        with counted(monkeypatch) as counts:
            workflow_id = many_children.start(count)
            while run():  # a call of it does what it can in 20 s
                pass
        assert workflow.status(workflow_id) == Completed(sum(range(count)))
        assert workflow.list().filter(parent=workflow_id, state="completed").count() == count
        assert counts.rows <= 2 * count
        costs.append(counts.statements / count)
    assert costs[1] < costs[0] * 1.1


def _plan(sql: str, params: Any) -> str:
    with connection.cursor() as cursor:
        if VENDOR == "postgres":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            return json.dumps(cursor.fetchone()[0])
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return "\n".join(row[-1] for row in cursor.fetchall())


def test_timers_cost_their_rows_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever looks for work goes by an index, from what is due first: however many sleep, they are not read."""
    many_timers.start(300)
    run()
    assert Step.objects.filter(kind="sleep", state="waiting").count() == 300
    seen: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        assert workflows.claim_turn("", "worker") is None
        assert step_store.claim("", "worker") is None
        seconds = workflows.next_due("")
    assert seconds is not None
    assert seconds > 29 * 86_400
    tables = (Step._meta.db_table, Workflow._meta.db_table)
    looks = [(sql, params) for sql, params in seen if any(table in sql for table in tables)]
    assert len(looks) >= 3
    with transaction.atomic():
        for sql, params in looks:
            plan = _plan(sql, params)
            assert "Seq Scan" not in plan, (sql, plan)
            assert not any(f"SCAN {table}" in plan for table in tables), (sql, plan)
    indexes = {index.name: str(index.condition) for index in Step._meta.indexes}
    assert "waiting" not in indexes["dwf_step_due"], "a timer is not even in the index of due steps"
