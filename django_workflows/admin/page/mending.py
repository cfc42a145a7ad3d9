"""What to do about a workflow that failed: which steps failed, and what to run again once the cause is fixed."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...core.attempts import read_failure
from ...core.histories import IMPORTED
from ...core.journal import StepState, WorkflowState
from ...core.restart_plan import RestartPlan
from ...engine.restart import plan_failed
from ...models import Workflow
from ...store import steps
from ..permissions import RESTART, may
from ..site import link

#: So many of the failed steps are named.
NAMED = 10


@dataclass(frozen=True)
class Advice:
    """A sentence, and the button for it (without ``url``: nothing that this user may press)."""

    sentence: str
    label: str = ""
    url: str = ""


def mending(request: HttpRequest, workflow: Workflow) -> Advice | None:
    """``None`` for one that has not failed."""
    if workflow.state != WorkflowState.FAILED:
        return None
    plan = plan_failed(workflow.id, workflow.error)
    step, label = "", _("Restart…")
    if plan.again:
        sentence, label = _failed(workflow, plan), _("Restart the failed steps only…")
    elif gone_on := _failures(workflow):
        sentence, label, step = _went_on(gone_on), _("Restart from a step…"), f"?step={gone_on[-1]}"
    else:
        sentence = _(
            "Its own code raised this, not a step. Deploy code that is fixed, then restart it: every step keeps its "
            "result."
        )
    if not may(request, RESTART) or workflow.queue == IMPORTED:
        return Advice(sentence)
    return Advice(sentence, label, link("act", workflow.id, "restart") + step)


def _failures(workflow: Workflow) -> list[int]:
    """The last of the failed steps, in order: more than are named, if there are more."""
    failed = steps.queryset(workflow.id).filter(state=StepState.FAILED).order_by("-number")
    return sorted(failed.values_list("number", flat=True)[: NAMED + 1])


def _went_on(numbers: list[int]) -> str:
    text = ngettext(
        "Its own code raised this, and had gone on from the failure of step %(numbers)s. A restart of what failed "
        "would raise it again: fix the cause, then restart it from that step.",
        "Its own code raised this, and had gone on from the failures of the steps %(numbers)s. A restart of what "
        "failed would raise it again: fix the cause, then restart it from one of those steps.",
        len(numbers),
    )
    named = ", ".join(map(str, numbers[-NAMED:]))
    return text % {"numbers": f"…, {named}" if len(numbers) > NAMED else named}


def _failed(workflow: Workflow, plan: RestartPlan) -> str:
    kept = steps.queryset(workflow.id).filter(state=StepState.COMPLETED)
    if plan.cut is not None:
        kept = kept.filter(number__lt=plan.cut)
    count, others = len(plan.again), kept.count()
    numbers = ", ".join(map(str, plan.again[:NAMED])) + (", …" if count > NAMED else "")
    failure = read_failure(workflow.error)
    if failure is not None and failure.steps:
        text = ngettext("Step %(numbers)s failed with this.", "%(count)s steps failed: %(numbers)s.", count)
    else:
        text = ngettext(
            "Its own code raised this, after step %(numbers)s failed.",
            "Its own code raised this, after %(count)s steps failed: %(numbers)s.",
            count,
        )
    failed = text % {"count": f"{count:,}", "numbers": numbers}
    text = ngettext(
        "Fix the cause, then restart the failed steps only: the other step keeps its result.",
        "Fix the cause, then restart the failed steps only: the other %(others)s keep their results.",
        others,
    )
    advice = text % {"others": f"{others:,}"} if others else _("Fix the cause, then restart the failed steps only.")
    return f"{failed} {advice}"
