"""Everything on a workflow's page that may change while one looks at it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from ...core.attempts import read_failure
from ...core.journal import WorkflowState
from ...engine import audit
from ...engine.sketch import Sketch
from ...models import Workflow
from ...store.steps import still_running_of
from ...words.sentences import moment, standing, still_running_words
from ...words.texts import printable
from ..permissions import PAYLOAD, may
from ..site import link
from . import header, related, waiting
from .buttons import buttons, reasons
from .details import details, error_of, workflow_payload
from .mending import mending
from .rows import legend, lines, ticks
from .selection import Selected, Selection, select
from .shown import Shown, shown


def content(request: HttpRequest, journal: Sketch, narrowed: QuerySet[Workflow] | None) -> dict[str, Any]:
    """For the template ``content.html``. ``narrowed``: the workflows that exist for the user, if not all do."""
    workflow = journal.workflow
    offered = buttons(request, workflow)
    wanted = Selection.of(request.GET)
    selected = select(journal, wanted)
    found = shown(request, journal, selected, waiting.children(journal))
    waits, more_waits = waiting.items(request, journal, found.children)
    may_see = may(request, PAYLOAD)
    return {
        "workflow": workflow,
        "name": printable(workflow.name),
        "badge": header.state_badge(journal),
        "standing": standing(workflow, journal.now),
        "since": header.since(journal),
        "facts": list(header.facts(journal)),
        "parent": related.parent(journal, narrowed),
        "buttons": offered,
        "reasons": reasons(offered),
        "waits": waits,
        "more_waits": more_waits,
        "still_running": [still_running_words(step) for step in still_running_of(workflow)],
        "finished": workflow.state != WorkflowState.IN_PROGRESS,
        "may_see": may_see,
        "arguments": workflow_payload(request, workflow.id, "args", workflow.args),
        "result": workflow_payload(request, workflow.id, "result", workflow.result),
        "captured": workflow_payload(request, workflow.id, "captured", workflow.captured),
        "error": error_of(read_failure(workflow.error, tracebacks=True), may_see),
        "mending": mending(request, workflow),
        "callback_error": error_of(read_failure(workflow.on_complete_error, tracebacks=True), may_see),
        "svg_url": link("timeline", workflow.id),
        "notes": [(moment(note.action_time), note) for note in audit.notes_of(workflow.id)],
        **_steps(request, journal, wanted, selected, found),
        **_related(request, journal, narrowed),
    }


def _steps(
    request: HttpRequest, journal: Sketch, wanted: Selection, selected: Selected, found: Shown
) -> dict[str, Any]:
    told = lines(found, selected, wanted)
    before = wanted.query(page=selected.page - 1) if selected.page > 1 else ""
    after = wanted.query(page=selected.page + 1) if selected.page < selected.pages else ""
    return {
        "lines": told,
        "ticks": ticks(selected.timeline),
        "gaps": bool(selected.timeline.gaps),
        "legend": list(legend(told)),
        "details": details(request, journal, found, told),
        "step_count": len(journal.steps),
        "selected": selected,
        "group_name": printable(selected.group_name),
        "whole_url": wanted.query(group=None, page=1),
        "before_url": before,
        "after_url": after,
    }


def _related(request: HttpRequest, journal: Sketch, narrowed: QuerySet[Workflow] | None) -> dict[str, Any]:
    events, more_events = related.events(request, journal.workflow)
    children, more_children = related.children(journal, narrowed)
    return {
        "events": events,
        "more_events": more_events,
        "children": children,
        "more_children": more_children,
    }
