"""Says in sentences how a workflow stands and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from ..conf import settings
from ..core.attempts import Attempt, AttemptState, StepHistory
from ..core.journal import Failure
from ..core.timeline import human
from ..core.waiting import Wait, WaitKind
from ..models import Workflow
from .texts import PREVIEW, preview, printable, short_name

STATES = {"in_progress": "in progress"}


def state_words(state: str) -> str:
    return STATES.get(state, state)


def moment(instant: datetime) -> str:
    """An instant in the project's time zone."""
    local = timezone.localtime(instant) if timezone.is_aware(instant) else instant
    return f"{local:%Y-%m-%d %H:%M:%S %Z}".rstrip()


def distance(instant: datetime, now: datetime) -> str:
    """``in 3 h``, ``3 h ago``."""
    return f"in {human(instant - now)}" if instant > now else f"{human(now - instant)} ago"


def standing(workflow: Workflow, now: datetime) -> str:
    """A workflow's state, and since when."""
    words = state_words(workflow.state)
    if workflow.finished_at is not None:
        return f"{words} after {human(workflow.finished_at - workflow.created_at)}"
    if workflow.cancel_requested_at is not None:
        words += f", asked to cancel {distance(workflow.cancel_requested_at, now)}"
    return f"{words} for {human(now - workflow.created_at)}"


def error_words(failure: Failure | None, limit: int | None = PREVIEW) -> str:
    """An error as Python shows it, in one line."""
    if failure is None:
        return "no error is known"
    name = printable(short_name(failure.type))
    return f"{name}: {preview(failure.message, limit)}" if failure.message else name


# -- attempts


def attempt_words(attempt: Attempt, following: Attempt | None, now: datetime, limit: int | None) -> str:
    """What became of an attempt, and when it was tried again."""
    words = f"attempt {attempt.number} {_outcome(attempt, now)}"
    if attempt.state in (AttemptState.FAILED, AttemptState.LOST):
        words += f": {error_words(attempt.error, limit)}"
        if following is not None and attempt.finished_at is not None and attempt.state == AttemptState.FAILED:
            words += f"; the next one {human(following.queued_at - attempt.finished_at)} later"
    return words


def _outcome(attempt: Attempt, now: datetime) -> str:
    if attempt.state == AttemptState.QUEUED:
        return f"is due {distance(attempt.queued_at, now)}"
    if attempt.state == AttemptState.LOST:
        return "was lost with its worker"
    if attempt.started_at is None:
        return f"{attempt.state} before it began"
    took = human((attempt.finished_at or now) - attempt.started_at)
    return f"running for {took}" if attempt.state == AttemptState.RUNNING else f"{attempt.state} after {took}"


def progress_words(step: StepHistory) -> str:
    """What a running step reported last, "" for nothing."""
    if step.progress is None:
        return ""
    done, total, message = step.progress
    words = f"{done:g}" if total is None else f"{done:g} of {total:g}"
    return f"{words} {printable(message)}".rstrip()


# -- waiting


def wait_words(wait: Wait, now: datetime) -> str:
    """What a workflow waits for, until when, and what is to be done about it."""
    words = _WORDS[wait.kind].format(
        name=preview(wait.name) + _which(wait) if wait.name else "its next turn",
        attempt=f", attempt {wait.attempt}" + (f" of {wait.max_attempts}" if wait.max_attempts > 1 else ""),
        when="soon" if wait.until is None else f"{distance(wait.until, now)}, at {moment(wait.until)}",
    )
    if wait.kind == WaitKind.EVENT and wait.until is not None:
        words += f", for no longer than {moment(wait.until)}, {distance(wait.until, now)}"
    return words


def _which(wait: Wait) -> str:
    if wait.number is None:
        return ""
    return f" (step {wait.number})" if wait.count == 1 else f" ({wait.count:,} steps, the first is {wait.number})"


_WORDS: dict[WaitKind, str] = {
    WaitKind.PROBLEM: "somebody to help: {name}",
    WaitKind.START: "its start {when}",
    WaitKind.WORKER: "a worker for {name}",
    WaitKind.PLACE: "a place for {name}: as many steps as max_parallelism allows are running",
    WaitKind.STEP: "{name}{attempt}, which is running",
    WaitKind.SILENT: "{name}{attempt}, whose worker went silent: another one will take it",
    WaitKind.RETRY: "{name}{attempt}, {when}",
    WaitKind.SCHEDULE: "{name}, {when}",
    WaitKind.EVENT: "event {name}",
    WaitKind.TIMER: "timer {name}, {when}",
    WaitKind.CHILD: "child workflow {name}",
}


def silence_words(silence: Mapping[str, float | None]) -> Iterator[str]:
    """What to do about queues that no worker serves."""
    for queue, seconds in silence.items():
        if seconds is not None and seconds < settings.LEASE:
            continue
        of_queue = f" of queue {printable(queue)!r}" if queue else ""
        ago = "has ever reported" if seconds is None else f"has reported for {human(timedelta(seconds=seconds))}"
        yield f"No worker{of_queue} {ago}: start one with `manage.py qcluster`."
