"""The approval pages. The buttons send events; the page follows the workflow."""

from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from django_workflows import InvalidArguments, WorkflowNotFound, WorkflowNotRunning
from example_project.approvals.forms import PromptForm
from example_project.approvals.models import Request
from example_project.approvals.workflows import (
    Approved,
    Rejected,
    approval,
    confirmation,
    confirmation_ended,
    workflow,
)
from example_project.live.status import look


def start_confirmation(prompt: str) -> UUID:
    """Ask for a text: the workflow and its row on the page are committed together."""
    with transaction.atomic():
        workflow_id = confirmation.with_options(on_complete=confirmation_ended).start(prompt)
        Request.objects.create(workflow_id=workflow_id, prompt=prompt)
    return workflow_id


def decide(workflow_id: UUID, decision: str, *, choice: str = "", reason: str = "") -> None:
    """Send what a button stands for. Raises ``ValueError`` when it cannot be meant, ``WorkflowNotRunning`` too late."""
    match decision:
        case "approve":
            workflow.send_event(workflow_id, approval, Approved(choice=int(choice)))
        case "reject":
            workflow.send_event(workflow_id, approval, Rejected(reason=reason.strip() or "no reason given"))
        case "withdraw":
            workflow.send_event(workflow_id, approval, error="The request was withdrawn.")
        case _:
            raise ValueError(f"There is no decision {decision!r}.")


def index(request: HttpRequest) -> HttpResponse:
    """Ask for a text on POST; show the form and the latest requests."""
    form = PromptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("approvals:detail", start_confirmation(form.cleaned_data["prompt"]))
    return render(request, "approvals/index.html", {"form": form, "requests": Request.objects.all()[:20]})


def detail(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One request: how far it is, and the buttons while it waits for a decision."""
    error, code = "", 200
    if request.method == "POST":
        try:
            fields = {name: request.POST.get(name, "") for name in ("choice", "reason")}
            decide(workflow_id, request.POST.get("decision", ""), **fields)
        except WorkflowNotRunning:
            error, code = "Too late: this has been decided.", 409
        except (ValueError, InvalidArguments):
            error, code = "Please choose one of the proposals.", 400
        except WorkflowNotFound as not_found:
            raise Http404(str(not_found)) from not_found
        else:
            return redirect("approvals:detail", workflow_id)
    return _page(request, workflow_id, error, code)


def _page(request: HttpRequest, workflow_id: UUID, error: str, code: int) -> HttpResponse:
    try:
        now = look(workflow_id)  # before the row is read, so that the row is not older than the state
    except WorkflowNotFound as not_found:
        raise Http404(str(not_found)) from not_found
    asked = get_object_or_404(Request, workflow_id=workflow_id)
    asking = now["running"] == [approval.name]
    context = {"workflow_id": workflow_id, "asked": asked, "now": now, "asking": asking, "error": error}
    return render(request, "approvals/detail.html", context, status=code)
