"""What must hold of the tables after every transaction, whoever wrote it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from django_workflows.engine import observe
from django_workflows.models import Event, Step, Workflow
from django_workflows.store import database
from tests.app.models import Effect
from tests.races import flows

#: The latest time that was; a clock that is put back leaves what was due "now" due later than its waits.
latest_time: Callable[[], datetime] = database.now
OPEN = ("queued", "running", "waiting")


def check() -> None:
    """Assert all that must hold."""
    events = list(Event.objects.all())
    places = Counter[str]()
    for workflow in Workflow.objects.all():
        steps = list(workflow.steps.order_by("number"))
        mine = [event for event in events if event.workflow_id == workflow.id]
        _check_journal(workflow, steps)
        _check_events(steps, mine)
        if workflow.state == "in_progress":
            _check_running(workflow, steps, mine)
        else:
            _check_finished(workflow, steps)
        places.update(step.pool for step in steps if step.pool and step.state == "running")
    assert all(taken <= flows.LIMIT for taken in places.values()), places
    _check_effects()
    _check_pool()
    check_failures()


def _check_journal(workflow: Workflow, steps: list[Step]) -> None:
    assert [step.number for step in steps] == list(range(len(steps))), "step numbers are dense"
    deliveries = [step.delivery for step in steps if step.delivery is not None]
    assert len(set(deliveries)) == len(deliveries), "each outcome is handed over once"
    assert max(deliveries, default=0) <= workflow.delivered
    for step in steps:
        if step.state not in OPEN:
            assert step.due_at is None, f"step {step.number} has ended, and is due"
        if step.delivery is not None:
            assert step.state in ("completed", "failed")


def _check_events(steps: list[Step], events: list[Event]) -> None:
    taken = Counter(event.step for event in events if event.state == "consumed")
    assert all(count == 1 for count in taken.values()), "no step takes two events"
    given = {step.number for step in steps if step.kind == "event" and step.state == "completed"}
    assert set(taken) == given, "whoever took an event was given it, and nobody else was"


def _check_finished(workflow: Workflow, steps: list[Step]) -> None:
    assert workflow.due_at is None, "what has ended is not due"
    assert workflow.finished_at is not None
    assert not [step for step in steps if step.state in OPEN], "nothing is open on a finished workflow"
    assert workflow.on_complete_error is None
    if workflow.on_complete:
        ends = Effect.objects.filter(value=f"end {workflow.id} {workflow.generation}").count()
        assert ends == 1, "on_complete ran once"
    assert observe.status(workflow.id).type == workflow.state


def _shown(workflow: Workflow, steps: list[Step]) -> str:
    lines = [
        f"{workflow} {workflow.state} v{workflow.version} delivered {workflow.delivered} by {workflow.claimed_by!r}"
    ]
    lines += [f"{each} {each.kind} {each.state} due {each.due_at} delivery {each.delivery}" for each in steps]
    return "\n".join(lines)


def _check_running(workflow: Workflow, steps: list[Step], events: list[Event]) -> None:
    assert workflow.finished_at is None
    assert workflow.result is None
    opened = [step for step in steps if step.state in OPEN]
    assert observe.status(workflow.id).running == [step.name for step in opened]
    for step in opened:
        if step.kind == "workflow":
            children = Workflow.objects.filter(parent=workflow, parent_step=step.number)
            assert [child.state for child in children] == ["in_progress"], "who waits for a child has one"
    if workflow.due_at is not None or workflow.blocked_message:
        waits = [step.due_at for step in opened if step.state == "waiting" and step.due_at is not None]
        if waits and not workflow.claimed_by and not workflow.blocked_message:
            late = f"its first wait is over {min(waits)}, and it is due {workflow.due_at}: {_shown(workflow, steps)}"
            latest = max(min(waits) + timedelta(milliseconds=1), latest_time())
            assert workflow.due_at <= latest, late
        return
    assert opened, "nothing would ever wake it"
    assert not [step for step in opened if step.state == "waiting" and step.due_at is not None], "its timer is asleep"
    late = [step for step in steps if step.delivery is None and step.state in ("completed", "failed")]
    assert not [step for step in late if step.kind != "patch"], "a step ended, and nobody will look"
    waiting = {step.function for step in opened if step.kind == "event"}
    sent = [event for event in events if event.state == "sent"]
    would_take = [event for event in sent if {f"name:{event.name}", f"id:{event.id}"} & waiting]
    assert not would_take, "an event was sent, and who waits for it will not look"


def _check_effects() -> None:
    """Effects of mutations: one for each that completed, and none that the journal does not know."""
    effects = dict(Effect.objects.filter(value__startswith="step ").values_list("pk", "value"))
    assert all(count == 1 for count in Counter(effects.values()).values()), "no effect twice"
    ended = Step.objects.filter(function__endswith="note_effect", state="completed")
    known = {json.loads(result): str(owner) for owner, result in ended.values_list("workflow_id", "result")}
    assert len(known) == ended.count(), "each has its own"
    for pk, owner in known.items():
        assert effects[pk].split()[1] == owner
    generations = {str(pk): number for pk, number in Workflow.objects.values_list("pk", "generation")}
    for pk, value in effects.items():
        _, owner, generation, _ = value.split()
        assert pk in known or generations.get(owner) != int(generation), f"{value} is in no journal"


def _check_pool() -> None:
    now = database.now()
    steps = Step.objects.filter(pool=flows.limited.name)
    waiting = steps.filter(state="queued", due_at=None).count()
    busy = steps.filter(state="running").count() + steps.filter(state="queued", due_at__lte=now).count()
    assert not waiting or busy >= flows.LIMIT, f"{waiting} steps wait for a place, and only {busy} are taken"


# -- what only a test that watches every run can ask


def check_outcomes(kept: AbstractSet[int] = frozenset()) -> None:
    """An action's outcome is that of the last attempt that was begun; ``kept`` are steps from before a restart."""
    runs = set(flows.acted)
    for step in Step.objects.filter(state="completed", function__contains=".act").select_related("workflow"):
        run = (str(step.workflow_id), step.workflow.generation, step.number, step.attempt)
        assert int(step.result or "") % 1000 == step.attempt, f"{run} has the outcome of another attempt, {step.result}"
        if step.pk not in kept:
            assert run in runs, f"{run} has an outcome, and was never run"
            own = flows.outcome_of(step.workflow.generation, step.attempt)
            assert int(step.result or "") == own, f"{run} has the outcome of before a restart, {step.result}"


def check_beginnings() -> None:
    """An action without retry was begun once, in each generation of its workflow."""
    found = Step.objects.filter(function__endswith=".act").select_related("workflow")
    without_retry = {(str(step.workflow_id), step.workflow.generation, step.number) for step in found}
    runs = Counter(run[:3] for run in flows.acted if run[:3] in without_retry)
    assert all(count == 1 for count in runs.values()), f"an action without retry was begun twice: {runs.most_common(1)}"


def check_failures() -> None:
    """Each attempt that failed is recorded once, and each of them is earlier than the one that the step has now."""
    for step in Step.objects.exclude(failures="[]"):
        attempts = [each["attempt"] for each in json.loads(step.failures)]
        assert attempts == sorted(set(attempts)), f"attempts {attempts} of step {step} are recorded as failed"
        assert attempts[-1] <= step.attempt, f"attempt {attempts[-1]} failed, and {step} is at {step.attempt}"
