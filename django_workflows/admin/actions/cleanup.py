"""Deletes a finished workflow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...engine.cleanup import cleanup
from ...models import Workflow
from ..permissions import CLEANUP
from .action import Action, Outcome
from .states import why_not_finished


class Cleanup(Action):
    name = "cleanup"
    permission = CLEANUP
    label = gettext_lazy("Clean up")
    verb = gettext_lazy("Delete")
    many = gettext_lazy("Clean up selected workflows…")
    question = gettext_lazy("Delete this workflow?")
    explanation = gettext_lazy(
        "Its steps, events and child workflows are deleted with it. What its steps did elsewhere stays."
    )
    dangerous = True

    def why_not(self, workflow: Workflow) -> str:
        return why_not_finished(workflow)

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        if cleanup(workflow_id):
            return Outcome(_("Cleaned up."), gone=True)
        return Outcome(_("Not cleaned up: it, or a child of it, is still in progress."), went_well=False)
