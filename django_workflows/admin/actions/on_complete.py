"""Runs a failed callback again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...engine.rerun_on_complete import rerun_on_complete
from ...models import Workflow
from ..permissions import RESTART
from .action import Action, Outcome
from .states import why_not_finished


class RunOnComplete(Action):
    name = "on-complete"
    permission = RESTART
    label = gettext_lazy("Run on_complete again")
    verb = gettext_lazy("Run again")
    many = gettext_lazy("Run on_complete of selected workflows again…")
    question = gettext_lazy("Run on_complete again?")
    explanation = gettext_lazy("The workflow keeps its outcome. What the failed run wrote to the database was undone.")

    def why_not(self, workflow: Workflow) -> str:
        if not workflow.on_complete:
            return _("It was started without on_complete.")
        if why := why_not_finished(workflow):
            return why
        return "" if workflow.on_complete_error else _("Its on_complete has not failed.")

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        if rerun_on_complete(workflow_id):
            return Outcome(_("on_complete ran again, and went well."))
        return Outcome(_("on_complete ran again, and failed again."), went_well=False)
