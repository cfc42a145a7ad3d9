"""Which work is taken first, and by whom: queues and priorities."""

import pytest

from django_workflows import Completed, WorkflowContext
from django_workflows.models import Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import advance, run

workflow = flows.workflow


@workflow.define(name="tests records")
async def records(step: WorkflowContext, name: str) -> str:
    return await step.run_action(steps.record, name)


@workflow.define(name="tests records in parallel")
async def records_in_parallel(step: WorkflowContext, names: list[tuple[str, int, str | None]]) -> None:
    import asyncio

    waits = []
    for name, priority, queue in names:
        options = {} if queue is None else {"queue": queue}
        waits.append(step.with_options(priority=priority, **options).run_action(steps.record, name))
    await asyncio.gather(*waits)


def test_the_higher_priority_goes_first():
    for name, priority in [("low", -5), ("normal", 0), ("high", 7), ("higher", 100), ("lowest", -100)]:
        records.with_options(priority=priority).start(name)
    run()
    assert steps.calls == [("higher",), ("high",), ("normal",), ("low",), ("lowest",)]


def test_of_one_priority_the_oldest_goes_first():
    for index in range(5):
        records.start(str(index))
        advance(1)
    run()
    assert steps.calls == [(str(index),) for index in range(5)]


def test_steps_have_a_priority_of_their_own():
    names = [("first", 0, None), ("low", -1, None), ("high", 1, None), ("normal", 0, None)]
    records_in_parallel.start(names)
    run()
    assert steps.calls[1:] == [("high",), ("normal",), ("low",)], "the worker that asked for them ran the first itself"


def test_a_step_has_its_workflows_priority_unless_it_says_otherwise():
    records.with_options(priority=3, start_async=False).start("x")
    assert Step.objects.get().priority == 3


def test_a_queue_is_served_by_its_own_worker_only():
    workflow_id = records.with_options(queue="slow").start("x")
    assert run() == 0
    assert run(queue="other") == 0
    assert run(queue="slow") > 0
    assert workflow.status(workflow_id) == Completed("x")


def test_the_default_queue_has_two_names(settings):
    workflow_id = records.with_options(queue="tests").start("x")
    assert Workflow.objects.get().queue == ""
    run()
    assert workflow.status(workflow_id) == Completed("x")


def test_a_step_may_go_to_another_queue():
    workflow_id = records_in_parallel.start([("here", 0, None), ("there", 0, "slow")])
    run()
    assert steps.calls == [("here",)]
    run(queue="slow")
    run()
    assert steps.calls == [("here",), ("there",)]
    assert workflow.status(workflow_id) == Completed(None)


def test_a_definition_may_have_queue_and_priority():
    @workflow.define(name="tests own queue", queue="slow", priority=5)
    async def own_queue(step: WorkflowContext) -> None:
        await step.run_action(steps.no_op)

    workflow_id = own_queue.start()
    stored = Workflow.objects.get(id=workflow_id)
    assert (stored.queue, stored.priority) == ("slow", 5)
    run(queue="slow")
    assert workflow.status(workflow_id) == Completed(None)


def test_a_queue_of_the_start_wins_over_the_definitions():
    workflow_id = flows.nothing.with_options(queue="a").with_options(queue="b").start()
    assert Workflow.objects.get(id=workflow_id).queue == "b"
    run(queue="b")


def test_steps_are_not_starved_by_starts_nor_starts_by_steps():
    for _ in range(30):
        flows.parallel.start(3)
    run()
    assert workflow.list(state="completed").count() == 30


@pytest.mark.parametrize("count", [1, 40])
def test_workers_at_once_do_each_piece_once(count, elsewhere):
    started = [flows.parallel.start(4) for _ in range(count)]
    elsewhere.together([run] * 3)
    run()
    assert [workflow.status(each) for each in started] == [Completed(10)] * count
    assert len(steps.calls) == 4 * count
