"""Drives workflows in this process as a worker would. Where work is due later, the engine's clock moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import connection

from django_workflows import InProgress, WorkflowStatus
from django_workflows.core.journal import ClaimedStep
from django_workflows.core.registry import registry
from django_workflows.engine import observe
from django_workflows.engine.drain import drain
from django_workflows.engine.inline import cautious
from django_workflows.engine.live import live_handlers
from django_workflows.engine.worker import Worker
from django_workflows.store import database, workflows
from django_workflows.store import steps as step_store
from tests.waiting import PATIENCE

DEADLINE = PATIENCE


def run(*, replaying: bool = False, queue: str = "") -> int:
    """Do whatever is due now, in this process; how many pieces of work it was.

    ``replaying`` has every turn replay its journal from zero, as if each were taken by another process.
    """
    return drain(Worker(queue), seconds=DEADLINE, stop=_forget_handlers if replaying else lambda: False)


def finish(workflow_id: UUID, *, replaying: bool = False) -> WorkflowStatus:
    """Run until the workflow has ended, moving the clock to whatever falls due next; its status."""
    return run_until(lambda: observe.status(workflow_id).type != "in_progress", workflow_id, replaying=replaying)


def run_until(condition: Callable[[], bool], workflow_id: UUID, *, replaying: bool = False) -> WorkflowStatus:
    """Run, moving the clock to whatever falls due next, until ``condition`` holds; the workflow's status then."""
    until = time.monotonic() + DEADLINE
    while True:
        run(replaying=replaying)
        if condition():
            return observe.status(workflow_id)
        seconds = workflows.next_due("")
        status = observe.status(workflow_id)
        assert seconds is not None, f"nothing will ever be due, and it stands at {status}"
        assert time.monotonic() < until, f"not there after {DEADLINE} s, it stands at {status}"
        if isinstance(status, InProgress) and seconds > 0:
            advance(seconds + 0.001)


def amid_its_action(do: Callable[[UUID], None]) -> UUID:
    """Start a workflow with one action, and ``do`` something while a worker runs that; the workflow's id."""
    from tests.app import steps
    from tests.app.workflows import call

    workflow_id = call.start("action", "watch_for_cancel", {}, {})
    worker = Worker()

    def amid() -> None:
        worker.beat()
        do(workflow_id)

    steps.hooks.append(amid)
    try:
        drain(worker, seconds=DEADLINE)
    finally:
        steps.hooks.clear()
    worker.beat()
    return workflow_id


def claim(worker: str = "another worker") -> ClaimedStep | None:
    """The step that is due, as another worker would get it."""
    return step_store.claim("", worker, registry.pools)


def advance(duration: timedelta | float) -> None:
    """Move the engine's clock."""
    by = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
    if database.frozen_at is None:
        database.clock_offset += by
    else:
        database.frozen_at += by
    database.clock.forget()


def reset_clock() -> None:
    database.clock_offset = timedelta(0)
    database.clock.forget()


def become_another_process() -> None:
    """Forget all that a worker has in memory, its database connection included."""
    live_handlers.clear()
    cautious.clear()
    registry.functions.clear()
    database.clock.forget()
    connection.close()


def _forget_handlers() -> bool:
    live_handlers.clear()
    return False
