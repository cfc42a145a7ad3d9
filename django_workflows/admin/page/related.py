"""What belongs to a workflow: its events, children and parent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from ...core.attempts import read_failure
from ...core.timeline import human
from ...engine.sketch import Sketch
from ...models import Event, Workflow
from ...store import events as event_store
from ...store import workflows
from ...store.blocked import COLUMNS as BLOCKED_COLUMNS
from ...store.blocked import blocked_of
from ...words.sentences import moment, run_began, state_words
from ...words.texts import printable
from ..payloads import Payload, payload
from ..permissions import PAYLOAD, may
from ..site import link, page_link
from .details import Error, error_of

LIMIT = 50
_COLUMNS = ("id", "name", "parent_step", "created_at", "restarted_at", "finished_at", *BLOCKED_COLUMNS)


@dataclass(frozen=True)
class EventLine:
    """An event, sent or only made."""

    id: UUID
    name: str
    state: str
    words: str
    sent: str
    step: int | None
    value: Payload | None
    error: Error | None


@dataclass(frozen=True)
class Relative:
    """A parent or child."""

    name: str
    url: str
    state: str
    words: str
    step: int | None
    duration: str


def events(request: HttpRequest, workflow: Workflow) -> tuple[list[EventLine], bool]:
    """The latest events, and whether there are older ones."""
    rows = list(event_store.queryset(workflow.id).reverse()[: LIMIT + 1])
    may_see = may(request, PAYLOAD)
    return [_event(row, workflow, may_see) for row in rows[:LIMIT]], len(rows) > LIMIT


def _event(row: Event, workflow: Workflow, may_see: bool) -> EventLine:
    value = None
    if may_see and row.value is not None:
        value = payload(row.value, len(row.value), f"{link('download', workflow.id, 'event')}?event={row.id}")
    return EventLine(
        id=row.id,
        name=printable(row.name),
        state=row.state,
        words=row.get_state_display(),
        sent="" if row.sent_at is None else moment(row.sent_at),
        step=row.step,
        value=value,
        error=error_of(read_failure(row.error), may_see),
    )


def children(journal: Sketch, narrowed: QuerySet[Workflow] | None) -> tuple[list[Relative], bool]:
    """The first children, and whether there are more."""
    everything = workflows.queryset() if narrowed is None else narrowed
    rows, now = everything.filter(parent=journal.workflow.id).order_by("parent_step").defer(None), journal.now
    found = list(rows.only(*_COLUMNS)[: LIMIT + 1])
    return [_relative(row, now) for row in found[:LIMIT]], len(found) > LIMIT


def parent(journal: Sketch, narrowed: QuerySet[Workflow] | None) -> Relative | None:
    """The workflow that started this one."""
    workflow, now = journal.workflow, journal.now
    if workflow.parent_id is None:
        return None
    found = (workflows.queryset() if narrowed is None else narrowed).filter(id=workflow.parent_id).defer(None)
    row = found.only(*_COLUMNS).first()
    return None if row is None else _relative(row, now)


def _relative(row: Workflow, now: datetime) -> Relative:
    took: timedelta = (row.finished_at or now) - run_began(row)
    words = state_words("blocked" if blocked_of(row) else row.state)
    return Relative(printable(row.name), page_link(row.id), row.state, words, row.parent_step, human(took))
