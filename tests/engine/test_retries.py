"""Retries: which attempts are repeated, when, and what is kept of those that failed."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from django_workflows import Completed, Failed, InProgress, RetryPolicy, StepFailed, WorkflowContext, WorkflowManager
from django_workflows.models import Step
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import advance, finish, run

workflow = flows.workflow
thrice = RetryPolicy(max_attempts=3, initial_backoff=10, base=3, jitter=0)


@workflow.define(name="tests retry thrice", default_retry=thrice)
async def retry_thrice(step: WorkflowContext, name: str, succeeds_at: int) -> int:
    return await step.with_options(retry=True).run_action(steps.fail_until, name, succeeds_at)


def failures_of(step):
    return json.loads(step.failures)


def test_an_action_is_not_tried_again_by_default():
    workflow_id = flows.call.start("action", "fail_until", {"name": "n", "attempts": 2}, {})
    assert finish(workflow_id) == Failed("call 1")
    assert workflow.steps(workflow_id).get().attempt == 1


@pytest.mark.parametrize("replaying", [False, True])
def test_it_is_tried_again_until_it_succeeds(replaying):
    workflow_id = retry_thrice.start("n", 3)
    assert finish(workflow_id, replaying=replaying) == Completed(3)


def test_it_fails_with_the_last_error_when_no_attempt_is_left():
    workflow_id = retry_thrice.start("n", 99)
    assert finish(workflow_id) == Failed("call 3")
    step = workflow.steps(workflow_id).get()
    assert (step.state, step.attempt, json.loads(step.error)["attempts"]) == ("failed", 3, 3)
    assert [failure["message"] for failure in failures_of(step)] == ["call 1", "call 2"]


def test_each_wait_is_as_long_as_the_policy_says():
    workflow_id = retry_thrice.start("n", 99)
    for seconds, attempt in ((10, 1), (30, 2)):
        assert run() > 0
        step = Step.objects.get()
        assert (step.state, step.attempt) == ("queued", attempt)
        failed_at = datetime.fromisoformat(failures_of(step)[-1]["finished_at"])
        assert timedelta(0) <= step.due_at - failed_at - timedelta(seconds=seconds) < timedelta(seconds=5)
        assert step.queued_at == step.due_at
        assert workflow.status(workflow_id) == InProgress(["tests.app.steps.fail_until"])
        assert run() == 0
        advance(seconds - 6)
        assert run() == 0, "never early"
        advance(6)
    assert run() == 1
    assert workflow.status(workflow_id) == Failed("call 3")


def test_each_failed_attempt_is_kept_with_its_times_and_error():
    workflow_id = retry_thrice.start("n", 3)
    finish(workflow_id)
    step = workflow.steps(workflow_id).get()
    assert [failure["attempt"] for failure in failures_of(step)] == [1, 2]
    last = None
    for failure in failures_of(step):
        assert (failure["type"], failure["message"]) == ("tests.app.steps.Unreachable", f"call {failure['attempt']}")
        assert "fail_until" in failure["traceback"]
        times = [datetime.fromisoformat(failure[key]) for key in ("queued_at", "started_at", "finished_at")]
        assert times == sorted(times)
        assert last is None or times[0] >= last
        last = times[-1]
    assert last <= step.queued_at <= step.started_at <= step.finished_at
    assert step.error is None


def test_jitter_stays_within_its_bounds():
    policy = RetryPolicy(max_attempts=2, initial_backoff=100, jitter=0.5)
    waits = set()
    for index in range(20):
        retrying_once.start(f"n{index}", policy.to_json())
    run()
    for step in Step.objects.all():
        failed_at = datetime.fromisoformat(failures_of(step)[0]["finished_at"])
        waits.add((step.due_at - failed_at).total_seconds())
    assert len(waits) == 20
    assert all(50 <= wait <= 160 for wait in waits)
    advance(160)
    run()


@workflow.define(name="tests retrying once")
async def retrying_once(step: WorkflowContext, name: str, policy: dict) -> int:
    context = step.with_options(retry=RetryPolicy.from_json(policy))
    return await context.run_action(steps.fail_until, name, 2)


FIVE, SIX, SEVEN = (RetryPolicy(max_attempts=count) for count in (5, 6, 7))


@pytest.mark.parametrize(
    ("manager", "definition", "step", "attempts"),
    [
        ({}, {}, {}, None),
        ({}, {}, {"retry": True}, RetryPolicy().max_attempts),
        ({}, {}, {"retry": FIVE}, 5),
        ({"default_retry": SIX}, {}, {}, None),
        ({"default_retry": SIX}, {}, {"retry": True}, 6),
        ({"default_retry": SIX}, {"default_retry": SEVEN}, {"retry": True}, 7),
        ({"default_retry": SIX}, {"default_retry": SEVEN}, {"retry": FIVE}, 5),
        ({"retry_actions_by_default": True}, {}, {}, RetryPolicy().max_attempts),
        ({"retry_actions_by_default": True, "default_retry": SIX}, {}, {}, 6),
        ({"retry_actions_by_default": True, "default_retry": SIX}, {}, {"retry": False}, None),
        ({"retry_actions_by_default": True}, {"retry_actions_by_default": False}, {}, None),
        ({"retry_actions_by_default": True}, {"retry_actions_by_default": False}, {"retry": True}, 5),
        ({}, {"retry_actions_by_default": True, "default_retry": SEVEN}, {}, 7),
        ({}, {"retry_actions_by_default": True, "default_retry": SEVEN}, {"retry": False}, None),
    ],
)
def test_the_step_decides_before_the_workflow_and_that_before_the_manager(manager, definition, step, attempts):
    @WorkflowManager(**manager).define(name="tests retry levels", **definition)
    async def retry_levels(context: WorkflowContext) -> None:
        await context.with_options(**step).run_action(steps.no_op)

    retry_levels.with_options(start_async=False).start()
    assert json.loads(Step.objects.get().options).get("retry", {}).get("max_attempts") == attempts


@pytest.mark.parametrize("kind", ["query", "mutation"])
@pytest.mark.parametrize(("options", "calls"), [({}, 1), ({"retry": "quick"}, 3)])
def test_queries_and_mutations_are_tried_again_only_where_a_step_says_so(kind, options, calls):
    workflow_id = flows.call.start(kind, "fail_with", {"kind": "unreachable", "name": "n"}, options)
    assert finish(workflow_id) == (Failed("n") if calls == 1 else Completed("n"))
    assert len(steps.calls) == calls


@pytest.mark.parametrize(
    ("policy", "kind", "calls"),
    [
        ({"retry_on": [steps.Unreachable]}, "unreachable", 3),
        ({"retry_on": [steps.Unreachable]}, "declined", 1),
        ({"retry_on": ["tests.app.steps.Unreachable"]}, "unreachable", 3),
        ({"retry_on": [Exception]}, "declined", 3),
        ({"retry_on": ["Exception"]}, "declined", 3),
        ({"never_on": [steps.CardDeclined]}, "declined", 1),
        ({"never_on": [steps.CardDeclined]}, "unreachable", 3),
        ({"retry_on": [Exception], "never_on": [steps.CardDeclined]}, "declined", 1),
        ({"never_on": [Exception]}, "unreachable", 1),
    ],
)
def test_only_the_errors_that_the_policy_names_are_tried_again(policy, kind, calls):
    @workflow.define(name="tests retry on")
    async def retry_on(step: WorkflowContext) -> str:
        context = step.with_options(retry=RetryPolicy(max_attempts=4, initial_backoff=1, jitter=0, **policy))
        return await context.run_action(steps.fail_with, kind, "n")

    workflow_id = retry_on.start()
    status = finish(workflow_id)
    assert (len(steps.calls), status.type) == (calls, "completed" if calls == 3 else "failed")


def test_the_handler_sees_how_many_attempts_there_were():
    workflow_id = counts_attempts.start("n")
    assert finish(workflow_id) == Completed("3 attempts, Unreachable, not CardDeclined")


@workflow.define(name="tests counts attempts")
async def counts_attempts(step: WorkflowContext, name: str) -> str:
    try:
        await step.with_options(retry=thrice).run_action(steps.fail_until, name, 99)
    except StepFailed as error:
        kinds = "Unreachable" if error.caused_by(steps.Unreachable) else "?"
        other = "CardDeclined" if error.caused_by(steps.CardDeclined) else "not CardDeclined"
        return f"{error.attempts} attempts, {kinds}, {other}"
    return "no error"


@pytest.mark.parametrize("replaying", [False, True])
def test_parallel_steps_are_each_tried_again(replaying):
    workflow_id = flows.fan_out_and_retry.start("n", 5)
    assert finish(workflow_id, replaying=replaying) == Completed(10)


def test_a_policy_that_changed_since_does_not_touch_a_step_that_waits(settings):
    workflow_id = flows.retried.start("n", 2)
    run()
    original, flows.quick = flows.quick, RetryPolicy(max_attempts=1)
    try:
        assert finish(workflow_id, replaying=True) == Completed(2)
    finally:
        flows.quick = original


def test_current_step_knows_the_attempt_and_a_key_that_stays_the_same():
    workflow_id = keys_of_attempts.start()
    key = finish(workflow_id).result
    assert steps.calls == [("n", 1, key), ("n", 2, key), ("n", 3, key)]


@workflow.define(name="tests keys of attempts")
async def keys_of_attempts(step: WorkflowContext) -> str:
    return await step.with_options(retry=thrice).run_action(steps.key_of_attempts, "n")


@workflow.define(name="tests retry after")
async def retry_after(step: WorkflowContext, function: str, kind: str, seconds: float, policy: dict[str, Any]) -> int:
    retrying = step.with_options(retry=RetryPolicy(**policy))
    return await retrying.run_action(getattr(steps, function), "n", kind, seconds)


@pytest.mark.parametrize("function", ["asks_for_a_pause", "asks_for_a_pause_at_once"])
@pytest.mark.parametrize("kind", ["ours", "theirs"])
def test_an_error_decides_when_the_next_attempt_is(function, kind):
    workflow_id = retry_after.start(function, kind, 100, {"initial_backoff": 1, "jitter": 0})
    assert run() > 0
    step = Step.objects.get()
    failed_at = datetime.fromisoformat(failures_of(step)[-1]["finished_at"])
    assert timedelta(0) <= step.due_at - failed_at - timedelta(seconds=100) < timedelta(seconds=5)
    advance(90)
    assert run() == 0, "never early"
    advance(15)
    assert finish(workflow_id) == Completed(2)


def test_retry_after_is_retried_whatever_else_is():
    policy = {"retry_on": ["KeyError"], "jitter": 0}
    assert finish(retry_after.start("asks_for_a_pause", "ours", 0, policy)) == Completed(2)
    assert finish(retry_after.start("asks_for_a_pause", "theirs", 0, policy)) == Failed("429")


def test_without_a_policy_it_is_a_failure():
    workflow_id = flows.call.start(
        "action", "asks_for_a_pause_at_once", {"name": "n", "kind": "ours", "seconds": 5}, {}
    )
    assert finish(workflow_id) == Failed("retry after 5 s")


def test_no_attempt_begins_after_so_much_time():
    workflow_id = retry_after.start("asks_for_a_pause", "ours", 100, {"max_elapsed": 60})
    assert finish(workflow_id) == Failed("retry after 100 s")
    assert workflow.steps(workflow_id).get().attempt == 1


def test_time_counts_from_the_first_attempt():
    @workflow.define(name="tests retry elapsed")
    async def elapsed(step: WorkflowContext, name: str) -> int:
        policy = RetryPolicy(max_attempts=50, initial_backoff=30, base=1, jitter=0, max_elapsed=timedelta(seconds=100))
        return await step.with_options(retry=policy).run_action(steps.fail_until, name, 99)

    workflow_id = elapsed.start("n")
    assert finish(workflow_id) == Failed("call 4")
