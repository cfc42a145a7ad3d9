"""Runs whatever is due until nothing is, and says what keeps it from coming to rest."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from ..core.blocked import BlockedReason, reason_of
from ..core.journal import StepState, WorkflowState
from ..engine.drain import drain
from ..engine.worker import Worker
from ..models import Step
from ..store import database, workflows
from ..store.blocked import only_blocked
from ..store.queues import queues_in_use
from .takeover import forget


class NoRest(AssertionError):
    """There was more work than the limit allows, and there is more to come."""


class WorkflowBlocked(AssertionError):
    """A workflow is blocked; its status says why as ``blocked``."""


class StepNotWritten(AssertionError):
    """The engine could not write the end of a step."""


def work(limit: int, done: int = 0, *, blocked: bool = False) -> int:
    """Do what is due now, until nothing is; how many pieces it was with the ``done`` ones, which count to the limit.

    ``blocked``: leave workflows that are blocked where they are.
    """
    with _blaming_the_first_error():
        while count := _pass(limit - done):
            done += count
            _check_steps()
            if not blocked:
                _check_blocked()
        due = next_due()
        if due is not None and due <= _now():
            raise NoRest(_endless(limit))
    return done


def next_due() -> datetime | None:
    """When the next piece of work falls due, which may be now; ``None`` if nothing will."""
    forget()
    found = [seconds for queue in queues_in_use() if (seconds := workflows.next_due(queue)) is not None]
    return _now() + timedelta(seconds=min(found)) if found else None


def _now() -> datetime:
    assert database.frozen_at is not None
    return database.frozen_at


def _pass(left: int) -> int:
    """Serve every queue once, in the order of their names."""
    forget()
    done = 0
    for queue in queues_in_use():
        looks = itertools.count(done)
        done += drain(_worker(queue), stop=lambda looks=looks: next(looks) >= left)  # type: ignore[misc]
    return done


def _worker(queue: str) -> Worker:
    return _workers.setdefault(queue, Worker(queue))


_workers: dict[str, Worker] = {}


def _endless(limit: int) -> str:
    turns = workflows.queryset().filter(state=WorkflowState.IN_PROGRESS, due_at__lte=_now())
    steps = Step.objects.using(database.alias()).filter(state=StepState.QUEUED, due_at__lte=_now())
    names = [f"a turn of {name} ({ident})" for name, ident in turns.values_list("name", "id")[:3]]
    names += [f"step {number} ({name})" for number, name in steps.order_by("id").values_list("number", "name")[:3]]
    return (
        f"{limit:,} pieces of work were done, and more is due: {', '.join(names)}. If no handler goes round in "
        "circles, raise the limit: run(limit=...), advance(..., limit=...)."
    )


def _check_blocked() -> None:
    workflow = only_blocked(workflows.queryset()).order_by("id").first()
    if workflow is not None:
        reason = reason_of(workflow.blocked_reason)
        raise WorkflowBlocked(
            f"{workflow.name} ({workflow.id}) is blocked ({reason}): {workflow.blocked_message}\n"
            f"{_HINTS.get(reason, '')}If the test means it to be blocked: run(blocked=True)."
        )


_HINTS = {
    BlockedReason.CODE_MISMATCH: "Each turn replays the handler from the beginning, so this is where code differs from "
    "one time to the next. "
}


def _check_steps() -> None:
    """Nothing runs between two pieces of work, so a step that does was let go of."""
    ours = {worker.id for worker in _workers.values()}
    running = Step.objects.using(database.alias()).filter(state=StepState.RUNNING, claimed_by__in=ours)
    step = running.order_by("id").first()
    if step is not None:
        raise StepNotWritten(f"the end of step {step.number} ({step.name}) of {step.workflow_id} could not be written")


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.first: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.first is None and record.exc_info:
            self.first = record.exc_info[1]


@contextmanager
def _blaming_the_first_error() -> Iterator[None]:
    """Let an exception name the first one that a worker would only have logged, for that is its cause."""
    errors, logger = _Errors(), logging.getLogger("django_workflows")
    logger.addHandler(errors)
    try:
        yield
    except Exception as error:
        if errors.first is None or error.__cause__ is not None:
            raise
        raise error from errors.first
    finally:
        logger.removeHandler(errors)
