"""Cancels a workflow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...core.journal import WorkflowState
from ...engine.cancel import cancel
from ...engine.observe import read
from ...models import Workflow
from ...store.steps import still_running
from ...words.sentences import still_running_words
from ..permissions import CANCEL
from .action import Action, Because, Outcome, posts
from .states import why_not_running

#: So many steps that still run are named in the message.
_TOLD = 2


class CancelForm(Because):
    force = forms.BooleanField(
        label=gettext_lazy("Without its clean-up"),
        required=False,
        help_text=gettext_lazy("End it at once. Its handler is not told, so nothing that it has begun is undone."),
    )


class Cancel(Action):
    name = "cancel"
    permission = CANCEL
    label = gettext_lazy("Cancel")
    verb = gettext_lazy("Cancel it")
    many = gettext_lazy("Cancel selected workflows…")
    question = gettext_lazy("Cancel this workflow?")
    explanation = gettext_lazy(
        "Its open steps and its child workflows are canceled with it. Its handler is told, and may clean up first; "
        "a step that is running is told too, and its result is ignored."
    )
    dangerous = True

    def why_not(self, workflow: Workflow) -> str:
        return why_not_running(workflow)

    def form(self, request: HttpRequest, workflow: Workflow | None) -> forms.Form:
        return CancelForm(request.POST if posts(request) else None)

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        cancel(workflow_id, force=cleaned["force"])
        running = still_running(workflow_id)
        told = [still_running_words(step) for step in running[:_TOLD]]
        if len(running) > _TOLD:
            told.append(_("And more, which its page names."))
        return Outcome(" ".join([_how_it_went(workflow_id, cleaned["force"]), *told]))


def _how_it_went(workflow_id: UUID, force: bool) -> str:
    if force:
        return _("Canceled without its clean-up.")
    found = read(workflow_id)
    if found.state == WorkflowState.IN_PROGRESS:
        return _("Asked to cancel: it cleans up first.")
    if found.error is not None:
        return _("Canceled without its clean-up: it is blocked, so its function could not be run.")
    return _("Canceled.")
