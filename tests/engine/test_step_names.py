"""What failed steps and waits are called where people read it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest

from django_workflows import Completed, InProgress, RetryPolicy, StepFailed, WorkflowContext, define_event
from django_workflows.models import Step, Workflow
from tests.app.workflows import workflow
from tests.engine.driver import finish, reset_clock, run
from tests.engine.replays import assert_replays

paid = define_event("names: paid", int)
BOTH = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    yield
    reset_clock()


def fail(value: int) -> int:
    raise ValueError(f"no {value}")


async def fail_async(value: int) -> int:
    raise ValueError(f"no {value}")


def note(text: str) -> str:
    return text


@workflow.define(name="names: child")
async def child(step: WorkflowContext) -> None:
    raise ValueError("the child's own")


@workflow.define(name="names: of failures")
async def names_of_failures(step: WorkflowContext) -> list[str]:
    names, again = [], RetryPolicy(max_attempts=2, initial_backoff=0.01)
    for call in (
        lambda: step.run_query(fail, 1),
        lambda: step.run_mutation(fail, 2),
        lambda: step.run_action(fail_async, 3),
        lambda: step.with_options(inline=True).run_mutation(fail, 4),
        lambda: step.with_options(name="charge the card", retry=again).run_action(fail, 5),
        lambda: step.run_workflow(child),
        lambda: step.await_event("refused"),
        lambda: step.map(fail, [6]),
    ):
        try:
            await call()  # type: ignore[no-untyped-call]
        except StepFailed as error:
            assert str(error) == error.message
            names.append(error.step)
    await step.run_query(note, " ".join(names))
    return names


@workflow.define(name="names: of a wait by id")
async def waits_by_id(step: WorkflowContext, times: int = 1) -> list[object]:
    found: list[object] = []
    for _ in range(times):
        event_id = await step.create_event(paid)
        try:
            found.append(await step.await_event(event_id))
        except StepFailed as error:
            found.append(f"{error.step}: {error.message}")
    return found


@workflow.define(name="names: of a wait by a given id")
async def waits_for(step: WorkflowContext, event_id: UUID) -> object:
    return await asyncio.gather(step.await_event(event_id), step.with_options(name="mine").await_event("other"))


EXPECTED = [
    "tests.engine.test_step_names.fail",
    "tests.engine.test_step_names.fail",
    "tests.engine.test_step_names.fail_async",
    "tests.engine.test_step_names.fail",
    "charge the card",
    "names: child",
    "refused",
    "tests.engine.test_step_names.fail",
]


@BOTH
def test_a_failure_names_its_step(replaying: bool) -> None:
    workflow_id = names_of_failures.start()
    workflow.send_event(workflow_id, "refused", error="no")
    assert finish(workflow_id, replaying=replaying) == Completed(EXPECTED)


def test_in_workflows_of_before_it_names_none_as_they_recorded() -> None:
    workflow_id = names_of_failures.start()
    Workflow.objects.update(logic=0)
    workflow.send_event(workflow_id, "refused", error="no")
    assert finish(workflow_id, replaying=True) == Completed([""] * 8)


@BOTH
def test_a_wait_by_id_goes_by_the_name_of_the_event(replaying: bool) -> None:
    workflow_id = waits_by_id.start(3)
    run(replaying=replaying)
    assert workflow.status(workflow_id) == InProgress(running=["names: paid"])
    made = list(workflow.list().get().events.all())
    workflow.send_event(event_id=made[-1].id, value=1)
    run(replaying=replaying)
    workflow.send_event(event_id=list(workflow.list().get().events.order_by("id"))[-1].id, error="declined")
    run(replaying=replaying)
    workflow.send_event(event_id=list(workflow.list().get().events.order_by("id"))[-1].id, value=3)
    assert finish(workflow_id, replaying=replaying) == Completed([1, "names: paid: declined", 3])


def test_journals_that_have_the_id_in_its_place_still_replay() -> None:
    workflow_id = waits_by_id.start()
    run()
    event = workflow.list().get().events.get()
    Step.objects.filter(kind="event").update(name=str(event.id))
    workflow.send_event(event_id=event.id, value=1)
    assert finish(workflow_id, replaying=True) == Completed([1])
    assert_replays(workflow.list().get())


def test_an_id_of_nothing_that_this_workflow_has_stays_an_id() -> None:
    owner = waits_by_id.start()
    run()
    other = workflow.list().get(pk=owner).events.get().id
    workflow_id = waits_for.start(other)
    run()
    assert workflow.status(workflow_id) == InProgress(running=[str(other), "mine"])
    workflow.cancel(workflow_id)
    workflow.cancel(owner)
