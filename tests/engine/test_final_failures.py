"""Failures after which a function is not called again, whatever its policy of retries says."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from django.db import OperationalError
from pydantic import BaseModel, model_serializer

from django_workflows import RetryPolicy, WorkflowContext, WorkflowManager, report_progress
from django_workflows.engine.advance import advance as take_turn
from django_workflows.engine.pace import pace
from django_workflows.engine.run_step import run_step
from django_workflows.models import Step
from django_workflows.store import attempts, workflows
from tests.app.models import Effect
from tests.engine.driver import advance, claim, finish, run

workflow = WorkflowManager()
MANY = RetryPolicy(max_attempts=50, initial_backoff=0)
called: list[str] = []


class Unwilling(BaseException):
    pass


class Refusing(BaseModel):
    @model_serializer
    def refuse(self) -> dict:
        raise Unwilling("not me")


@pytest.fixture(autouse=True)
def nothing_called():
    called.clear()
    yield
    called.clear()


def not_json() -> object:
    called.append("not_json")
    return object()


def too_large() -> str:
    called.append("too_large")
    return "x" * 2_000_000


def too_deep() -> list:
    called.append("too_deep")
    value: list = []
    for _ in range(5000):
        value = [value]
    return value


def wrong_type() -> UUID:
    called.append("wrong_type")
    return "nothing of the kind"  # type: ignore[return-value]


def refusing() -> Refusing:
    called.append("refusing")
    return Refusing()


async def not_json_async() -> object:
    called.append("not_json_async")
    return object()


def write_and_return_nothing_storable() -> object:
    called.append("write")
    Effect.objects.create(key="k")
    return object()


FUNCTIONS = [not_json, too_large, too_deep, wrong_type, refusing, not_json_async, write_and_return_nothing_storable]
BY_NAME = {each.__name__: each for each in FUNCTIONS}


@workflow.define(name="final.steps")
async def steps_of(step: WorkflowContext, kind: str, function: str) -> None:
    options = step.with_options(retry=MANY)
    calls = {"action": options.run_action, "query": options.run_query, "mutation": options.run_mutation}
    await calls[kind](BY_NAME[function])


@pytest.mark.parametrize("function", list(BY_NAME)[:-1])
@pytest.mark.parametrize("kind", ["action", "query", "mutation"])
def test_a_result_that_cannot_be_stored_is_not_tried_again(kind, function):
    workflow_id = steps_of.start(kind, function)
    status = finish(workflow_id)
    assert status.type == "failed"
    assert called == [function]
    assert status.error.startswith(f"result of step 0 (tests.engine.test_final_failures.{function}): ")
    assert "not called again" in status.error
    assert ("its effect has happened" in status.error) == (kind == "action")
    assert workflow.steps(workflow_id).get().attempt == 1


def test_what_a_mutation_has_written_then_is_undone():
    status = finish(steps_of.start("mutation", "write_and_return_nothing_storable"))
    assert status.type == "failed"
    assert "What the function has written is undone" in status.error
    assert not Effect.objects.exists()


@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_in_a_batch_too(kind):
    pace.be(8)
    try:
        ids = steps_of.start_many([(kind, "not_json")] * 3)
        run()
    finally:
        pace.be(None)
    assert {workflow.status(each).type for each in ids} == {"failed"}
    assert set(Step.objects.values_list("attempt", flat=True)) == {1}
    if kind == "action":
        assert called == ["not_json"] * 3


class Shy(BaseModel):
    """Its serializer needs a database that is away at first."""

    @model_serializer
    def serialize(self) -> dict:
        called.append("serialize")
        if called.count("serialize") < 3:
            raise OperationalError("the connection is lost")
        return {}


def shy() -> Shy:
    called.append("shy")
    return Shy()


BY_NAME["shy"] = shy


def test_an_actions_result_is_read_again_while_a_database_is_away():
    assert finish(steps_of.start("action", "shy")).type == "completed"
    assert called.count("shy") == 1


# -- attempts that are lost


def answer() -> int:
    called.append("answer")
    return 1


BY_NAME["answer"] = answer


def lose_it() -> None:
    """A worker takes the step, and is never heard of again."""
    assert claim() is not None
    advance(31)


@pytest.mark.parametrize("kind", ["action", "query", "mutation"])
def test_a_step_that_kills_its_workers_is_stopped(kind):
    workflow_id = steps_of.start(kind, "answer")
    run_first_turn(workflow_id)
    for _ in range(5):
        assert workflow.status(workflow_id).type == "in_progress"
        lose_it()
    status = finish(workflow_id)
    assert status.type == "failed"
    assert "5 attempts of this step were lost, each with its worker, and MAX_DELIVERIES is 5" in status.error
    assert called == []
    assert json.loads(workflow.steps(workflow_id).get().error)["type"].endswith("AttemptLost")
    workflow.restart(workflow_id, from_step=0)
    assert finish(workflow_id).type == "completed", "as the error says"


def run_first_turn(workflow_id) -> None:
    claimed = workflows.claim_turn("", "a worker")
    assert claimed is not None
    assert claimed.id == workflow_id
    assert take_turn(claimed, None) is None


def fail_mostly() -> int:
    called.append("fail")
    if len(called) < 8:
        raise ValueError("no")
    return 1


BY_NAME["fail_mostly"] = fail_mostly


@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_attempts_that_failed_are_not_counted_as_lost(kind):
    workflow_id = steps_of.start(kind, "fail_mostly")
    run_first_turn(workflow_id)
    for _ in range(4):
        lose_it()
        step = claim()
        assert step is not None
        run_step(step, None)  # it fails, and is queued again
        step = claim()
        assert step is not None
        run_step(step, None)
    assert finish(workflow_id).type == "completed"
    assert len(called) == 8


def test_the_fifth_that_is_lost_ends_it_also_with_others_in_between():
    workflow_id = steps_of.start("action", "fail_mostly")
    run_first_turn(workflow_id)
    for _ in range(5):
        lose_it()
        step = claim()
        assert step is not None
        run_step(step, None)
    status = finish(workflow_id)
    assert status.type == "failed"
    assert "5 attempts of this step were lost" in status.error
    assert called == ["fail"] * 4


# -- progress


def report(value) -> int:
    report_progress(1, value)
    return 1


@workflow.define(name="final.progress")
async def progress_of(step: WorkflowContext) -> int:
    return await step.run_action(report, 10)


def test_an_action_does_not_fail_for_progress_that_cannot_be_written(monkeypatch, caplog):
    def away(*args):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(attempts, "set_progress", away)
    assert finish(progress_of.start()).type == "completed"
    assert "The progress of step 0 (tests.engine.test_final_failures.report) could not be written" in caplog.text


@pytest.mark.parametrize("value", [10**400, float("nan"), True, "many"])
def test_progress_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="report_progress: done must be a number from 0 to"):
        report_progress(value)
