"""The address of a workflow's event stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from ..engine.observe import not_found
from .filters import ALWAYS, check_parameters
from .problems import Unavailable
from .reading import ReadingView
from .renderers import EventStreamRenderer
from .streams.hub import Full, hub
from .streams.reports import Report, read_mark, read_report
from .streams.sending import events_of, stream


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
        try:
            hub.reserve()
        except Full:
            raise Unavailable("Too many streams are open. Poll with ?wait= instead, or come again.") from None
        try:
            first = _first_report(workflow_id, known)
            is_news = known is None or first.glance is None or known[:2] != first.glance.mark
            return _response(self._parts(first, begin_with_it=is_news))
        except BaseException:
            hub.release()
            raise

    def _parts(self, first: Report, *, begin_with_it: bool) -> AsyncIterator[bytes]:
        view = self.view_for_user
        assert first.sight is not None
        links = self._links(first.sight.workflow.id, first.sight.workflow.parent_id)
        return stream(hub, first, lambda report: events_of(report, view, links), begin_with_it=begin_with_it)


StreamingView.own_renderers = {"stream": EventStreamRenderer}


def _first_report(workflow_id: UUID, known: tuple[int, int, datetime] | None) -> Report:
    """What a client that knows this much has to be told."""
    first = read_report(workflow_id, None if known is None else known[2])
    if first.glance is None:
        raise not_found(workflow_id)
    if known is not None and known[0] != first.glance.generation:
        return read_report(workflow_id, None)
    return first


def _response(parts: AsyncIterator[bytes]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(parts, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"  # nginx keeps the answer back otherwise
    return response
