"""What the list shows of one workflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...core.attempts import StepHistory
from ...core.journal import Failure, WorkflowState
from ...core.progress import figure
from ...core.waiting import Wait, WaitKind
from ...models import Workflow
from ...store.blocked import blocked_of
from ...words.sentences import moment, state_words, wait_words
from ...words.texts import printable, short_name, shown_key
from ..payloads import safe_text

MOST_OPEN = 20
#: In characters.
LONGEST_ERROR = 120


@dataclass(frozen=True)
class Badge:
    """A state with its words; ``kind`` chooses colour and mark."""

    kind: str
    words: str

    @property
    def html(self) -> SafeString:
        return format_html('<span class="dwf-badge dwf-is-{}">{}</span>', self.kind, self.words)


def badge(workflow: Workflow) -> Badge:
    """The state of a workflow, or what is more urgent to know of it."""
    if blocked_of(workflow) is not None:
        return Badge("blocked", _("blocked"))
    if workflow.state == WorkflowState.IN_PROGRESS and workflow.cancel_requested_at is not None:
        return Badge("canceling", _("canceling"))
    return Badge(workflow.state, state_words(workflow.state))


@dataclass(frozen=True)
class Listed:
    """What was read about a workflow on the list's page, at ``now``."""

    now: datetime
    waits: Sequence[Wait]
    open_steps: Sequence[StepHistory]
    failed_attempts: int
    error: Failure | None
    may_see: bool


def why(listed: Listed) -> SafeString | str:
    """What it waits for, or the error that ended it."""
    if listed.error is None:
        return waiting_for(listed)
    kind = printable(short_name(listed.error.type)) or _("Error")
    message = safe_text(listed.error.message, LONGEST_ERROR) if listed.may_see else ""
    return format_html('<span class="dwf-reason"><b>{}</b>{}</span>', kind, f": {message}" if message else "")


def waiting_for(listed: Listed) -> str:
    """The first thing that it waits for, and how many more there are."""
    if not listed.waits:
        return ""
    words = wait_words(listed.waits[0], listed.now, brief=True) + _after_error(listed)
    more = len(listed.waits) - 1
    if not more:
        return words
    return words + ngettext(", and %(count)s more", ", and %(count)s more", more) % {"count": more}


def _after_error(listed: Listed) -> str:
    """What kind of error the attempt before ended with, if the first wait is for another one."""
    if listed.waits[0].kind != WaitKind.RETRY:
        return ""
    step = next(step for step in listed.open_steps if step.number == listed.waits[0].number)
    errors = [attempt.error for attempt in step.attempts if attempt.error is not None]
    return _(", after %(error)s") % {"error": printable(short_name(errors[-1].type))} if errors else ""


def progress(workflow: Workflow, listed: Listed) -> SafeString | str:
    """A bar where a running step reports how far it is, else how many steps are done."""
    reported = [step.progress for step in listed.open_steps if step.progress is not None]
    known = [(done, total) for done, total, _message in reported if total]
    if known:
        done, total = sum(each[0] for each in known), sum(each[1] for each in known)
        share = f"{min(max(done / total, 0.0), 1.0) * 100:.0f}"
        return format_html(
            '<progress class="dwf-progress" max="100" value="{}" aria-label="{}"></progress> {} %',
            share,
            _("Progress"),
            share,
        )
    if reported:
        return figure(reported[0].done)
    count = workflow.delivered
    return ngettext("%(count)s step", "%(count)s steps", count) % {"count": f"{count:,}"} if count else ""


def identity(workflow: Workflow) -> SafeString:
    """The key that the workflow was started with, else the end of its id."""
    key = workflow.key or shown_key(workflow.idempotency_key or "")
    if key and not key.startswith("admin:"):
        return format_html('<span class="dwf-key" title="{}">{}</span>', workflow.id, printable(key))
    return format_html('<code class="dwf-key" title="{}">…{}</code>', workflow.id, str(workflow.id)[-12:])


def began(instant: datetime, now: datetime) -> SafeString:
    """The time and its zone as everywhere, and the day, in a line of its own, unless it is today."""
    local, today = timezone.localtime(instant), timezone.localtime(now).date()
    day, time = moment(instant).split(" ", 1)
    shown = time if local.date() == today else format_html("{}<br>{}", day, time)
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), moment(instant), shown)


def failures(listed: Listed) -> SafeString | str:
    """How many attempts of its steps failed."""
    count = listed.failed_attempts
    if not count:
        return ""
    text = ngettext("%(count)s failed attempt", "%(count)s failed attempts", count)
    return format_html('<span class="dwf-failures">{}</span>', text % {"count": f"{count:,}"})
