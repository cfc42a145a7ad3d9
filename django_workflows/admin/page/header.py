"""How a workflow stands, in facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...core.histories import IMPORTED
from ...core.timeline import human
from ...engine import forgotten
from ...engine.sketch import Sketch
from ...store.blocked import blocked_of
from ...words.sentences import distance, moment, run_began
from ...words.texts import printable, shown_key
from ..listing.cells import Badge, badge


@dataclass(frozen=True)
class Fact:
    """A label and what stands beside it, and for an instant when exactly that was."""

    label: str
    text: str
    exactly: str = ""


def state_badge(journal: Sketch) -> Badge:
    return badge(journal.workflow)


def facts(journal: Sketch) -> Iterator[Fact]:
    """Times first, then what is unusual about it."""
    workflow, now = journal.workflow, journal.now
    yield _instant(_("Started"), workflow.created_at, now)
    if workflow.scheduled_for is not None:
        yield _instant(_("Scheduled for"), workflow.scheduled_for, now)
    if workflow.started_at is None and workflow.finished_at is None:
        yield Fact(_("First turn"), _("not taken yet"))
    if workflow.finished_at is not None:
        yield _instant(_("Ended"), workflow.finished_at, now)
    if workflow.cancel_requested_at is not None and workflow.finished_at is None:
        yield _instant(_("Asked to cancel"), workflow.cancel_requested_at, now)
    yield from _keys(journal)
    yield from _runs(journal)
    if never := forgotten.never_awaited_words(workflow):
        yield Fact(_("Steps never awaited"), printable(never))
    if untaken := forgotten.untaken_words(workflow):
        yield Fact(_("Events never taken"), printable(untaken))
    if workflow.expires_at is not None:
        yield _instant(_("Cleaned up by itself"), workflow.expires_at, now)


def _instant(label: str, instant: datetime, now: datetime) -> Fact:
    """Both as a clock shows it, to look for in logs, and as people say it."""
    return Fact(label, distance(instant, now), moment(instant))


def _keys(journal: Sketch) -> Iterator[Fact]:
    workflow = journal.workflow
    if workflow.key:
        yield Fact(_("Key"), printable(workflow.key))
    if workflow.idempotency_key and not workflow.idempotency_key.startswith("admin:"):
        yield Fact(_("Idempotency key"), printable(shown_key(workflow.idempotency_key)))
    if workflow.queue == IMPORTED:
        yield Fact(_("Imported"), _("from a history; it is not run"))
    elif workflow.queue:
        yield Fact(_("Queue"), printable(workflow.queue))
    if workflow.priority:
        yield Fact(_("Priority"), f"{workflow.priority:+d}")


def _runs(journal: Sketch) -> Iterator[Fact]:
    workflow = journal.workflow
    if workflow.continuations:
        text = ngettext("%(count)s time", "%(count)s times", workflow.continuations)
        yield Fact(_("Continued as new"), text % {"count": workflow.continuations})
    if restarts := workflow.generation - 1 - workflow.continuations:
        text = ngettext("%(count)s time", "%(count)s times", restarts)
        latest = "" if workflow.restarted_at is None else moment(workflow.restarted_at)
        yield Fact(_("Restarted"), text % {"count": restarts}, latest)


def since(journal: Sketch) -> str:
    """For how long it has been what the badge says it is, or took."""
    workflow = journal.workflow
    if workflow.finished_at is not None:
        return _("after %(duration)s") % {"duration": human(workflow.finished_at - run_began(workflow))}
    blocked = blocked_of(workflow)
    began = run_began(workflow) if blocked is None or blocked.since is None else blocked.since
    return _("for %(duration)s") % {"duration": human(journal.now - began)}
