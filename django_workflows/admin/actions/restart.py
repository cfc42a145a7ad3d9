"""Runs a finished workflow again, from a step or with all that it has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...core.histories import IMPORTED
from ...core.journal import StepState
from ...engine.culprits import culprit
from ...engine.overview import find
from ...engine.restart import restart
from ...models import Workflow
from ...store import steps
from ...words.sentences import state_words
from ...words.texts import shortened
from ..permissions import RESTART
from .action import Action, Because, Outcome, posts
from .states import why_not_finished

#: From the step whose error ended it, in place of a number.
FAILED = "failed"
#: Of more steps than this, one is chosen by its number.
CHOICES = 200


class RestartForm(Because):
    """``from_step`` is a number, or ``None`` for the whole journal; for many workflows it may be ``FAILED``."""

    field_order = ["from_step", "because"]

    def __init__(self, *args: Any, workflow: Workflow | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["from_step"] = _point_field() if workflow is None else _step_field(workflow)
        self.order_fields(self.field_order)


def _point_field() -> forms.Field:
    choices = [
        (FAILED, _("the step whose error ended it, where there was one")),
        ("", _("where it ended: keep every step that it has")),
    ]
    return forms.TypedChoiceField(
        label=_("From"),
        required=False,
        empty_value=None,
        choices=choices,
        help_text=_(
            "A step that failed and is kept fails again at once. From a step: it and all after it are forgotten and "
            "run again, with their events and child workflows."
        ),
    )


def _step_field(workflow: Workflow) -> forms.Field:
    label, keep = _("From"), _("where it ended: keep every step that it has")
    rows = steps.queryset(workflow.id).values_list("number", "name", "state")[: CHOICES + 1]
    choices = [(str(number), _choice(number, name, state)) for number, name, state in rows]
    if len(choices) > CHOICES:
        return forms.IntegerField(
            label=label,
            required=False,
            min_value=0,
            help_text=_("The number of a step; leave it empty to keep every step that it has."),
        )
    return forms.TypedChoiceField(
        label=label,
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", keep), *choices],
        help_text=_("That step and all after it are forgotten and run again, with their events and child workflows."),
    )


def _choice(number: int, name: str, state: str) -> str:
    words = f"{number}  {shortened(name, 80)}"
    return words if state == StepState.COMPLETED else f"{words} ({state_words(state)})"


class Restart(Action):
    name = "restart"
    permission = RESTART
    label = gettext_lazy("Restart…")
    verb = gettext_lazy("Restart")
    many = gettext_lazy("Restart selected workflows…")
    question = gettext_lazy("Run this workflow again?")
    explanation = gettext_lazy("It goes on under the same id, and on_complete runs again at its new end.")

    def why_not(self, workflow: Workflow) -> str:
        if workflow.queue == IMPORTED:
            return _("It was imported from a history, and is not run.")
        return why_not_finished(workflow)

    def form(self, request: HttpRequest, workflow: Workflow | None) -> forms.Form:
        initial = {"from_step": request.GET.get("step") or _suggested(workflow)}
        return RestartForm(request.POST if posts(request) else None, workflow=workflow, initial=initial)

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        number = cleaned.get("from_step")
        if number == FAILED:
            number = culprit(find(workflow_id))
        restart(workflow_id, number)
        if number is None:
            return Outcome(_("Restarted, with every step that it had."))
        return Outcome(_("Restarted from step %(number)s.") % {"number": number})


def _suggested(workflow: Workflow | None) -> int | str | None:
    """Where somebody most likely wants to begin."""
    return FAILED if workflow is None else culprit(workflow)
