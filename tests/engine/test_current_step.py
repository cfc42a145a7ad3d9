"""What a step function can know and say: ``current_step()`` and ``report_progress()``."""

import asyncio
import contextvars
import json
import numbers
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils.translation import gettext_lazy

from django_workflows import (
    Completed,
    InProgress,
    Progress,
    WorkflowContext,
    WorkflowError,
    current_step,
    report_progress,
)
from django_workflows.core.progress import figure, reported, together
from django_workflows.engine.current import unwritten, write_reports
from django_workflows.engine.worker import Heartbeat, Worker
from django_workflows.models import Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import finish, run
from tests.waiting import wait_for

workflow = flows.workflow


@pytest.mark.parametrize("kind", ["action", "query", "mutation"])
@pytest.mark.parametrize("function", ["who_am_i", "who_am_i_async"])
def test_it_knows_workflow_number_and_attempt(kind, function):
    workflow_id = flows.call.start(kind, function, {}, {})
    assert finish(workflow_id).result == {
        "workflow_id": str(workflow_id),
        "number": 0,
        "attempt": 1,
        "key": f"{workflow_id}:0",
        "canceled": False,
    }


def test_an_inline_step_knows_it_too():
    workflow_id = flows.call.start("mutation", "who_am_i", {}, {"inline": True})
    assert finish(workflow_id).result["key"] == f"{workflow_id}:0"


def test_steps_have_different_idempotency_keys():
    workflow_id = flows.two_keys.start()
    first, second = finish(workflow_id).result
    assert first != second


def test_outside_of_a_step_there_is_none():
    with pytest.raises(WorkflowError, match="only inside a function run as a workflow's step"):
        current_step()
    with pytest.raises(WorkflowError, match="only inside a function run as a workflow's step"):
        report_progress(1, 2)


def test_it_is_gone_when_the_step_has_ended():
    finish(flows.call.start("action", "decline", {"card": "1"}, {}))
    with pytest.raises(WorkflowError):
        current_step()


def test_it_is_told_when_its_step_was_given_to_another_worker():
    workflow_id = flows.call.start("action", "watch_for_cancel", {}, {})
    steps.hooks.append(lambda: Step.objects.update(attempt=7))
    run()
    assert workflow.status(workflow_id).type == "in_progress"
    Step.objects.update(attempt=1)


def test_it_is_told_when_its_workflow_has_gone():
    workflow_id = flows.call.start("action", "watch_for_cancel_and_record", {}, {})
    steps.hooks.append(lambda: Workflow.objects.filter(id=workflow_id).update(state="canceled"))
    run()
    assert steps.calls == [("canceled", True)]
    Workflow.objects.filter(id=workflow_id).delete()


def test_it_is_not_told_while_it_is_wanted():
    assert finish(flows.call.start("action", "watch_for_cancel", {}, {})) == Completed(False)


def test_progress_renews_the_lease_and_shows_in_the_status():
    workflow_id = flows.call.start("action", "report_halfway", {}, {})
    seen = []

    def look():
        step = Step.objects.get()
        seen.append((workflow.status(workflow_id), step.due_at > step.started_at))

    steps.hooks.append(look)
    finish(workflow_id)
    [(status, leased)] = seen
    assert status == InProgress(["tests.app.steps.report_halfway"])
    assert status.progress == {"tests.app.steps.report_halfway": (1, 2, "halfway")}
    assert leased


def test_progress_in_a_mutation_commits_with_it():
    assert finish(flows.call.start("mutation", "progress", {"total": 3}, {})) == Completed(3)
    assert Step.objects.get().progress == '[3, 3, "done"]'


@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_an_async_step_reports_progress_too(kind):
    assert finish(flows.call.start(kind, "progress_async", {"total": 3}, {})) == Completed(3)
    assert Step.objects.get().progress == '[3, 3, "done"]'


def test_a_step_reports_progress_where_somebody_elses_loop_runs(monkeypatch):
    """As in a notebook, or under a browser's driver."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    workflow_id = flows.call.start("action", "progress", {"total": 3}, {})

    async def in_a_loop():
        try:
            return finish(workflow_id)
        finally:
            connections.close_all()

    assert asyncio.run(in_a_loop()) == Completed(3)
    assert Step.objects.get().progress == '[3, 3, "done"]'


@pytest.mark.parametrize(
    ("done", "total"),
    [
        ("1", 2),
        (float("nan"), 2),
        (1, float("inf")),
        (True, 2),
        (None, None),
        (-1, 2),
        (1, -2),
        (2**53 + 1, None),
        (10**400, None),
        pytest.param(10**5000, None, id="more digits than Python writes"),
        (Fraction(10**400), None),
        (Decimal("NaN"), 2),
        (Decimal("sNaN"), 2),
        (1, Decimal("1e400")),
        (1j, 2),
    ],
)
def test_progress_is_a_number_from_0_to_2_53(done: object, total: object) -> None:
    with pytest.raises(ValueError, match=r"report_progress: (done|total) must be a number from 0 to 2\*\*53, got"):
        report_progress(done, total)


class Int64:
    """A number as numpy has it: registered, and no int."""

    def __index__(self) -> int:
        return 7


numbers.Integral.register(Int64)


@pytest.mark.parametrize(
    ("done", "total", "stored"),
    [
        (0, 0, [0, 0]),
        (5, 3, [5, 3]),
        (Decimal("0.5"), Fraction(3, 2), [0.5, 1.5]),
        (Int64(), None, [7, None]),
        (2**53, 2.0**53, [2**53, 2.0**53]),
    ],
)
def test_numbers_of_any_type_are_kept_as_json(done: object, total: object, stored: list[float]) -> None:
    assert json.loads(reported(done, total, "").dump()) == [*stored, ""]


@pytest.mark.parametrize(
    ("message", "kept"),
    [(7, "7"), (gettext_lazy("Progress"), "Progress"), ("a\0b", "a\ufffdb"), ("x" * 500, "x" * 500)],
)
def test_a_message_is_made_a_text(message: object, kept: str) -> None:
    assert reported(1, 2, message).message == kept


def test_of_a_long_message_it_is_said_how_much_is_left_out() -> None:
    found = reported(1, 2, "begin" + "x" * 10_000 + "end").message
    assert len(found) <= 500
    assert found.startswith("begin")
    assert found.endswith("end")
    assert re.search(r"\[\.\.\. \d+ characters left out \.\.\.\]", found)


@pytest.mark.parametrize(
    ("number", "shown"), [(1234567, "1,234,567"), (0.5, "0.5"), (2.0, "2"), (1 / 3, "0.33"), (100, "100")]
)
def test_numbers_are_shown_as_people_read_them(number: float, shown: str) -> None:
    assert figure(number) == shown


def test_the_status_has_done_total_and_message_by_name() -> None:
    workflow_id, seen = flows.call.start("action", "report_halfway", {}, {}), []
    steps.hooks.append(lambda: seen.append(workflow.status(workflow_id)))
    finish(workflow_id)
    found = seen[0].progress["tests.app.steps.report_halfway"]
    assert (found.done, found.total, found.message) == (1, 2, "halfway")
    assert found == (1, 2, "halfway")


def test_steps_of_one_name_are_added_up() -> None:
    found = together(
        [("a", Progress(1, 2, "x")), ("b", Progress(1)), ("a", Progress(3, 4)), ("b", Progress(2, 5, "y"))]
    )
    assert found == {"a": (4, 6, "x"), "b": (3, None, "y")}


# -- what is reported too soon to be written

stored: list[str] = []


def report_twice_and_wait(kind: str) -> None:
    """The second report comes right after the first, and then nothing for long."""
    report_progress(1, 10, "loading")
    report_progress(2, 10, "importing, which takes long")
    write_reports()  # as the heartbeat does
    stored.append(Step.objects.get().progress)


def report_in_a_hot_loop() -> int:
    with CaptureQueriesContext(connection) as queries:
        for index in range(10_000):
            report_progress(index + 5_000, 10_000)
    return len(queries)


def report_from_a_thread_of_its_own() -> str:
    with ThreadPoolExecutor(1) as pool:
        error = str(pool.submit(report_progress, 1, 2).exception())
        context = contextvars.copy_context()
        pool.submit(context.run, report_progress, 3, 4, "in a thread").result()
        opened = pool.submit(lambda: connection.connection).result()
    assert opened is None, "it has opened a connection that nobody closes"
    write_reports()
    stored.append(Step.objects.get().progress)
    return error


@workflow.define(name="tests reports progress")
async def reports(step: WorkflowContext, name: str, *args: Any) -> Any:
    function = {each.__name__: each for each in (report_twice_and_wait, report_in_a_hot_loop)}.get(name)
    return await step.run_action(function or report_from_a_thread_of_its_own, *args)


def test_the_last_report_before_something_long_is_shown() -> None:
    stored.clear()
    finish(reports.start("report_twice_and_wait", "action"))
    assert stored == ['[2, 10, "importing, which takes long"]']
    assert not unwritten


def test_a_hot_loop_costs_few_statements_also_beyond_the_total() -> None:
    status = finish(reports.start("report_in_a_hot_loop"))
    assert isinstance(status, Completed)
    assert status.result < 40


def test_a_thread_of_the_step_is_told_how_and_opens_no_connection() -> None:
    stored.clear()
    status = finish(reports.start("report_from_a_thread_of_its_own"))
    assert isinstance(status, Completed)
    assert "contextvars.copy_context()" in status.result
    assert stored == ['[3, 4, "in a thread"]']


def test_a_heartbeat_writes_what_was_reported_last(transactional_db: None) -> None:
    workflow_id, worker = flows.call.start("action", "report_halfway", {}, {}), Worker()
    beat = Heartbeat(worker)

    def look() -> None:
        report_progress(3, 4, "later")
        worker.stirred.set()
        wait_for(lambda: workflow.status(workflow_id).progress, message="no progress")
        wait_for(
            lambda: Step.objects.get().progress == '[3, 4, "later"]', message=f"still {Step.objects.get().progress}"
        )

    steps.hooks.append(look)
    beat.start()
    try:
        finish(workflow_id)
    finally:
        beat.stop()
