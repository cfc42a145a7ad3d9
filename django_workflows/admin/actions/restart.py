"""Restarts a workflow: what failed, or from a step, or with all that it has."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...core.histories import IMPORTED
from ...core.journal import StepState, WorkflowState
from ...core.restart_plan import FAILED, KEEP, RestartFrom
from ...engine.restart import restart
from ...models import Workflow
from ...store import steps
from ...store.blocked import blocked_of
from ...words.sentences import restarted_words, state_words
from ...words.texts import shortened
from ..permissions import RESTART
from .action import Action, Because, Outcome, posts
from .states import why_not_finished

#: Of more steps than this, one is chosen by its number.
CHOICES = 200


class RestartForm(Because):
    """``from_step`` is where to begin, ``number`` (of a workflow with many steps) a step that is meant instead."""

    field_order = ["from_step", "number", "because"]

    def __init__(self, *args: Any, workflow: Workflow | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = [] if workflow is None else _steps(workflow)
        choices = [] if workflow is not None and blocked_of(workflow) is not None else _points()
        many = len(rows) > CHOICES
        if not many:
            choices += [(str(number), _choice(number, name, state)) for number, name, state in rows]
        if choices:
            self.fields["from_step"] = _field(choices)
        if many:
            self.fields["number"] = forms.IntegerField(
                label=_("From step number"), required=not choices, min_value=0, help_text=_FROM_A_STEP
            )
        self.order_fields(self.field_order)


_FROM_A_STEP = gettext_lazy("A step and all after it are dropped and run again, with their events and child workflows.")


def _points() -> list[tuple[str, str]]:
    return [
        (FAILED.value, _("the failed steps only: what else was done keeps its result")),
        (KEEP.value, _("where it ended: keep every step that it has, failed ones too")),
    ]


def _field(choices: list[tuple[str, str]]) -> forms.Field:
    return forms.TypedChoiceField(
        label=_("From"), choices=choices, coerce=_point, required=False, empty_value=None, help_text=_FROM_A_STEP
    )


def _point(value: str) -> RestartFrom | int:
    return int(value) if value.isdecimal() else RestartFrom(value)


def _steps(workflow: Workflow) -> list[tuple[int, str, str]]:
    return list(steps.queryset(workflow.id).values_list("number", "name", "state")[: CHOICES + 1])


def _choice(number: int, name: str, state: str) -> str:
    words = f"{number}  {shortened(name, 80)}"
    return words if state == StepState.COMPLETED else f"{words} ({state_words(state)})"


def _default(workflow: Workflow | None) -> RestartFrom:
    """``FAILED``, which keeps all of a workflow that did not fail: the form then says so."""
    return FAILED if workflow is None or workflow.state == WorkflowState.FAILED else KEEP


def _begin(chosen: RestartFrom | int | None) -> RestartFrom | int:
    return FAILED if chosen is None else chosen


class Restart(Action):
    name = "restart"
    permission = RESTART
    label = gettext_lazy("Restart…")
    verb = gettext_lazy("Restart")
    many = gettext_lazy("Restart selected workflows…")
    question = gettext_lazy("Run this workflow again?")
    explanation = gettext_lazy("It resumes under the same id, and on_complete runs again at its new end.")

    def why_not(self, workflow: Workflow) -> str:
        if workflow.queue == IMPORTED:
            return _("It was imported from a history, and is not run.")
        if blocked_of(workflow) is None:
            return why_not_finished(workflow)
        return "" if steps.queryset(workflow.id).exists() else _("It has no step yet to be restarted from.")

    def why_not_one_of_many(self, workflow: Workflow) -> str:
        if workflow.state == WorkflowState.IN_PROGRESS and workflow.queue != IMPORTED:
            return why_not_finished(workflow)
        return self.why_not(workflow)

    def form(self, request: HttpRequest, workflow: Workflow | None) -> forms.Form:
        wanted = request.GET.get("step")
        return RestartForm(
            request.POST if posts(request) else None,
            workflow=workflow,
            initial={"from_step": wanted or _default(workflow).value, "number": wanted},
        )

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        number = cleaned.get("number")
        from_step = _begin(cleaned.get("from_step")) if number is None else number
        restart(workflow_id, from_step)
        return Outcome(restarted_words(from_step))
