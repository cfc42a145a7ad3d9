"""What every kind of change has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ...models import Workflow


class Because(forms.Form):
    """Why somebody does this, for the others who look at the workflow later."""

    because = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=500,
        help_text=_("Is kept with your name in the list of changes below the workflow."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )


@dataclass(frozen=True)
class Outcome:
    """What was done, in words for the user and for the audit; ``gone`` if the workflow is no longer there."""

    message: str
    went_well: bool = True
    gone: bool = False


class Action:
    """One kind of change: ``why_not`` says why it is not possible, ``perform`` does it, or raises a ``WorkflowError``.

    ``many`` is its label for many workflows, ``verb`` that of the button below the form. ``direct``: no form is shown
    before. ``dangerous``: nothing brings back what it ends or deletes.
    """

    name: ClassVar[str]
    permission: ClassVar[str]
    label: ClassVar[Any]
    question: ClassVar[Any]
    many: ClassVar[Any]
    verb: ClassVar[Any]
    explanation: ClassVar[Any] = ""
    direct: ClassVar[bool] = False
    dangerous: ClassVar[bool] = False

    def why_not(self, workflow: Workflow) -> str:
        """Empty while it is possible."""
        raise NotImplementedError

    def why_not_one_of_many(self, workflow: Workflow) -> str:
        """``why_not`` as far as the workflow's row tells it."""
        return self.why_not(workflow)

    def form(self, request: HttpRequest, workflow: Workflow | None) -> forms.Form:
        """The form for one workflow, or for many (``None``); bound if the request posts it."""
        return Because(request.POST if posts(request) else None)

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        """Do it to one workflow, with what the form gave."""
        raise NotImplementedError


def posts(request: HttpRequest) -> bool:
    """Whether the form was filled in, and not just asked for by a list's action."""
    return request.method == "POST" and "confirmed" in request.POST
