"""The views of one workflow's page, the part of it that refreshes itself, its picture, and its payloads as files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ...core.svg import picture
from ...core.themes import DARK, LIGHT
from ...engine.sketch import Sketch, sketch
from ...exceptions import WorkflowNotFound
from ...models import Workflow
from ...store import events as event_store
from ...store.payloads import step_payload
from ...words.sentences import state_words
from ...words.texts import printable, short_name
from ..payloads import pretty
from ..permissions import PAYLOAD, may, narrowed, visible_of
from ..site import Crumb, context, link, short_words
from .content import content
from .stamp import stamp


def page(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """The whole page."""
    journal = _journal(admin, request, workflow_id)
    workflow = journal.workflow
    crumbs = [Crumb(_("Workflows"), link("changelist")), Crumb(short_words(workflow))]
    tag = stamp(request, workflow)
    extra = {
        **content(request, journal, narrowed(admin, request)),
        "etag": tag,
        "live_url": f"{link('live', workflow.id)}?{request.GET.urlencode()}",
        "title": short_name(printable(workflow.name)),
        "subtitle": None,
    }
    return TemplateResponse(
        request, "django_workflows/admin/page.html", {**context(admin, request, "", *crumbs), **extra}
    )


def live(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """The part of the page below its title; 304 while it has not changed."""
    _check(admin, request)
    workflow = admin.get_queryset(request).filter(id=workflow_id).first()
    if workflow is None:
        raise Http404(str(workflow_id))
    tag = f'"{stamp(request, workflow)}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag, "Cache-Control": "no-cache"})
    shown = content(request, _journal(admin, request, workflow_id), narrowed(admin, request))
    html = render_to_string("django_workflows/admin/page/content.html", shown, request)
    # A reader's browser may keep it, but must ask each time.
    return HttpResponse(html, headers={"ETag": tag, "Cache-Control": "no-cache, private"})


def timeline_svg(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """The timeline as a picture; ``?theme=dark`` for one on dark paper."""
    journal = _journal(admin, request, workflow_id)
    workflow = journal.workflow
    drawn = picture(
        journal.laid_out(),
        title=f"{workflow.name}  {workflow.id}",
        state=workflow.state,
        theme=DARK if request.GET.get("theme") == "dark" else LIGHT,
        translate=translated,
    )
    return HttpResponse(drawn, content_type="image/svg+xml", headers={"X-Content-Type-Options": "nosniff"})


def translated(words: str) -> str:
    """The words of a picture in the reader's language."""
    known = state_words(words.replace(" ", "_"))
    return known if known != words.replace(" ", "_") else _(words)


def download(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID, what: str) -> HttpResponse:
    """A whole payload, secrets masked: ``args`` or ``result`` (of ``?step=``, else of the workflow), ``captured``, or
    an event's.
    """
    _check(admin, request)
    if not may(request, PAYLOAD):
        raise PermissionDenied
    if not _exists(admin, request, workflow_id):
        raise Http404(str(workflow_id))
    text = _payload(admin, request, workflow_id, what)
    if text is None:
        raise Http404(what)
    name = f"{workflow_id}-{what}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(pretty(text), content_type="application/json; charset=utf-8", headers=headers)


def _payload(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID, what: str) -> str | None:
    if what == "event":
        return _event_value(workflow_id, request.GET.get("event", ""))
    if what not in ("args", "result", "captured"):
        return None
    step = request.GET.get("step", "")
    if step and what != "captured":
        return step_payload(workflow_id, int(step), what) if step.isdecimal() and len(step) < 10 else None
    rows: Any = admin.get_queryset(request).defer(None).filter(id=workflow_id).values_list(what, flat=True)
    return rows.first()  # type: ignore[no-any-return]


def _event_value(workflow_id: UUID, event_id: str) -> str | None:
    try:
        wanted = UUID(event_id)
    except ValueError:
        return None
    return event_store.queryset(workflow_id).filter(id=wanted).values_list("value", flat=True).first()


def _check(admin: ModelAdmin[Workflow], request: HttpRequest) -> None:
    if not admin.has_view_permission(request):
        raise PermissionDenied


def _exists(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID) -> bool:
    """Whether the workflow may exist for the user, which is asked only where not all do."""
    rows = narrowed(admin, request)
    return rows is None or rows.filter(id=workflow_id).exists()


def _journal(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID) -> Sketch:
    _check(admin, request)
    if not _exists(admin, request, workflow_id):
        raise Http404(str(workflow_id))
    try:
        return sketch(workflow_id, visible_of(admin, request))
    except WorkflowNotFound:
        raise Http404(str(workflow_id)) from None
