"""The invariants have teeth: with one safeguard of the engine taken away, a race that it guards against is seen.

Each test brings about one order of events on purpose, first with the safeguard taken away, then as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_workflows import Completed, WorkflowContext, WorkflowManager
from django_workflows.core.journal import StepState
from django_workflows.engine import run_step as run_step_verb
from django_workflows.engine import send_event as send_event_verb
from django_workflows.engine.advance import take_turn
from django_workflows.engine.live import live_handlers
from django_workflows.engine.run_step import run_step
from django_workflows.models import Step, Workflow
from django_workflows.store import journals, pools, workflows
from tests.engine.driver import advance, claim, finish, run
from tests.races import flows
from tests.races.invariants import check

workflow = WorkflowManager()
one_place = WorkflowManager(max_parallelism=flows.LIMIT, name=flows.limited.name)
both = pytest.mark.parametrize("broken", [True, False], ids=["taken away", "as it is"])


@workflow.define
async def waits_for_go(step: WorkflowContext) -> int:
    return await step.await_event("go")


@workflow.define
async def one_effect(step: WorkflowContext) -> str:
    await step.run_mutation(flows.note_effect)
    return "done"


@one_place.define
async def spread_out(step: WorkflowContext) -> None:
    for each in [step.run_action(flows.act) for _ in range(4)]:
        await each


def seen(broken: bool, look: Callable[[], Any]) -> None:
    """What is broken must be seen; what is not must not be."""
    if not broken:
        look()
        return
    with pytest.raises(AssertionError):
        look()


@both
def test_no_wake_up_after_an_event(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow_id = waits_for_go.start()
    run()
    if broken:
        monkeypatch.setattr(send_event_verb.workflows, "make_due", lambda workflow_id: None)
    workflow.send_event(workflow_id, "go", 1)
    seen(broken, check)
    monkeypatch.undo()
    workflows.make_due(workflow_id)
    assert finish(workflow_id) == Completed(1)


@both
def test_wake_up_before_the_write(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is woken before the event is there looks in vain, and nobody wakes it again."""
    workflow_id = waits_for_go.start()
    run()
    if broken:
        workflows.make_due(workflow_id)
        assert run() == 1
        monkeypatch.setattr(send_event_verb.workflows, "make_due", lambda workflow_id: None)
    workflow.send_event(workflow_id, "go", 1)
    seen(broken, check)
    monkeypatch.undo()
    workflows.make_due(workflow_id)
    assert finish(workflow_id) == Completed(1)


@both
def test_no_fence_by_attempt(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was taken for dead comes back after another has ended its step."""
    flows.acted.clear()
    workflow_id = one_effect.start()
    take_turn(workflow_id, None, None)
    live_handlers.clear()
    first = claim("first")
    advance(31)
    second = claim("second")
    assert first is not None
    assert second is not None
    if broken:
        end = journals.end_steps

        def unfenced(owner: Any, ends: Any, now: Any, at: Any = None) -> bool:
            end(owner, ends, now, at)
            return True

        monkeypatch.setattr(journals, "end_steps", unfenced)
    run_step(second, None)
    run_step(first, None)
    seen(broken, check)


@both
def test_no_count_of_places(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow_id = spread_out.start()
    take_turn(workflow_id, None, None)
    if broken:
        monkeypatch.setattr(pools, "_has_place", lambda *_: True)
    for _ in range(4):
        claim()
    seen(broken, check)


@both
def test_nothing_is_dropped_at_the_end(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow_id = waits_for_go.start()
    run()
    workflow.cancel(workflow_id)
    if broken:
        Step.objects.filter(workflow=workflow_id).update(state=StepState.WAITING)
    seen(broken, check)


@both
def test_no_fence_by_generation(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn of before a restart is taken after it."""
    workflow_id = one_effect.start()
    run()
    before = Workflow.objects.get().generation
    workflow.restart(workflow_id, 0)
    version = Workflow.objects.get().version

    def look() -> None:
        assert workflows.lock(workflow_id, None if broken else before) is None
        assert Workflow.objects.get().version == version

    seen(broken, look)


def test_the_names_that_are_taken_away_are_those_that_the_engine_uses() -> None:
    """Should one be renamed, its test would show teeth that bite nothing."""
    assert send_event_verb.workflows.make_due is workflows.make_due
    assert callable(pools._has_place)
    assert run_step_verb.finish is not None
