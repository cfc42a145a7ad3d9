"""Never silent: steps that were never awaited, events that were never taken."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any
from uuid import UUID

import pytest

from django_workflows import Canceled, Completed, Failed, StepFailed, WorkflowContext, signals
from tests.app import steps
from tests.app.workflows import workflow
from tests.engine.driver import finish, run

both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


@workflow.define
async def forgets(step: WorkflowContext, how: str) -> str:  # noqa: C901
    if how == "at the end":
        step.run_action(steps.record, "mail")
    elif how == "before another":
        step.run_action(steps.record, "mail")
        await step.run_action(steps.no_op)
    elif how == "a failure":
        step.run_action(steps.decline, "card")
        await step.sleep(1)
    elif how == "inline":
        step.with_options(inline=True).run_query(steps.no_op)
    elif how == "a child":
        step.run_workflow(awaits, "gather")
    elif how == "a sleep":
        step.sleep(5)
    elif how == "an event":
        step.await_event("never")
    elif how == "a map":
        step.map(steps.record, ["mail"])
        for _ in range(5):
            await asyncio.sleep(0)
    elif how == "a task":
        asyncio.create_task(helper(step, sleeps=True))  # noqa: RUF006
        await step.sleep(1)
    elif how == "a task in a task":
        asyncio.create_task(outer(step))  # noqa: RUF006
        await step.sleep(1)
    elif how == "a made event":
        step.create_event("reply")
    return "done"


@workflow.define
async def awaits(step: WorkflowContext, how: str) -> str:  # noqa: C901
    if how == "gather":
        await asyncio.gather(step.run_action(steps.no_op), step.sleep(1))
    elif how == "wait":
        timer = step.sleep(60)
        await asyncio.wait({timer, step.run_action(steps.no_op)}, return_when=asyncio.FIRST_COMPLETED)
    elif how == "task":
        await asyncio.create_task(helper(step))
    elif how == "waiting for tasks":
        tasks = {asyncio.create_task(helper(step, sleeps=True)), asyncio.create_task(helper(step))}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    elif how == "group":
        async with asyncio.TaskGroup() as group:
            group.create_task(helper(step))
    elif how == "later":
        first, second = step.run_action(steps.no_op), step.run_action(steps.no_op)
        await second
        await first
    elif how == "canceled":
        step.sleep(60).cancel()
    elif how == "as completed":
        for each in asyncio.as_completed([step.run_action(steps.no_op), step.sleep(1)]):
            await each
    elif how == "map":
        await step.map(steps.negated, [1, 2, 3])
    elif how == "timeout":
        try:
            async with asyncio.timeout(1):
                await step.await_event("never")
        except TimeoutError:
            pass
    elif how == "swallowed":
        try:
            await step.run_action(steps.decline, "card")
        except StepFailed:
            pass
    return "done"


async def helper(step: WorkflowContext, sleeps: bool = False) -> None:
    await step.run_action(steps.no_op)
    if sleeps:
        await step.sleep(1000, name="in a task")


async def outer(step: WorkflowContext) -> None:
    await asyncio.create_task(helper(step, sleeps=True))


@workflow.define
async def fails_first(step: WorkflowContext) -> None:
    first, second = step.run_action(steps.decline, "card"), step.run_action(steps.no_op)
    await first
    await second


@workflow.define
async def begins_anew_forgetting(step: WorkflowContext, left: int) -> str:
    if left:
        step.run_action(steps.no_op)
        step.continue_as_new(left - 1)
    return "done"


FORGOTTEN = {
    "at the end": ["tests.app.steps.record"],
    "before another": ["tests.app.steps.record"],
    "a failure": ["tests.app.steps.decline"],
    "inline": ["tests.app.steps.no_op"],
    "a child": ["tests.engine.test_forgotten.awaits"],
    "a sleep": ["sleep"],
    "an event": ["never"],
    "a made event": ["reply"],
    "a map": ["tests.app.steps.record"],
    "a task": ["in a task"],
    "a task in a task": ["in a task"],
}


def warnings_of(caplog: pytest.LogCaptureFixture, workflow_id: UUID) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and str(workflow_id) in record.getMessage()
    ]


@both_ways
@pytest.mark.parametrize("how", FORGOTTEN)
def test_a_step_that_is_never_awaited_is_told(how: str, replaying: bool, caplog: pytest.LogCaptureFixture) -> None:
    workflow_id = forgets.start(how)
    status = finish(workflow_id, replaying=replaying)
    assert isinstance(status, Completed)
    assert list(status.never_awaited) == FORGOTTEN[how]
    assert status == Completed("done")
    (said,) = warnings_of(caplog, workflow_id)
    assert re.search(r"never awaited step \d (\(.+\))", said)
    assert "forgets" in said
    assert "write await" in said


AWAITED = ["gather", "wait", "task", "waiting for tasks", "group", "later", "canceled", "as completed", "map"]


@both_ways
@pytest.mark.parametrize("how", [*AWAITED, "timeout", "swallowed", "nothing"])
def test_what_is_awaited_is_not(how: str, replaying: bool, caplog: pytest.LogCaptureFixture) -> None:
    workflow_id = awaits.start(how)
    status = finish(workflow_id, replaying=replaying)
    assert isinstance(status, Completed)
    assert not status.never_awaited
    assert not warnings_of(caplog, workflow_id)


def test_a_failed_workflow_may_not_have_come_to_its_awaits(caplog: pytest.LogCaptureFixture) -> None:
    workflow_id = fails_first.start()
    assert isinstance(finish(workflow_id), Failed)
    assert not any("never awaited" in said for said in warnings_of(caplog, workflow_id))


def test_it_is_told_of_each_run_that_continues_as_new(caplog: pytest.LogCaptureFixture) -> None:
    workflow_id = begins_anew_forgetting.start(2)
    assert finish(workflow_id) == Completed("done")
    said = warnings_of(caplog, workflow_id)
    assert len(said) == 2
    assert all("continued as new, and never awaited step 0" in each for each in said)


def test_a_restart_tells_anew(caplog: pytest.LogCaptureFixture) -> None:
    workflow_id = forgets.start("at the end")
    finish(workflow_id)
    workflow.restart(workflow_id, from_step=0)
    status = finish(workflow_id)
    assert isinstance(status, Completed)
    assert list(status.never_awaited) == ["tests.app.steps.record"]
    assert len(warnings_of(caplog, workflow_id)) == 2


def test_many_that_forget_are_told_each(caplog: pytest.LogCaptureFixture) -> None:
    ids = [forgets.start("before another") for _ in range(20)]
    for each in ids:
        finish(each)
        assert len(warnings_of(caplog, each)) == 1


# -- events


@workflow.define
async def takes(step: WorkflowContext, count: int, end: str = "completed") -> int:
    for _ in range(count):
        await step.await_event("payment")
    if end == "failed":
        raise ValueError("no more")
    if end == "waits":
        await step.await_event("never")
    return count


@workflow.define
async def makes_and_ends(step: WorkflowContext) -> str:
    await step.await_event("go")
    return "done"


@pytest.fixture
def ends() -> Any:
    found: list[dict[str, Any]] = []

    def receive(**told: Any) -> None:
        found.append(told)

    signals.workflow_completed.connect(receive)
    yield found
    signals.workflow_completed.disconnect(receive)


@both_ways
@pytest.mark.parametrize("end", ["completed", "failed", "canceled", "forced"])
def test_events_that_were_never_taken_are_told(
    end: str, replaying: bool, caplog: pytest.LogCaptureFixture, ends: Any
) -> None:
    workflow_id = takes.start(1, end if end in ("completed", "failed") else "waits")
    if replaying:
        run(replaying=True)
    for amount in range(10):
        workflow.send_event(workflow_id, "payment", amount)
    workflow.send_event(workflow_id, "refund", 1)
    run(replaying=replaying)
    if end in ("canceled", "forced"):
        workflow.cancel(workflow_id, force=end == "forced")
    status: Any = workflow.status(workflow_id)
    assert status.type == ("canceled" if end == "forced" else end)
    assert status.untaken_events == {"payment": 9, "refund": 1}
    assert status in (Completed(1), Failed("no more"), Canceled())
    assert any("payment (9), refund (1)" in said for said in warnings_of(caplog, workflow_id))
    assert [told["untaken_events"] for told in ends] == [{"payment": 9, "refund": 1}]


def test_a_made_event_that_was_sent_and_never_awaited_is_told(caplog: pytest.LogCaptureFixture) -> None:
    workflow_id = makes_and_ends.start()
    made, never_sent = (workflow.create_event(workflow_id, "reply") for _ in range(2))
    workflow.send_event(event_id=made, value=1)
    workflow.send_event(workflow_id, "go")
    status = finish(workflow_id)
    assert isinstance(status, Completed)
    assert status.untaken_events == {"reply": 1}
    assert never_sent


def test_nothing_is_told_where_all_were_taken(caplog: pytest.LogCaptureFixture, ends: Any) -> None:
    workflow_id = takes.start(2)
    for amount in range(2):
        workflow.send_event(workflow_id, "payment", amount)
    assert finish(workflow_id) == Completed(2)
    assert not warnings_of(caplog, workflow_id)
    assert [told["untaken_events"] for told in ends] == [{}]


def test_an_event_that_came_while_the_last_turn_was_taken_is_told() -> None:
    """Its handler is in memory, and has not heard of the event."""
    workflow_id = sends_to_itself.start()
    status = finish(workflow_id)
    assert isinstance(status, Completed)
    assert status.untaken_events == {"note": 1}


def send_from_another_thread() -> None:
    import threading

    from django.db import connection

    from django_workflows import current_step

    def send(workflow_id: UUID) -> None:
        try:
            workflow.send_event(workflow_id, "note", 1)
        finally:
            connection.close()

    thread = threading.Thread(target=send, args=(current_step().workflow_id,))
    thread.start()
    thread.join()


@workflow.define
async def sends_to_itself(step: WorkflowContext) -> str:
    await step.run_action(steps.no_op)
    await step.run_action(send_from_another_thread)
    return "done"


def test_what_a_restart_takes_is_told_no_more() -> None:
    workflow_id = takes.start(1)
    for amount in range(2):
        workflow.send_event(workflow_id, "payment", amount)
    status = finish(workflow_id)
    assert isinstance(status, Completed)
    assert status.untaken_events == {"payment": 1}
    workflow.restart(workflow_id, from_step=0)
    status = finish(workflow_id)
    assert isinstance(status, Completed)
    assert not status.untaken_events


@workflow.define
async def goes_on_with_payments(step: WorkflowContext, taken: int) -> int:
    await step.await_event("payment")
    if taken < 2:
        step.continue_as_new(taken + 1)
    return taken


def test_continue_as_new_keeps_what_was_not_taken() -> None:
    workflow_id = goes_on_with_payments.start(0)
    for amount in range(4):
        workflow.send_event(workflow_id, "payment", amount)
    status = finish(workflow_id)
    assert status == Completed(2)
    assert isinstance(status, Completed)
    assert status.untaken_events == {"payment": 1}
