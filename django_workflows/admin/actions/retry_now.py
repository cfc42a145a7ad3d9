"""Tries again at once what waits to be tried again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...core.journal import WorkflowState
from ...engine.retry_now import retry_now
from ...models import Workflow
from ...store.listings import waits_for_a_retry
from ..permissions import RESTART
from .action import Action, Outcome
from .states import why_not_running


class RetryNow(Action):
    name = "retry"
    permission = RESTART
    label = gettext_lazy("Retry now")
    verb = gettext_lazy("Retry now")
    many = gettext_lazy("Retry selected workflows now…")
    question = gettext_lazy("Try again now?")
    explanation = gettext_lazy(
        "Steps that wait for their next attempt are retried now; a blocked workflow is looked at now."
    )
    direct = True

    def why_not(self, workflow: Workflow) -> str:
        if (
            workflow.state == WorkflowState.IN_PROGRESS
            and not workflow.blocked_message
            and not waits_for_a_retry(workflow.id)
        ):
            return _("None of its steps waits for another attempt.")
        return why_not_running(workflow)

    def why_not_one_of_many(self, workflow: Workflow) -> str:
        return why_not_running(workflow)

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        retry_now(workflow_id)
        return Outcome(_("Tried again now."))
