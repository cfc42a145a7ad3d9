"""Does one kind of change to many workflows: asks first, never more than a number, and tells it in one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..exceptions import WorkflowError
from ..models import Workflow
from .acting import perform_noted
from .actions import ACTIONS, Action, Outcome
from .actions.action import posts
from .payloads import safe_text
from .permissions import may
from .site import Crumb, context, link

#: More at once would keep the page, and the database, busy for too long.
MOST = 200
#: So many are named on the page that asks.
NAMED = 20
_LARGE = ("args", "result", "error", "context", "trace")

Run = Callable[..., HttpResponse | None]


def bulk_actions() -> list[Run]:
    """A function for each action, as the change list wants them."""
    return [_function(action) for action in ACTIONS.values()]


def _function(action: Action) -> Run:
    @admin.action(permissions=[action.permission], description=action.many)
    def run(
        model_admin: ModelAdmin[Workflow], request: HttpRequest, queryset: QuerySet[Workflow]
    ) -> HttpResponse | None:
        return _run(model_admin, request, queryset, action)

    run.__name__ = action.name.replace("-", "_")
    return run


def _run(
    model_admin: ModelAdmin[Workflow], request: HttpRequest, queryset: QuerySet[Workflow], action: Action
) -> HttpResponse | None:
    if not may(request, action.permission):
        raise PermissionDenied
    chosen = list(queryset.defer(None).defer(*_LARGE).order_by("-id")[: MOST + 1])
    if len(chosen) > MOST:
        message = _("At most %(most)s workflows at once: select fewer, or narrow the list with a filter.")
        messages.error(request, message % {"most": MOST})
        return None
    form = action.form(request, None)
    if posts(request) and form.is_valid():
        _perform(request, chosen, action, form)
        return None
    return _ask(model_admin, request, chosen, action, form)


def _perform(request: HttpRequest, chosen: Sequence[Workflow], action: Action, form: forms.Form) -> None:
    done, not_done = 0, Counter[str]()
    for workflow in chosen:
        outcome = _one(request, workflow, action, form)
        if outcome.went_well:
            done += 1
        else:
            not_done[outcome.message] += 1
    _tell(request, action, done, not_done)


def _one(request: HttpRequest, workflow: Workflow, action: Action, form: forms.Form) -> Outcome:
    if why := action.why_not(workflow):
        return Outcome(why, went_well=False)
    try:
        return perform_noted(request, workflow, action, form)
    except WorkflowError as error:
        return Outcome(safe_text(str(error), 200).replace(str(workflow.id), "…"), went_well=False)


def _tell(request: HttpRequest, action: Action, done: int, not_done: Counter[str]) -> None:
    """One message for all."""
    label = str(action.label).rstrip("…")
    text = ngettext("%(label)s: done for %(count)s workflow.", "%(label)s: done for %(count)s workflows.", done)
    parts = [text % {"label": label, "count": done}]
    parts += [_("Not for %(count)s: %(why)s") % {"count": count, "why": why} for why, count in not_done.most_common(5)]
    level = messages.SUCCESS if not not_done else messages.WARNING if done else messages.ERROR
    messages.add_message(request, level, " ".join(parts))


def _ask(
    model_admin: ModelAdmin[Workflow],
    request: HttpRequest,
    chosen: Sequence[Workflow],
    action: Action,
    form: forms.Form,
) -> HttpResponse:
    impossible = Counter(why for workflow in chosen if (why := action.why_not_one_of_many(workflow)))
    label = str(action.label).rstrip("…")
    crumbs = [Crumb(_("Workflows"), link("changelist")), Crumb(label)]
    count = len(chosen)
    title = ngettext("%(label)s: %(count)s workflow", "%(label)s: %(count)s workflows", count)
    extra = {
        "action": action,
        "action_name": action.name.replace("-", "_"),
        "form": form,
        "chosen": chosen,
        "named": chosen[:NAMED],
        "unnamed": count - NAMED,
        "impossible": impossible.most_common(),
        "possible": count - sum(impossible.values()),
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": request.get_full_path(),
    }
    words = title % {"label": label, "count": count}
    return TemplateResponse(
        request, "django_workflows/admin/bulk.html", {**context(model_admin, request, words, *crumbs), **extra}
    )
