"""Asks for, and does, one kind of change to one workflow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from ..engine import audit
from ..exceptions import WorkflowError
from ..models import Workflow
from .actions import ACTIONS, Action, Outcome
from .actions.action import posts
from .payloads import safe_text
from .permissions import may
from .schema import SchemaForm
from .site import Crumb, context, link, page_link, short_words


def act(admin: ModelAdmin[Workflow], request: HttpRequest, workflow_id: UUID, name: str) -> HttpResponse:
    """Show the form of an action (GET), or do it (POST) and go back to the workflow's page."""
    action = ACTIONS.get(name)
    if action is None:
        raise Http404(name)
    if not (admin.has_view_permission(request) and may(request, action.permission)):
        raise PermissionDenied
    workflow = admin.get_queryset(request).defer(None).filter(id=workflow_id).first()
    if workflow is None:
        raise Http404(str(workflow_id))
    if why := action.why_not(workflow):
        messages.warning(request, f"{action.label}: {why}")
        return HttpResponseRedirect(page_link(workflow_id))
    form = action.form(request, workflow)
    if posts(request) and not _asks_for_more(form) and form.is_valid():
        return _perform(request, workflow, action, form)
    return _ask(admin, request, workflow, action, form)


def _asks_for_more(form: forms.Form) -> bool:
    return isinstance(form, SchemaForm) and form.asks_for_more


def _perform(request: HttpRequest, workflow: Workflow, action: Action, form: forms.Form) -> HttpResponse:
    try:
        outcome = perform_noted(request, workflow, action, form)
    except WorkflowError as error:
        outcome = Outcome(safe_text(str(error), 500), went_well=False)
    if not outcome.went_well:
        messages.error(request, outcome.message)
        return HttpResponseRedirect(page_link(workflow.id))
    messages.success(request, outcome.message)
    return HttpResponseRedirect(link("changelist") if outcome.gone else page_link(workflow.id))


def perform_noted(request: HttpRequest, workflow: Workflow, action: Action, form: forms.Form) -> Outcome:
    """Do it, and note in the same transaction who did, and why; raises what ``perform`` does."""

    def say(outcome: Outcome) -> audit.Note | None:
        flag = audit.DELETION if outcome.gone else audit.CHANGE
        note = audit.Note([(workflow.id, str(workflow))], with_reason(outcome.message, form), flag)
        return note if outcome.went_well else None

    return audit.noted(request.user, lambda: action.perform(workflow.id, form.cleaned_data), say)


def with_reason(message: str, form: forms.Form) -> str:
    """What was done, and why, for the audit."""
    because = form.cleaned_data.get("because")
    return f"{message} {because}" if because else message


def _ask(
    admin: ModelAdmin[Workflow], request: HttpRequest, workflow: Workflow, action: Action, form: forms.Form
) -> HttpResponse:
    crumbs = [
        Crumb(admin.opts.verbose_name_plural.capitalize(), link("changelist")),  # type: ignore[union-attr]
        Crumb(short_words(workflow), page_link(workflow.id)),
        Crumb(str(action.label).rstrip("…")),
    ]
    extra: dict[str, Any] = {
        "workflow": workflow,
        "action": action,
        "form": form,
        "back": page_link(workflow.id),
        "tall": isinstance(form, SchemaForm),
    }
    return TemplateResponse(
        request, "django_workflows/admin/act.html", {**context(admin, request, action.question, *crumbs), **extra}
    )
