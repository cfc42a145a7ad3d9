"""The address of a workflow's event stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from ..engine.observe import not_found
from ..store.glances import glance
from .filters import ALWAYS, check_parameters
from .problems import Unavailable
from .reading import ReadingView
from .renderers import EventStreamRenderer
from .streams.hub import hub
from .streams.reports import Report, first_report, read_mark, read_report
from .streams.sending import events_of, stream

#: Of every answer that is a stream. nginx keeps it back otherwise.
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class NeedsASGI(APIException):
    """Under WSGI a stream would occupy a thread for as long as it is open."""

    status_code = 501
    default_code = "needs_asgi"


class StreamingView(ReadingView):
    """``GET workflows/{id}/stream/``: events ``workflow``, ``step`` and ``end``."""

    @action(detail=True)
    def stream(self, request: Request, pk: str) -> Any:
        """Everything that happens to a workflow, as server-sent events, until it ends.

        Goes on after the `Last-Event-ID` that a client sends when it comes again. Needs an ASGI server.
        """
        check_parameters(request, ALWAYS)
        workflow_id = self.workflow_id()
        if not isinstance(request._request, ASGIRequest):
            raise NeedsASGI(
                "Event streams need an ASGI server, and this is WSGI. "
                f"Poll {self.link(f'{self.basename}-detail', workflow_id)}?wait=20 with If-None-Match instead."
            )
        known = read_mark(request.headers.get("Last-Event-ID"))
        if hub.is_full:
            raise Unavailable("Too many streams are open. Poll with ?wait= instead, or come again.")
        if request.method == "HEAD":
            return HttpResponse(headers=_HEADERS)
        first = _first_report(workflow_id, known)
        is_news = known is None or first.glance is None or known[:2] != first.glance.mark
        return StreamingHttpResponse(self._parts(first, begin_with_it=is_news), headers=_HEADERS)

    def _parts(self, first: Report, *, begin_with_it: bool) -> AsyncIterator[bytes]:
        view = self.view_for_user
        assert first.sight is not None
        own = self.own_part(first.sight.workflow, self.visible_of({first.sight.workflow.parent_id}))
        asked: dict[UUID, bool] = {}

        def visible(children: set[UUID]) -> set[UUID]:
            """Each is asked about once; in a thread that has no connection but for this."""
            new = children - asked.keys()
            if new:
                try:
                    found = self.visible_of(new)
                finally:
                    connections.close_all()
                asked.update((child, child in found) for child in new)
            return {child for child in children if asked[child]}

        return stream(hub, first, lambda report: events_of(report, view, own, visible), begin_with_it=begin_with_it)


StreamingView.own_renderers = {"stream": EventStreamRenderer}


def _first_report(workflow_id: UUID, known: tuple[int, int, datetime] | None) -> Report:
    """What a client that knows this much has to be told."""
    now = glance([workflow_id]).get(workflow_id)
    if now is None:
        raise not_found(workflow_id)
    goes_on = known is not None and known[0] == now.generation
    first = read_report(workflow_id, known[2]) if known and goes_on else first_report(workflow_id, now)
    if first.glance is None:
        raise not_found(workflow_id)
    return first
