"""Attempts whose worker went away without a word."""

import json

import pytest

from django_workflows import Completed, RetryPolicy, WorkflowContext
from django_workflows.models import Workflow
from django_workflows.store import attempts
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import advance, claim, finish, run
from tests.engine.dying import Mortal, mortal

workflow = flows.workflow


@workflow.define(name="tests acts with retry")
async def acts_with_retry(step: WorkflowContext) -> str:
    policy = RetryPolicy(max_attempts=3, initial_backoff=1, jitter=0)
    return await step.with_options(retry=policy).run_action(steps.act_then, "k")


lives: list[Mortal] = []


def die_in_steps(times=1):
    """Let the worker die in the middle of a step, so many times."""

    def die():
        die.left -= 1
        if die.left == 0:
            steps.hooks.clear()
        lives[-1].die("in a step")

    die.left = times
    steps.hooks.append(die)


def run_into_death():
    with mortal() as life:
        lives.append(life)
        run()
    assert life.dead


def lose(times):
    die_in_steps(times)
    for _ in range(times):
        run_into_death()
        assert run() == 0, "nobody takes it over before the lease is over"
        advance(31)


def test_an_action_without_retry_fails_and_says_that_its_effect_is_unknown():
    workflow_id = flows.call.start("action", "act_then", {"key": "k"}, {})
    lose(1)
    status = finish(workflow_id)
    assert (status.type, status.error_type) == ("failed", "django_workflows.exceptions.AttemptLost")
    assert "attempt 1 was lost" in status.error
    step = workflow.steps(workflow_id).get()
    assert json.loads(step.error)["type"] == "django_workflows.exceptions.AttemptLost"
    assert len(steps.calls) == 1, "at most once"


def test_with_retry_a_lost_attempt_counts_as_one_that_failed():
    workflow_id = acts_with_retry.start()
    lose(2)
    assert finish(workflow_id) == Completed("k")
    step = workflow.steps(workflow_id).get()
    assert step.attempt == 3
    failures = json.loads(step.failures)
    assert [failure["attempt"] for failure in failures] == [1, 2]
    assert {failure["type"] for failure in failures} == {"django_workflows.exceptions.AttemptLost"}


def test_with_retry_it_fails_when_all_attempts_were_lost():
    workflow_id = acts_with_retry.start()
    lose(3)
    assert "attempt 3 was lost" in finish(workflow_id).error
    assert len(steps.calls) == 3
    assert json.loads(workflow.steps(workflow_id).get().error)["attempts"] == 3


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_a_query_or_mutation_is_run_again(kind):
    function, arguments = ("count_twice", {}) if kind == "query" else ("insert_effect_then", {"key": "k"})
    workflow_id = flows.call.start(kind, function, arguments, {})
    lose(2)
    assert finish(workflow_id) == Completed([0, 0] if kind == "query" else "k")


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_a_query_or_mutation_that_kills_every_worker_fails_at_last(kind, settings):
    settings.DJANGO_WORKFLOWS = {"MAX_DELIVERIES": 3}
    function, arguments = ("count_twice", {}) if kind == "query" else ("insert_effect_then", {"key": "k"})
    workflow_id = flows.call.start(kind, function, arguments, {})
    lose(3)
    assert "was lost" in finish(workflow_id).error
    assert not Effect.objects.exists()


def test_a_lost_attempt_that_ends_after_all_is_ignored(elsewhere):
    """The worker was only frozen: by the time it is back, another one has the step."""
    workflow_id = acts_with_retry.start()

    def freeze():
        steps.hooks.clear()
        advance(31)
        elsewhere(run)

    steps.hooks.append(freeze)
    run()
    assert finish(workflow_id) == Completed("k")
    assert [call[2] for call in steps.calls] == [1, 2]
    assert workflow.steps(workflow_id).get().attempt == 2


def test_a_renewed_lease_is_not_taken_over():
    flows.call.with_options(start_async=False).start("action", "no_op", {}, {})
    claimed = claim()
    for _ in range(5):
        advance(25)
        assert attempts.renew(claimed.attempt_id)
        assert claim() is None
    advance(31)
    assert claim().attempt == 2
    assert not attempts.renew(claimed.attempt_id)


def test_a_turn_that_kills_every_worker_is_blocked_and_says_so(settings, caplog):
    settings.DJANGO_WORKFLOWS = {"MAX_DELIVERIES": 3}
    workflow_id = flows.nothing.start()
    for _ in range(3):
        with mortal(when=lambda what: "version = version + 1" in what) as life:
            run()
        assert life.dead
        advance(31)
    run()
    status = workflow.status(workflow_id)
    assert status.type == "in_progress"
    assert status.blocked.reason == "crash_loop"
    assert status.blocked.message.startswith("claimed in vain 3 times: ")
    assert str(workflow_id) in caplog.text
    assert Workflow.objects.get().due_at is None
    advance(3600)
    assert run() == 0


def test_progress_resets_the_count_of_deliveries(settings):
    settings.DJANGO_WORKFLOWS = {"MAX_DELIVERIES": 2}
    workflow_id = flows.race.start([100, 200, 300, 400])
    for _ in range(5):
        with mortal(when=lambda what: "version = version + 1" in what) as life:
            run()
        assert life.dead
        assert Workflow.objects.get().deliveries == 1
        advance(31)
        run()
        advance(100)
    assert workflow.status(workflow_id) == Completed([0, 1, 2, 3])
