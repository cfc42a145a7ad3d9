"""Says in sentences how a workflow stands and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..conf import settings
from ..core.attempts import Attempt, AttemptState
from ..core.blocked import Blocked, BlockedReason
from ..core.journal import Failure
from ..core.progress import figure
from ..core.restart_plan import FAILED, KEEP
from ..core.timeline import human
from ..core.traces import Told
from ..core.waiting import Wait, WaitKind
from ..models import Workflow
from ..store.blocked import blocked_of
from ..store.steps import RunningFunction
from .masked import masked_text
from .texts import PREVIEW, printable, short_name, shortened

STATES: Mapping[str, Any] = {
    "in_progress": gettext_lazy("in progress"),
    "completed": gettext_lazy("completed"),
    "failed": gettext_lazy("failed"),
    "canceled": gettext_lazy("canceled"),
    "queued": gettext_lazy("queued"),
    "running": gettext_lazy("running"),
    "waiting": gettext_lazy("waiting"),
    "lost": gettext_lazy("lost"),
    "blocked": gettext_lazy("blocked"),
}


def state_words(state: str) -> str:
    """The state of a workflow, step or attempt."""
    return str(STATES.get(state, state))


def moment(instant: datetime) -> str:
    """An instant in the project's time zone."""
    local = timezone.localtime(instant) if timezone.is_aware(instant) else instant
    return f"{local:%Y-%m-%d %H:%M:%S %Z}".rstrip()


def distance(instant: datetime, now: datetime) -> str:
    """``in 3 h``, ``3 h ago``."""
    if instant > now:
        return _("in %(duration)s") % {"duration": human(instant - now)}
    return _("%(duration)s ago") % {"duration": human(now - instant)}


def run_began(workflow: Workflow) -> datetime:
    """When a workflow was started, or restarted last: for how long it runs is counted from there, without an outage."""
    return workflow.restarted_at or workflow.created_at


def standing(workflow: Workflow, now: datetime) -> str:
    """A workflow's state, and since when."""
    words = state_words(workflow.state)
    if workflow.finished_at is not None:
        took = human(workflow.finished_at - run_began(workflow))
        return _("%(state)s after %(duration)s") % {"state": words, "duration": took}
    if workflow.cancel_requested_at is not None:
        asked = distance(workflow.cancel_requested_at, now)
        words = _("%(state)s, asked to cancel %(when)s") % {"state": words, "when": asked}
    words = _("%(state)s for %(duration)s") % {"state": words, "duration": human(now - run_began(workflow))}
    blocked = blocked_of(workflow)
    return words if blocked is None else f"{words}, {blocked_for(blocked, now)}"


def error_words(failure: Failure | None, limit: int | None = PREVIEW) -> str:
    """An error as Python shows it, in one line and without secrets."""
    if failure is None:
        return _("no error is known")
    name = printable(short_name(failure.type))
    return f"{name}: {shortened(masked_text(failure.message), limit)}" if failure.message else name


# -- attempts


def attempt_words(attempt: Attempt, following: Attempt | None, now: datetime, limit: int | None) -> str:
    """What became of an attempt, with its error, and when it was tried again."""
    words = _("attempt %(number)s %(outcome)s") % {"number": attempt.number, "outcome": outcome_words(attempt, now)}
    if attempt.state in (AttemptState.FAILED, AttemptState.LOST):
        words += f": {error_words(attempt.error, limit)}"
        if following is not None and attempt.finished_at is not None and attempt.state == AttemptState.FAILED:
            pause = human(following.queued_at - attempt.finished_at)
            words += _("; the next one %(duration)s later") % {"duration": pause}
    return words


def outcome_words(attempt: Attempt, now: datetime) -> str:
    """What became of an attempt, without its error."""
    if attempt.state == AttemptState.QUEUED:
        if attempt.queued_at <= now:
            return _("has been due for %(duration)s") % {"duration": human(now - attempt.queued_at)}
        return _("is due %(when)s") % {"when": distance(attempt.queued_at, now)}
    if attempt.state == AttemptState.LOST:
        return _("was lost with its worker")
    if attempt.started_at is None:
        return _("%(state)s before it began") % {"state": state_words(attempt.state)}
    took = human((attempt.finished_at or now) - attempt.started_at)
    if attempt.state == AttemptState.RUNNING:
        return _("running for %(duration)s") % {"duration": took}
    return _("%(state)s after %(duration)s") % {"state": state_words(attempt.state), "duration": took}


def progress_words(step: Told) -> str:
    """What a running step reported last, "" for nothing."""
    if step.progress is None:
        return ""
    done, total, message = step.progress
    words = figure(done)
    if total is not None:
        words = _("%(done)s of %(total)s") % {"done": words, "total": figure(total)}
    return f"{words} {printable(masked_text(message))}".rstrip()


def still_running_words(step: RunningFunction) -> str:
    """That a step was canceled, and its function runs on."""
    words = _(
        "Step %(number)s (%(name)s) still runs, on %(host)s, pid %(pid)s: its function is not interrupted. It ends by "
        "itself, or when it asks current_step().canceled(), and what it returns is not used."
    )
    where = {"host": printable(step.host), "pid": step.pid}
    return words % {"number": step.number, "name": printable(step.name), **where}


# -- waiting


def wait_words(wait: Wait, now: datetime, *, brief: bool = False) -> str:
    """What a workflow waits for, and until when; ``brief`` leaves out instants and step numbers."""
    if wait.blocked is not None:
        words = blocked_for(wait.blocked, now)
        return words if brief else f"{words}: {shortened(masked_text(wait.name))}"
    words = str((_BRIEFLY if brief else {}).get(wait.kind, _WORDS[wait.kind])) % {
        "name": _name(wait, brief),
        "attempt": _attempt(wait),
        "when": _("soon") if wait.until is None else _when(wait.until, now, brief),
    }
    if wait.kind == WaitKind.EVENT and wait.until is not None and not brief:
        until = {"instant": moment(wait.until), "when": distance(wait.until, now)}
        words += _(", for no longer than %(instant)s, %(when)s") % until
    return words


REASONS: Mapping[str, Any] = {
    BlockedReason.CODE_MISMATCH: gettext_lazy("code mismatch"),
    BlockedReason.UNKNOWN_DEFINITION: gettext_lazy("unknown definition"),
    BlockedReason.CRASH_LOOP: gettext_lazy("crash loop"),
    BlockedReason.CORRUPT_ROW: gettext_lazy("corrupt row"),
    BlockedReason.MISSING_KEY: gettext_lazy("missing key"),
    BlockedReason.MISSING_PAYLOAD: gettext_lazy("missing payload"),
    BlockedReason.STUCK: gettext_lazy("stuck"),
}


def blocked_words(blocked: Blocked) -> str:
    """That a workflow is blocked, and by which reason, without its message, which may quote arguments."""
    return _("blocked (%(reason)s)") % {"reason": REASONS[blocked.reason]}


def blocked_for(blocked: Blocked, now: datetime) -> str:
    """The same, with for how long it has been."""
    words = blocked_words(blocked)
    if blocked.since is None:
        return words
    return _("%(state)s for %(duration)s") % {"state": words, "duration": human(now - blocked.since)}


def restarted_words(from_step: object) -> str:
    """What a restart did, for the one who asked for it and for the audit."""
    if from_step == FAILED:
        return _("Restarted: what failed runs again.")
    if from_step == KEEP:
        return _("Restarted, with every step that it had.")
    return _("Restarted from step %(number)s.") % {"number": from_step}


def checked_words(blocked: Blocked, now: datetime) -> str:
    """When it was last found to be blocked, "" if that is not known."""
    if blocked.checked_at is None:
        return ""
    words = _STILL.get(blocked.reason, _("checked %(when)s, still blocked"))
    return str(words) % {"when": distance(blocked.checked_at, now)}


_STILL: dict[BlockedReason, Any] = {
    BlockedReason.CODE_MISMATCH: gettext_lazy("checked %(when)s, still does not match"),
    BlockedReason.UNKNOWN_DEFINITION: gettext_lazy("checked %(when)s, still not defined"),
}


def _name(wait: Wait, brief: bool) -> str:
    if not wait.name:
        return _("its next turn")
    if brief:
        name = shortened(short_name(wait.name), 60)
        return name if wait.count == 1 else f"{name} x {wait.count:,}"
    return shortened(wait.name) + _which(wait)


def _which(wait: Wait) -> str:
    if wait.number is None:
        return ""
    if wait.count == 1:
        return _(" (step %(number)s)") % {"number": wait.number}
    text = ngettext(
        " (%(count)s step, the first is %(number)s)", " (%(count)s steps, the first is %(number)s)", wait.count
    )
    return text % {"count": f"{wait.count:,}", "number": wait.number}


def _attempt(wait: Wait) -> str:
    if wait.max_attempts > 1:
        return _(", attempt %(attempt)s of %(most)s") % {"attempt": wait.attempt, "most": wait.max_attempts}
    return _(", attempt %(attempt)s") % {"attempt": wait.attempt}


def _when(until: datetime, now: datetime, brief: bool) -> str:
    if brief:
        return distance(until, now)
    return _("%(when)s, at %(instant)s") % {"when": distance(until, now), "instant": moment(until)}


_WORDS: dict[WaitKind, Any] = {
    WaitKind.START: gettext_lazy("its start %(when)s"),
    WaitKind.WORKER: gettext_lazy("a worker for %(name)s"),
    WaitKind.PLACE: gettext_lazy("a place for %(name)s: the limits of its pool let no more steps begin now"),
    WaitKind.STEP: gettext_lazy("%(name)s%(attempt)s, which is running"),
    WaitKind.SILENT: gettext_lazy("%(name)s%(attempt)s, whose worker went silent: another one will take it"),
    WaitKind.RETRY: gettext_lazy("%(name)s%(attempt)s, %(when)s"),
    WaitKind.SCHEDULE: gettext_lazy("%(name)s, %(when)s"),
    WaitKind.EVENT: gettext_lazy("event %(name)s"),
    WaitKind.TIMER: gettext_lazy("timer %(name)s, %(when)s"),
    WaitKind.CHILD: gettext_lazy("child workflow %(name)s"),
}
_BRIEFLY: dict[WaitKind, Any] = {
    WaitKind.WORKER: gettext_lazy("a worker"),
    WaitKind.PLACE: gettext_lazy("a place for %(name)s"),
    WaitKind.STEP: gettext_lazy("%(name)s, running"),
    WaitKind.SILENT: gettext_lazy("another worker for %(name)s"),
    WaitKind.RETRY: gettext_lazy("%(name)s%(attempt)s %(when)s"),
    WaitKind.SCHEDULE: gettext_lazy("%(name)s %(when)s"),
    WaitKind.TIMER: gettext_lazy("timer %(name)s %(when)s"),
    WaitKind.CHILD: gettext_lazy("child %(name)s"),
}


def silence_words(silence: Mapping[str, float | None]) -> Iterator[str]:
    """What to do about queues that no worker serves."""
    for queue, seconds in silence.items():
        if seconds is None or seconds >= settings.LEASE:
            yield _silence(queue, seconds)


def _silence(queue: str, seconds: float | None) -> str:
    name = f" --name {queue}" if queue else ""
    words = {
        "queue": printable(queue),
        "command": f"manage.py workflows cluster{printable(name)}",
        "duration": human(timedelta(seconds=seconds or 0)),
    }
    if seconds is None:
        found = _("No worker of queue '%(queue)s' has ever reported") if queue else _("No worker has ever reported")
    elif queue:
        found = _("No worker of queue '%(queue)s' has reported for %(duration)s")
    else:
        found = _("No worker has reported for %(duration)s")
    return found % words + _(": start one with `%(command)s`.") % words
