"""The pages. They are drawn empty: everything on them comes from the REST API."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from example_project.approvals.models import Request

WAYS = ("poll", "stream")


def index(request: HttpRequest) -> HttpResponse:
    """The latest approvals, and the two ways to follow each."""
    return render(request, "follow/index.html", {"requests": Request.objects.all()[:20]})


def detail(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One approval. ``?by=stream`` listens to an event stream, anything else polls."""
    asked = get_object_or_404(Request, workflow_id=workflow_id)
    by = request.GET.get("by")
    return render(request, "follow/detail.html", {"asked": asked, "by": by if by in WAYS else "poll"})
