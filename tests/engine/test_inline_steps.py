"""Inline steps: they run in the turn, in its transaction."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_workflows import Completed, InvalidStep, StepFailed, WorkflowContext
from django_workflows.engine.inline import cautious
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import finish, run
from tests.engine.dying import mortal

workflow = flows.workflow


@pytest.mark.parametrize("replaying", [False, True])
def test_they_run_in_one_turn(replaying):
    workflow_id = flows.inline_mutations.start("k", 5)
    assert run(replaying=replaying) == 1
    assert workflow.status(workflow_id) == Completed(5)
    assert [step.state for step in workflow.steps(workflow_id)] == ["completed"] * 6
    assert {step.attempt for step in workflow.steps(workflow_id)} == {1}


def test_they_share_the_turns_transaction():
    workflow_id = flows.inline_mutations.start("k", 3)
    with mortal(when=lambda what: what == "COMMIT") as life:
        run()
    assert life.dead
    assert not Effect.objects.exists()
    assert not workflow.steps(workflow_id).exists()
    assert finish(workflow_id) == Completed(3)
    assert Effect.objects.count() == 3


def test_they_commit_with_their_turn(elsewhere):
    seen = []
    steps.hooks.append(lambda: seen.append(elsewhere(Effect.objects.count)))
    workflow_id = two_inline.start("k")
    assert finish(workflow_id) == Completed(["k-1", "k-2"])
    assert seen == [0, 0]
    assert Effect.objects.count() == 2


@workflow.define(name="tests two inline")
async def two_inline(step: WorkflowContext, key: str) -> list[str]:
    inline = step.with_options(inline=True)
    return [
        await inline.run_mutation(steps.insert_effect_then, f"{key}-1"),
        await inline.run_mutation(steps.insert_effect_then, f"{key}-2"),
    ]


@workflow.define(name="tests inline failure")
async def inline_failure(step: WorkflowContext, key: str) -> list[str]:
    inline = step.with_options(inline=True)
    first = await inline.run_mutation(steps.insert_effect_then, f"{key}-1")
    try:
        await inline.run_mutation(steps.insert_effect_and_fail, f"{key}-2")
    except StepFailed as error:
        return [first, error.message, await step.run_mutation(steps.insert_effect_then, f"{key}-3")]
    return []


@pytest.mark.parametrize("replaying", [False, True])
def test_one_that_fails_takes_only_its_own_writes_back(replaying):
    workflow_id = inline_failure.start("k")
    assert finish(workflow_id, replaying=replaying) == Completed(["k-1", "no money", "k-3"])
    assert list(Effect.objects.order_by("key").values_list("key", flat=True)) == ["k-1", "k-3"]


@pytest.mark.parametrize("replaying", [False, True])
def test_one_that_fails_has_its_turn_taken_again_and_only_the_first_time(replaying):
    """Each first call of one that fails there costs a turn; what was done in it is undone, hooks included."""
    cautious.clear()
    for number in (1, 2):
        assert finish(inline_hooks.start(f"{number}"), replaying=replaying) == Completed(f"{number} no money")
    assert list(Effect.objects.order_by("key").values_list("key", flat=True)) == ["1", "2"]
    assert [call[:2] for call in steps.calls] == [
        ("insert_effect_then", "1"),
        ("insert_and_fail_then", "1!"),
        ("insert_effect_then", "1"),
        ("insert_and_fail_then", "1!"),
        ("insert_effect_then", "2"),
        ("insert_and_fail_then", "2!"),
    ], "no hook of what was undone"


@workflow.define(name="tests inline hooks")
async def inline_hooks(step: WorkflowContext, key: str) -> str:
    inline = step.with_options(inline=True)
    done = await inline.run_mutation(steps.insert_effect_then, key)
    try:
        await inline.run_mutation(steps.insert_and_fail_then, f"{key}!")
    except StepFailed as error:
        return f"{done} {error.message}"
    return done


@workflow.define(name="tests inline after others")
async def inline_after_others(step: WorkflowContext, kind: str, key: str) -> list[str]:
    """A step of its own, whose end is written in the turn of those that are inline."""
    if kind == "mutation":
        first = await step.run_mutation(steps.insert_effect_then, f"{key}-1")
    else:
        first = await step.run_action(steps.act_then, f"{key}-1")
    inline = step.with_options(inline=True)
    second = await inline.run_mutation(steps.insert_effect_then, f"{key}-2")
    try:
        await inline.run_mutation(steps.insert_and_fail_then, f"{key}-3")
    except StepFailed as error:
        return [first, second, error.message]
    return []


@pytest.mark.parametrize("replaying", [False, True])
@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_one_that_fails_after_a_step_of_another_kind(kind, replaying):
    cautious.clear()
    workflow_id = inline_after_others.start(kind, "k")
    assert finish(workflow_id, replaying=replaying) == Completed(["k-1", "k-2", "no money"])
    expected = ["k-1", "k-2"] if kind == "mutation" else ["k-2"]
    assert list(Effect.objects.order_by("key").values_list("key", flat=True)) == expected
    assert [call for call in steps.calls if call[0] == "act_then"] == [("act_then", "k-1", 1)] * (kind == "action")
    assert ("hook", "k-3") not in steps.calls
    assert {step.attempt for step in workflow.steps(workflow_id)} == {1}


def test_in_a_callers_transaction_one_that_fails_is_called_once():
    """Nobody can take the turn again there."""
    cautious.clear()
    with transaction.atomic():
        workflow_id = inline_hooks.start("k")
        run()
    assert workflow.status(workflow_id) == Completed("k no money")
    assert [call[:2] for call in steps.calls] == [("insert_effect_then", "k"), ("insert_and_fail_then", "k!")]


def test_they_need_no_savepoint():
    flows.inline_mutations.start("k", 3)
    with CaptureQueriesContext(connection) as seen:
        run()
    queries = [query["sql"] for query in seen]
    # The query at its end is kept from writing by one.
    assert sum(sql.startswith("SAVEPOINT") for sql in queries) <= 1


@pytest.mark.postgres
def test_one_that_swallows_an_error_of_which_django_does_not_know_takes_only_its_own_writes_back():
    cautious.clear()
    result = finish(inline_raw.start("k")).result
    assert "transaction.atomic()" in result
    assert list(Effect.objects.values_list("key", flat=True)) == ["k-1"]


@workflow.define(name="tests inline raw")
async def inline_raw(step: WorkflowContext, key: str) -> str:
    inline = step.with_options(inline=True)
    await inline.run_mutation(steps.insert_effect_then, f"{key}-1")
    try:
        return await inline.run_mutation(steps.swallow_raw_error, f"{key}-2")
    except StepFailed as error:
        return error.message


def test_one_that_swallows_a_database_error_takes_only_its_own_writes_back():
    workflow_id = inline_swallow.start("k")
    result = finish(workflow_id).result
    assert "transaction.atomic()" in result
    assert list(Effect.objects.values_list("key", flat=True)) == ["k-1"]


@workflow.define(name="tests inline swallow")
async def inline_swallow(step: WorkflowContext, key: str) -> str:
    inline = step.with_options(inline=True)
    await inline.run_mutation(steps.insert_effect_then, f"{key}-1")
    try:
        return await inline.run_mutation(steps.swallow_integrity_error, f"{key}-2")
    except StepFailed as error:
        return error.message


@workflow.define(name="tests inline and others")
async def inline_and_others(step: WorkflowContext, key: str) -> list[int]:
    inline = step.with_options(inline=True)
    found = []
    for index in range(3):
        await step.run_mutation(steps.insert_effect, f"{key}-{index}")
        found.append(await inline.run_query(steps.count_effects))
        found.append(await step.run_action(steps.add, index, 1))
    return found


@pytest.mark.parametrize("replaying", [False, True])
def test_they_mix_with_steps_that_have_a_transaction_of_their_own(replaying):
    assert finish(inline_and_others.start("k"), replaying=replaying) == Completed([1, 1, 2, 2, 3, 3])


@workflow.define(name="tests inline misuse")
async def inline_misuse(step: WorkflowContext, how: str) -> str:
    inline = step.with_options(inline=True)
    try:
        if how == "action":
            await inline.run_action(steps.no_op)
        elif how == "workflow":
            await inline.run_workflow(flows.nothing)
        else:
            step.with_options(inline=True, **{how: 1})
    except InvalidStep as error:
        return str(error)
    return "accepted"


@pytest.mark.parametrize("how", ["action", "workflow", "run_after"])
def test_what_cannot_be_inline_says_so(how):
    assert "inline" in finish(inline_misuse.start(how)).result


def test_an_inline_step_sees_what_the_turn_wrote_before():
    assert finish(flows.inline_mutations.start("k", 2)) == Completed(2)
    assert connection.in_atomic_block is False
