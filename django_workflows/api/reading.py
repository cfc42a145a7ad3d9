"""What can be read of workflows: the list, one by one, their journals, events, timelines and numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import HttpResponse, HttpResponseNotModified
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..conf import settings
from ..core.attempts import StepHistory
from ..core.journal import WorkflowState
from ..core.svg import picture
from ..core.waiting import Wait
from ..engine import overview
from ..engine.invoke import read_only
from ..engine.observe import not_found
from ..engine.sketch import sketch
from ..models import Workflow
from ..store import events as event_store
from ..store import steps as step_store
from ..store import workflows
from ..store.database import now
from ..store.glances import Glance, glance
from ..store.steps import RunningFunction, still_running_of
from .conditions import tag_of, unchanged
from .documents import OPEN_LIMIT, STEP_COLUMNS, event_document, status_document, step_document, workflow_document
from .filters import ALWAYS, check_parameters
from .paging import CursorPagination, EventPagination, StepPagination
from .permissions import visible
from .polling import wait_until, wanted_wait
from .requests import WorkflowsView

R = TypeVar("R", bound=HttpResponse)

#: What the list does not show; of a thousand rows it may be a gigabyte.
_LARGE = ("args", "result", "context", "on_complete_error", "trace")
#: Seconds for which the picture of a running workflow stays as it is.
_PICTURE = 5
_NOTHING_RUNS = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True)
class Sight:
    """A workflow as it was at one moment."""

    workflow: Workflow
    glance: Glance
    steps: Sequence[StepHistory]
    waits: Sequence[Wait]
    still_running: Sequence[RunningFunction] = ()


class ReadingView(WorkflowsView):
    """The actions that change nothing. ``basename`` is the router's."""

    basename: str

    @property
    def pagination_class(self) -> Any:  # type: ignore[override]
        return {"steps": StepPagination, "events": EventPagination}.get(self.action or "", CursorPagination)

    def get_queryset(self) -> QuerySet[Workflow]:
        """The workflows that exist for whoever asks. Override it, or set ``API_VISIBLE``, to have it be fewer."""
        return visible(self.request)

    def workflow_id(self) -> UUID:
        """The id in the address, if it is of a workflow that exists for whoever asks; else ``WorkflowNotFound``."""
        text = self.kwargs["pk"]
        try:
            found = UUID(text)
        except (ValueError, AttributeError):
            raise not_found(f"{text[:100]!r}") from None
        if not self.get_queryset().filter(pk=found).exists():
            raise not_found(found)
        return found

    def visible_of(self, ids: Collection[UUID | None]) -> AbstractSet[UUID]:
        """Those of the workflows that exist for whoever asks: of a workflow its parent and its children may not."""
        wanted = {each for each in ids if each is not None}
        if not wanted or not self._narrowed:
            return wanted
        return set(self.get_queryset().filter(pk__in=wanted).values_list("pk", flat=True))

    @property
    def _narrowed(self) -> bool:
        return settings.API_VISIBLE is not None or type(self).get_queryset is not ReadingView.get_queryset

    def own_part(self, workflow: Workflow, parents: AbstractSet[UUID]) -> dict[str, Any]:
        """What of a workflow's document is not the same for all who may see its payloads: links, and its parent."""
        parent = workflow.parent_id if workflow.parent_id in parents else None
        hidden = {"parent": None, "parent_step": None} if parent is None else {}
        return {"links": self._links(workflow.id, parent), **hidden}

    def list(self, request: Request) -> Response:
        """Workflows, newest first, without their payloads."""
        queryset = self.filter_queryset(self.get_queryset().defer(*_LARGE))
        rows, view = self.page_of(queryset), self.view_for_user
        parents = self.visible_of({row.parent_id for row in rows})
        return self.get_paginated_response(
            [{**workflow_document(row, view, {}), **self.own_part(row, parents)} for row in rows]
        )

    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        """One workflow: how it stands, what it waits for, what came out.

        `?wait=20` answers when it has changed since the version in `If-None-Match`, or without one when it has ended,
        at the latest after so many seconds.
        """
        check_parameters(request, ALWAYS | {"wait"})
        workflow_id, seconds = self.workflow_id(), wanted_wait(request)
        payloads = self.view_for_user.payloads
        conditional = "If-None-Match" in request.headers

        def awaited() -> bool:
            found = glance([workflow_id]).get(workflow_id)
            if found is None:
                return True
            if not conditional:
                return found.ended
            return not unchanged(request, tag_of(found, payloads, *_still_running(workflow_id, found)))

        wait_until(awaited, seconds)
        return self.answer(look(workflow_id))

    @action(detail=True)
    def steps(self, request: Request, pk: str) -> HttpResponse:
        """The journal, step by step."""
        check_parameters(request, ALWAYS | set(StepPagination.parameters))
        workflow_id = self.workflow_id()
        tag = self._tag(workflow_id, request.get_full_path())
        if unchanged(request, tag):
            return _not_modified(tag)
        rows = self.page_of(step_store.queryset(workflow_id).values(*STEP_COLUMNS))
        children, view = children_of(workflow_id, rows), self.view_for_user
        shown = self.visible_of(children.values())
        found = [step_document(row, view, _either(children.get(row["number"]), shown)) for row in rows]
        return _tagged(self.get_paginated_response(found), tag)

    @action(detail=True)
    def events(self, request: Request, pk: str) -> HttpResponse:
        """The events that were sent, or made ahead, in that order."""
        check_parameters(request, ALWAYS | set(EventPagination.parameters))
        workflow_id = self.workflow_id()
        tag = self._tag(workflow_id, request.get_full_path())
        if unchanged(request, tag):
            return _not_modified(tag)
        view = self.view_for_user
        rows = self.page_of(event_store.queryset(workflow_id))
        return _tagged(self.get_paginated_response([event_document(row, view) for row in rows]), tag)

    @action(detail=True, url_path=r"timeline\.svg")
    def timeline(self, request: Request, pk: str) -> HttpResponse:
        """What it did over time, as a picture."""
        check_parameters(request, ALWAYS)
        workflow_id = self.workflow_id()
        journal = sketch(workflow_id, self.visible_of if self._narrowed else None)
        at = None if journal.workflow.finished_at else int(journal.now.timestamp()) // _PICTURE
        tag = self._tag(workflow_id, at)
        if unchanged(request, tag):
            return _not_modified(tag)
        workflow = journal.workflow
        svg = picture(journal.laid_out(), title=workflow.name, state=workflow.state)
        headers = {"Content-Security-Policy": _NOTHING_RUNS, "X-Content-Type-Options": "nosniff"}
        return _tagged(HttpResponse(svg, content_type="image/svg+xml; charset=utf-8", headers=headers), tag)

    @action(detail=False)
    def counts(self, request: Request) -> Response:
        """How many workflows there are, by state, and by name and state."""
        check_parameters(request, ALWAYS)
        by_state = dict.fromkeys(Workflow.State.values, 0)
        by_name: dict[str, dict[str, int]] = {}
        rows = self.get_queryset().order_by().values_list("name", "state").annotate(count=Count("pk"))
        for name, state, count in rows:
            by_state[state] += count
            by_name.setdefault(name, dict.fromkeys(Workflow.State.values, 0))[state] = count
        return Response(
            {"total": sum(by_state.values()), "by_state": by_state, "by_name": dict(sorted(by_name.items()))}
        )

    def answer(self, sight: Sight, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """The document of a workflow with its ``ETag``; 304 where a reader has that already."""
        view = self.view_for_user
        tag = tag_of(sight.glance, view.payloads, *_still_running(sight.workflow.id, sight.glance))
        if self.request.method in ("GET", "HEAD") and unchanged(self.request, tag):
            return _not_modified(tag)
        workflow = sight.workflow
        own = self.own_part(workflow, self.visible_of({workflow.parent_id}))
        document = {**status_document(workflow, sight.steps, sight.waits, view, {}, sight.still_running), **own}
        return _tagged(Response(document, status=status, headers=dict(headers or {})), tag)

    def page_of(self, queryset: QuerySet[Any, Any]) -> Sequence[Any]:
        rows = self.paginate_queryset(queryset)
        assert rows is not None
        return rows

    def _links(self, workflow_id: UUID, parent: UUID | None) -> dict[str, str]:
        base = self.basename
        names = {name: (f"{base}-{name}", workflow_id) for name in ("steps", "events", "timeline", "stream")}
        names |= {name: (f"{base}-{name}", workflow_id) for name in ("cancel", "restart", "retry")}
        above = {} if parent is None else {"parent": (f"{base}-detail", parent)}
        return self.links({"self": (f"{base}-detail", workflow_id), **names, **above})

    def _tag(self, workflow_id: UUID, *details: Any) -> str:
        found = glance([workflow_id]).get(workflow_id)
        if found is None:
            raise not_found(workflow_id)
        return tag_of(found, self.view_for_user.payloads, *details)


def look(workflow_id: UUID) -> Sight:
    """A workflow as it stands; ``WorkflowNotFound`` if there is none."""
    with read_only():
        return sight_of(workflow_id)


def sight_of(workflow_id: UUID) -> Sight:
    """``look``, in the caller's transaction."""
    found = glance([workflow_id]).get(workflow_id)
    if found is None:
        raise not_found(workflow_id)
    workflow = overview.find(workflow_id)
    steps = [] if found.ended else overview.open_steps(workflow_id, OPEN_LIMIT)
    return Sight(workflow, found, steps, overview.waits_of(workflow, steps, now()), still_running_of(workflow))


def children_of(workflow_id: UUID, rows: Sequence[Mapping[str, Any]]) -> dict[int, UUID]:
    """The ids of the workflows that these steps run, by number."""
    numbers = [row["number"] for row in rows if row["kind"] == "workflow"]
    if not numbers:
        return {}
    found = workflows.queryset().filter(parent=workflow_id, parent_step__in=numbers)
    return {step: child for step, child in found.values_list("parent_step", "id") if step is not None}


def _still_running(workflow_id: UUID, glance: Glance) -> list[int]:
    """What a canceled workflow's document depends on beside the workflow."""
    if glance.state != WorkflowState.CANCELED:
        return []
    return [step.number for step in step_store.still_running(workflow_id)]


def _either(child: UUID | None, shown: AbstractSet[UUID]) -> UUID | None:
    return child if child in shown else None


def _not_modified(tag: str) -> HttpResponse:
    return HttpResponseNotModified(headers={"ETag": tag})


def _tagged(response: R, tag: str) -> R:
    response.headers["ETag"] = tag
    return response
