"""Brings everything to its end, as workers, clocks and people outside would."""

from __future__ import annotations

from django_workflows.engine.drain import drain
from django_workflows.engine.worker import Worker
from django_workflows.models import Event, Workflow
from django_workflows.store import workflows as workflow_store
from tests.engine.driver import advance
from tests.races.flows import workflow


def bring_to_an_end(*, rounds: int = 200) -> None:
    """Work, let time pass, and send what is waited for, until no workflow runs."""
    for _ in range(rounds):
        drain(Worker(), seconds=20)
        running = list(Workflow.objects.filter(state="in_progress").order_by("created_at", "id"))
        if not running:
            return
        seconds = workflow_store.next_due("")
        if seconds is not None and seconds < 8000:
            advance(max(0.0, seconds) + 0.001)
            continue
        for each in running:
            _answer(each)
    raise AssertionError(f"these do not end: {[(str(each), each.blocked_message) for each in running]}")


def _answer(each: Workflow) -> None:
    """What only somebody outside can give. The value tells the wait, whenever it comes."""
    if each.blocked_message:
        workflow.retry_now(each.id)
    for step in each.steps.filter(kind="event", state="waiting"):
        _, _, wanted = step.function.partition(":")
        if step.function.startswith("name:"):
            workflow.send_event(each.id, wanted, 1000 + step.number)
        elif Event.objects.filter(pk=wanted, state="created").exists():
            workflow.send_event(event_id=wanted, value=1000 + step.number)
