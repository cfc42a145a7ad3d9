"""``step.with_options``: what can be said of a step, and what makes no sense."""

import json
from datetime import timedelta

import pytest

from django_workflows import Completed, RetryPolicy, WorkflowContext
from django_workflows.models import Step
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import advance, finish, run

workflow = flows.workflow


@workflow.define(name="tests chained options")
async def chained_options(step: WorkflowContext) -> None:
    one = step.with_options(name="one", retry=True, timeout=5)
    two = one.with_options(name="two", retry=False, priority=3)
    await two.run_action(steps.no_op)
    await one.run_action(steps.no_op)
    await step.run_action(steps.no_op)


def test_they_chain_later_ones_win_and_the_original_stays():
    workflow_id = chained_options.start()
    finish(workflow_id)
    two, one, plain = workflow.steps(workflow_id)
    assert (two.name, two.priority, json.loads(two.options)) == ("two", 3, {"timeout": 5})
    assert (one.name, one.priority) == ("one", 0)
    assert json.loads(one.options) == {"timeout": 5, "retry": RetryPolicy(initial_backoff=60).to_json()}
    assert (plain.name, plain.options) == ("tests.app.steps.no_op", "{}")


@workflow.define(name="tests bad options")
async def bad_options(step: WorkflowContext, which: int) -> str:
    context, options = (
        step,
        [
            {"retries": 3},
            {"retry": 3},
            {"retry": "always"},
            {"timeout": 0},
            {"timeout": -1},
            {"timeout": "1 s"},
            {"timeout": float("nan")},
            {"run_after": -1},
            {"run_at": step.now().replace(tzinfo=None)},
            {"run_at": step.now(), "run_after": 1},
            {"name": ""},
            {"name": "x" * 201},
            {"name": "nul \x00"},
            {"priority": 101},
            {"priority": "high"},
            {"queue": ""},
            {"inline": True, "run_at": step.now()},
        ][which],
    )
    try:
        context.with_options(**options)
    except Exception as error:  # noqa: BLE001 - its type is the result
        return f"{type(error).__name__}: {error}"
    return "accepted"


@pytest.mark.parametrize(
    ("which", "message"),
    list(
        enumerate(
            [
                "with_options: unknown option 'retries'; there are retry, run_after",
                "retry must be True, False or a RetryPolicy, got 3",
                "retry must be True, False or a RetryPolicy",
                "timeout must be longer than 0 seconds",
                "timeout: must lie between",
                "timeout: a timedelta or a number of seconds is needed",
                "timeout: must lie between",
                "run_after: must lie between",
                "no time zone",
                "exclude each other",
                "name: 1 to 200 printable characters",
                "name: 1 to 200 printable characters",
                "name: 1 to 200 printable characters",
                "priority must be an int from -100 to 100",
                "priority must be an int from -100 to 100",
                "queue: 1 to 200 printable characters",
                "inline steps run in the turn itself",
            ]
        )
    ),
)
def test_what_makes_no_sense_is_an_error(which, message):
    result = finish(bad_options.start(which)).result
    assert result.startswith("InvalidStep: ")
    assert message in result


@workflow.define(name="tests later steps")
async def later_steps(step: WorkflowContext) -> list[str]:
    after = step.with_options(run_after=timedelta(hours=1)).run_action(steps.record, "after an hour")
    at = step.with_options(run_at=step.now() + timedelta(minutes=30)).run_action(steps.record, "at half past")
    return [await after, await at]


@pytest.mark.parametrize("replaying", [False, True])
def test_a_step_runs_when_it_is_due_and_never_early(replaying):
    workflow_id = later_steps.start()
    run(replaying=replaying)
    assert steps.calls == []
    advance(timedelta(minutes=29))
    run(replaying=replaying)
    assert steps.calls == []
    advance(timedelta(minutes=1))
    run(replaying=replaying)
    assert steps.calls == [("at half past",)]
    assert Step.objects.get(number=0).queued_at == Step.objects.get(number=0).due_at
    assert finish(workflow_id, replaying=replaying) == Completed(["after an hour", "at half past"])


ARGUMENT = ["recorded"]


@workflow.define(name="tests unstable arguments")
async def unstable_arguments(step: WorkflowContext, unstable: bool) -> str:
    found = await step.with_options(unstable_args=unstable).run_action(steps.record, ARGUMENT[0])
    await step.sleep(60)
    return found


@pytest.mark.parametrize("unstable", [True, False])
def test_unstable_arguments_are_not_compared(unstable):
    workflow_id = unstable_arguments.start(unstable)
    run()
    ARGUMENT[0] = "asked"
    try:
        advance(60)
        run(replaying=True)
        assert (workflow.status(workflow_id) == Completed("recorded")) is unstable
    finally:
        ARGUMENT[0] = "recorded"
    assert unstable or "recorded" in workflow.status(workflow_id).blocked.message
