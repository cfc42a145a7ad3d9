"""Every verb on the workflow that the calling step, callback, hook or receiver belongs to: does it, or says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from django_workflows import (
    Canceled,
    Completed,
    Failed,
    StepFailed,
    WorkflowContext,
    WorkflowNotRunning,
    WorkflowStillRunning,
    current_step,
    signals,
)
from django_workflows.engine.cleanup import cleanup_expired
from tests.app.models import Effect
from tests.app.workflows import sums, workflow
from tests.engine.driver import advance, finish, run

both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])
forces = pytest.mark.parametrize("force", [False, True], ids=["gracefully", "by force"])
said: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


def own() -> UUID:
    return current_step().workflow_id


# -- what the steps do


def cancel_own(key: str, force: bool = False) -> str:
    Effect.objects.create(key=key)
    workflow.cancel(own(), force=force)
    return "done"


async def cancel_own_async(key: str, force: bool = False) -> str:
    await Effect.objects.acreate(key=key)
    await workflow.acancel(own(), force=force)
    return "done"


def cancel_own_and_fail(key: str) -> None:
    Effect.objects.create(key=key)
    workflow.cancel(own())
    raise ValueError("after all not")


def cancel_own_in_a_block_that_is_undone() -> str:
    try:
        with transaction.atomic():
            workflow.cancel(own())
            raise LookupError
    except LookupError:
        return "not canceled"


def cancel_other(other: UUID, key: str, force: bool = False) -> str:
    Effect.objects.create(key=key)
    workflow.cancel(other, force=force)
    return "done"


def say(verb: str) -> str:
    """The answer of a verb on the own workflow."""
    if verb == "steps":
        return ", ".join(workflow.steps(own()).values_list("state", flat=True))
    if verb == "list":
        return str(workflow.list().filter(id=own()).count())
    if verb == "send":
        workflow.send_event(own(), "note", "from inside")
        return "sent"
    if verb == "create":
        workflow.send_event(event_id=workflow.create_event(own(), "note"), value="from inside")
        return "made and sent"
    if verb == "watch":
        return str(list(workflow.watch(own())))
    if verb == "start at once":
        return str(workflow.status(sums.with_options(start_async=False).start([1])))
    return str(getattr(workflow, verb)(own()))


async def say_async(verb: str) -> str:
    if verb == "send":
        await workflow.asend_event(own(), "note", "from inside")
        return "sent"
    if verb == "create":
        event_id = await workflow.acreate_event(own(), "note")
        await workflow.asend_event(event_id=event_id, value="from inside")
        return "made and sent"
    if verb == "watch":
        return str([each async for each in workflow.awatch(own())])
    if verb == "start at once":
        return str(await workflow.astatus(await sums.with_options(start_async=False).astart([1])))
    if verb in ("steps", "list"):
        return await asyncio.to_thread(str, "no twin: a queryset")
    return str(await getattr(workflow, f"a{verb}")(own()))


KINDS = ["mutation", "mutation, inline", "action", "action, async", "mutation, async", "mutation, inline, async"]


def asked(step: WorkflowContext, kind: str, fn: Any, fn_async: Any, *args: Any) -> Any:
    inline = step.with_options(inline=True) if "inline" in kind else step
    return getattr(inline, f"run_{kind.split(',', maxsplit=1)[0]}")(fn_async if "async" in kind else fn, *args)


@workflow.define
async def canceling(step: WorkflowContext, kind: str, force: bool, key: str = "a") -> str:
    try:
        await asked(step, kind, cancel_own, cancel_own_async, key, force)
        await step.run_mutation(add_effect, "too far")
    finally:
        await step.run_mutation(add_effect, f"{key} cleaned up")
    return "completed"


@workflow.define
async def canceling_at_last(step: WorkflowContext, kind: str) -> str:
    return await asked(step, kind, cancel_own, cancel_own_async, "a")


@workflow.define
async def changing_its_mind(step: WorkflowContext, inline: bool, fails: bool) -> str:
    context = step.with_options(inline=inline)
    if not fails:
        return await context.run_mutation(cancel_own_in_a_block_that_is_undone)
    try:
        await context.run_mutation(cancel_own_and_fail, "a")
    except StepFailed:
        return "failed"
    return "went on"


def add_effect(key: str) -> None:
    Effect.objects.create(key=key)


@workflow.define
async def telling(step: WorkflowContext, kind: str, verb: str) -> str:
    answer = await asked(step, kind, say, say_async, verb)
    if verb in ("send", "create"):
        return f"{answer}: {await step.await_event('note')}"
    return str(answer)


@workflow.define
async def hearing(step: WorkflowContext, kind: str, verb: str) -> str:
    """Waits for the event already when a step of its own sends it."""
    note = step.await_event("note")
    answer = await asked(step, kind, say, say_async, verb)
    return f"{answer}: {await note}"


@workflow.define
async def parent(step: WorkflowContext, kind: str, force: bool) -> str:
    await step.run_workflow(child, step.workflow_id, kind, force)
    return "completed"


@workflow.define
async def child(step: WorkflowContext, of: UUID, kind: str, force: bool) -> str:
    await asked(step, kind, cancel_other, None, of, "a", force)
    await step.run_mutation(add_effect, "too far")
    return "completed"


@workflow.define
async def canceling_its_child(step: WorkflowContext, kind: str) -> str:
    running = step.run_workflow(waiting)
    await step.run_action(nothing_at_all)
    await asked(step, kind, cancel_its_children, None)
    try:
        return await running
    except StepFailed as error:
        return type(error).__name__


def nothing_at_all() -> None:
    pass


def cancel_its_children() -> None:
    for each in workflow.list().filter(parent=own()):
        workflow.cancel(each.id)


@workflow.define
async def waiting(step: WorkflowContext) -> str:
    return str(await step.await_event("never"))


def effects() -> list[str]:
    return sorted(Effect.objects.values_list("key", flat=True))


# -- cancel


@both_ways
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_cancels_its_own_workflow(kind: str, replaying: bool) -> None:
    workflow_id = canceling.start(kind, False)
    assert finish(workflow_id, replaying=replaying) == Canceled()
    assert effects() == ["a", "a cleaned up"]
    states = dict(workflow.steps(workflow_id).values_list("number", "state"))
    assert states == {0: "canceled" if "action" in kind else "completed", 1: "completed"}


@both_ways
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_cancels_its_own_workflow_by_force(kind: str, replaying: bool) -> None:
    workflow_id = canceling.start(kind, True)
    assert finish(workflow_id, replaying=replaying) == Canceled()
    assert effects() == ["a"]
    assert workflow.steps(workflow_id).get().state == ("canceled" if "action" in kind else "completed")


@both_ways
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_last_step_cancels_is_canceled(kind: str, replaying: bool) -> None:
    workflow_id = canceling_at_last.start(kind)
    assert finish(workflow_id, replaying=replaying) == Canceled()
    assert effects() == ["a"]


@forces
def test_many_at_once_cancel_themselves(force: bool) -> None:
    asked_for = [(kind, f"{kind} {number}") for number in range(5) for kind in KINDS]
    ids = [canceling.start(kind, force, key) for kind, key in asked_for]
    assert [finish(each) for each in ids] == [Canceled()] * len(ids)
    endings = ("",) if force else ("", " cleaned up")
    assert effects() == sorted(key + ending for _, key in asked_for for ending in endings)


@pytest.mark.parametrize("inline", [False, True])
def test_a_cancel_is_undone_with_the_mutation_that_asked_for_it(inline: bool) -> None:
    assert finish(changing_its_mind.start(inline, True)) == Completed("failed")
    assert finish(changing_its_mind.start(inline, False)) == Completed("not canceled")
    assert not effects()


@forces
@pytest.mark.parametrize("kind", ["mutation", "mutation, inline", "action"])
def test_a_step_of_a_child_cancels_the_parent(kind: str, force: bool) -> None:
    workflow_id = parent.start(kind, force)
    assert finish(workflow_id) == Canceled()
    run()
    assert set(workflow.list().values_list("state", flat=True)) == {"canceled"}
    assert effects() == ["a"]


@pytest.mark.parametrize("kind", ["mutation", "mutation, inline", "action"])
def test_a_step_cancels_a_child_of_its_workflow(kind: str) -> None:
    assert finish(canceling_its_child.start(kind)) == Completed("ChildWorkflowCanceled")


def test_a_restart_after_a_cancel_from_inside_does_not_repeat_the_mutation() -> None:
    workflow_id = canceling.start("mutation", True)
    finish(workflow_id)
    workflow.restart(workflow_id)
    assert finish(workflow_id) == Completed("completed")
    assert effects() == ["a", "a cleaned up", "too far"]


# -- the other verbs


DOES = {
    "status": "InProgress",
    "send": "sent: from inside",
    "create": "made and sent: from inside",
    "retry_now": "None",
    "start at once": "InProgress",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", DOES)
def test_a_verb_on_the_own_workflow_works(kind: str, verb: str) -> None:
    status = finish(telling.start(kind, verb))
    assert isinstance(status, Completed), status
    assert DOES[verb] in status.result


@pytest.mark.parametrize("verb", ["steps", "list"])
@pytest.mark.parametrize("kind", ["mutation", "mutation, inline", "action", "query", "query, inline"])
def test_a_step_looks_at_its_own_workflow(kind: str, verb: str) -> None:
    status = finish(telling.start(kind, verb))
    assert isinstance(status, Completed), status


@both_ways
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", ["send", "create"])
def test_an_event_from_inside_reaches_the_wait_that_was_there_before(kind: str, verb: str, replaying: bool) -> None:
    workflow_id = hearing.start(kind, verb)
    assert finish(workflow_id, replaying=replaying) == Completed(DOES[verb])


REFUSES = {
    "result": "RefusedInside",
    "watch": "RefusedInside",
    "restart": "WorkflowStillRunning",
    "cleanup": "WorkflowStillRunning",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", REFUSES)
def test_a_verb_that_cannot_work_says_so_at_once(kind: str, verb: str) -> None:
    status = finish(telling.start(kind, verb))
    assert isinstance(status, Failed), status
    assert status.error_type.endswith(REFUSES[verb])


@pytest.mark.parametrize("kind", ["query", "query, inline", "query, async"])
@pytest.mark.parametrize("verb", ["cancel", "send", "create", "retry_now", "start at once"])
def test_a_query_changes_nothing(kind: str, verb: str) -> None:
    status = finish(telling.start(kind, verb))
    assert isinstance(status, Failed), status
    assert status.error_type.endswith("RefusedInside")
    assert "run_mutation" in status.error


def result_of(other: UUID) -> Any:
    return workflow.result(other, timeout=60)


@workflow.define
async def asking_for_the_parents_result(step: WorkflowContext, kind: str) -> str:
    return await step.run_workflow(waiting_for, step.workflow_id, kind)


@workflow.define
async def waiting_for(step: WorkflowContext, of: UUID, kind: str) -> str:
    return str(await asked(step, kind, result_of, None, of))


@pytest.mark.parametrize("kind", ["mutation", "mutation, inline", "action", "query"])
def test_a_child_does_not_wait_for_its_parents_end(kind: str) -> None:
    status = finish(asking_for_the_parents_result.start(kind))
    assert isinstance(status, Failed)
    assert status.error_type.endswith("RefusedInside")
    assert "a child of this workflow" in status.error


@pytest.mark.parametrize("kind", ["mutation", "action", "query"])
def test_the_result_of_another_workflow_can_be_had(kind: str) -> None:
    other = sums.start([1, 2])
    assert finish(other) == Completed(3)
    assert finish(waiting_for.start(other, kind)) == Completed("3")


# -- the workflow function itself


@workflow.define
async def going_past_the_journal(step: WorkflowContext, verb: str) -> str:
    getattr(workflow, verb)(step.workflow_id)
    return "done"


@workflow.define
async def starting_past_the_journal(step: WorkflowContext, at_once: bool) -> str:
    return str(sums.with_options(start_async=not at_once).start([1]))


@pytest.mark.parametrize("verb", ["cancel", "restart", "cleanup", "retry_now", "result", "watch", "acancel", "aresult"])
def test_a_workflow_function_is_told_what_to_write(verb: str) -> None:
    if verb.startswith("a"):
        status = finish(going_past_the_journal_async.start(verb))
    else:
        status = finish(going_past_the_journal.start(verb))
    assert isinstance(status, Failed)
    assert status.error_type.endswith("UnsupportedInHandler")
    assert "step.run_mutation" in status.error


@workflow.define
async def going_past_the_journal_async(step: WorkflowContext, verb: str) -> str:
    await getattr(workflow, verb)(step.workflow_id)
    return "done"


@pytest.mark.parametrize("at_once", [False, True])
def test_a_workflow_function_starts_children_by_the_journal(at_once: bool) -> None:
    status = finish(starting_past_the_journal.start(at_once))
    assert isinstance(status, Failed)
    assert "step.run_workflow" in status.error
    assert workflow.list().count() == 1


# -- callbacks, hooks, receivers


def answers(workflow_id: UUID) -> dict[str, str]:
    """What each verb on this workflow gives, or the name of what it raises."""

    def answer(call: Callable[[], Any]) -> str:
        try:
            return str(call())
        except Exception as error:  # noqa: BLE001 - that is the answer
            return type(error).__name__

    return {
        "status": answer(lambda: workflow.status(workflow_id).type),
        "steps": answer(lambda: workflow.steps(workflow_id).count()),
        "list": answer(lambda: workflow.list().filter(id=workflow_id).count()),
        "result": answer(lambda: workflow.result(workflow_id, timeout=60)),
        "watch": answer(lambda: [each.type for each in workflow.watch(workflow_id)]),
        "retry_now": answer(lambda: workflow.retry_now(workflow_id)),
        "send": answer(lambda: len(str(workflow.send_event(workflow_id, "note", 1)))),
        "create": answer(lambda: len(str(workflow.create_event(workflow_id, "note")))),
    }


def is_refused(workflow_id: UUID, **options: bool) -> str:
    with pytest.raises(WorkflowNotRunning) as caught:
        workflow.cancel(workflow_id, **options)
    return str(caught.value)


def ask_everything(workflow_id: UUID, result: Any, context: Any) -> None:
    said.append(answers(workflow_id))
    if context == "cancel":
        said.append(is_refused(workflow_id))
    elif context == "force":
        said.append(is_refused(workflow_id, force=True))
    elif context == "restart" and len(said) == 1:
        workflow.restart(workflow_id, from_step=0)
    elif context == "cleanup":
        said.append(workflow.cleanup(workflow_id))


ENDED = {
    "status": "completed",
    "steps": "1",
    "list": "1",
    "result": "1",
    "watch": "['completed']",
    "retry_now": "WorkflowNotRunning",
    "send": "WorkflowNotRunning",
    "create": "WorkflowNotRunning",
}
GOING_ON = {
    **ENDED,
    "status": "in_progress",
    "result": "RefusedInside",
    "watch": "RefusedInside",
    "retry_now": "None",
    "send": "36",
    "create": "36",
}


@pytest.mark.parametrize("context", ["cancel", "force", "restart", "cleanup"])
@pytest.mark.parametrize("as_child", [False, True])
def test_a_callback_asks_everything_of_its_workflow(context: str, as_child: bool) -> None:
    if as_child:
        workflow_id = parent_of_one.start()
        run()
        assert workflow.status(workflow_id) == Completed(1)
        return
    workflow_id = sums.with_options(on_complete=ask_everything, context=context).start([1])
    run()
    assert said[0] == ENDED
    if context == "cleanup":
        assert not workflow.list().filter(id=workflow_id).exists()
        assert said[1] is True
    else:
        assert workflow.status(workflow_id) == Completed(1)
        assert len(said) == 2


@workflow.define
async def parent_of_one(step: WorkflowContext) -> int:
    return await step.run_workflow(sums, [1])


def with_a_hook(then: str) -> str:
    me = own()
    act = {
        "ask": lambda: said.append(answers(me)),
        "cancel": lambda: workflow.cancel(me),
        "force": lambda: workflow.cancel(me, force=True),
    }[then]
    transaction.on_commit(act)
    return "done"


@workflow.define
async def hooked(step: WorkflowContext, inline: bool, then: str) -> str:
    await step.with_options(inline=inline).run_mutation(with_a_hook, then)
    return str(await step.await_event("note"))


@pytest.mark.parametrize("inline", [False, True])
def test_a_hook_asks_everything_of_its_workflow(inline: bool) -> None:
    workflow_id = hooked.start(inline, "ask")
    run()
    assert said == [{**GOING_ON, "steps": "2"}]
    assert workflow.status(workflow_id) == Completed("1")


@pytest.mark.parametrize("then", ["cancel", "force"])
@pytest.mark.parametrize("inline", [False, True])
def test_a_hook_cancels_its_workflow(inline: bool, then: str) -> None:
    assert finish(hooked.start(inline, then)) == Canceled()


@pytest.fixture(params=["started", "step_started", "step_completed", "completed"])
def receiving(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[UUID], None]], None]]:
    signal = getattr(signals, request.param if request.param.startswith("step") else f"workflow_{request.param}")
    receivers: list[Any] = []

    def connect(act: Callable[[UUID], None]) -> None:
        def receive(workflow_id: UUID, **kwargs: Any) -> None:
            act(workflow_id)

        receivers.append(receive)
        signal.connect(receive)

    connect.signal = request.param  # type: ignore[attr-defined]
    yield connect
    for each in receivers:
        signal.disconnect(each)


def test_a_receiver_asks_everything_of_its_workflow(receiving: Any) -> None:
    receiving(lambda workflow_id: said.append(answers(workflow_id)))
    workflow_id = sums.start([1])
    run()
    assert workflow.status(workflow_id) == Completed(1)
    if receiving.signal == "completed":
        assert said == [ENDED]
    elif receiving.signal == "step_completed":
        assert said == [ENDED]  # its turn, which ends the workflow, is the same commit
    else:
        assert said == [{**GOING_ON, "steps": said[0]["steps"]}]


@forces
def test_a_receiver_cancels_its_workflow(receiving: Any, force: bool) -> None:
    if receiving.signal == "completed":
        receiving(lambda workflow_id: said.append(is_refused(workflow_id)))
        workflow_id = sums.start([1])
        run()
        assert len(said) == 1
        assert workflow.status(workflow_id) == Completed(1)
        return
    receiving(lambda workflow_id: workflow.cancel(workflow_id, force=force))
    workflow_id = sums.start([1, 2, 3])
    run()
    assert workflow.status(workflow_id) == Canceled()


def restart_too_soon(workflow_id: UUID) -> None:
    if not said:
        with pytest.raises(WorkflowStillRunning, match="still running"):
            workflow.restart(workflow_id)
        said.append("WorkflowStillRunning")


def test_a_receiver_cleans_up_and_restarts(receiving: Any) -> None:
    if receiving.signal != "completed":
        receiving(restart_too_soon)
        workflow_id = sums.start([1, 2])
        run()
        assert "WorkflowStillRunning" in said
        assert finish(workflow_id) == Completed(3)
        return
    receiving(lambda workflow_id: said.append(len(said) < 2 and workflow.restart(workflow_id, from_step=0)))
    workflow_id = sums.start([1, 2])
    run()
    assert len(said) == 3
    assert workflow.status(workflow_id) == Completed(3)
    receiving(lambda workflow_id: said.append(workflow.cleanup(workflow_id)))
    other = sums.start([1])
    run()
    assert not workflow.list().filter(id=other).exists()


# -- what the errors advise


@workflow.define
async def wants_to_be_deleted(step: WorkflowContext) -> str:
    with suppress(StepFailed):
        await step.run_mutation(say, "cleanup")
    return "done"


def test_who_wants_to_be_cleaned_up_starts_with_no_retention() -> None:
    with_advice = telling.start("mutation", "cleanup")
    status = finish(with_advice)
    assert isinstance(status, Failed)
    assert "retain_for=0" in status.error
    workflow_id = wants_to_be_deleted.with_options(retain_for=0).start()
    run()
    advance(1)
    cleanup_expired()
    assert not workflow.list().filter(id=workflow_id).exists()


def test_who_wants_to_be_restarted_is_by_its_callback() -> None:
    status = finish(telling.start("mutation", "restart"))
    assert isinstance(status, Failed)
    assert "on_complete" in status.error
    assert "continue_as_new" in status.error
    sums.with_options(on_complete=ask_everything, context="restart").start([1])
    run()
    assert len(said) == 2
