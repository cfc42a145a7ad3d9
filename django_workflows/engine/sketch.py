"""Reads a workflow with its journal in short, so that a page of it costs little however long the journal is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ..core.attempts import StepHistory
from ..core.journal import StepKind
from ..core.timeline import Timeline, layout
from ..core.traces import Told
from ..core.waiting import Wait
from ..models import Workflow
from ..store import workflows
from ..store.database import now
from ..store.traces import first_steps, read_histories, read_traces
from .invoke import read_only
from .overview import NESTED, find, silence_of, waits_of

#: Those of some workflows that exist for whoever looks.
Visible = Callable[[Collection[UUID]], AbstractSet[UUID]]

#: Of more steps that were tried before, only the last attempt is told.
RETRIED = 200
#: A child of more steps is shown without them.
NESTED_STEPS = 100


@dataclass(frozen=True)
class Sketch:
    """A workflow and its steps, read at ``now``; ``silence`` as in ``Journal``, ``visible`` as ``sketch`` got it.

    Steps with one attempt are traces, and so are those that were tried before where there are more than ``RETRIED``.
    """

    workflow: Workflow
    steps: Sequence[Told]
    now: datetime
    waits: list[Wait]
    silence: Mapping[str, float | None]
    visible: Visible | None = None

    @property
    def begun_at(self) -> datetime:
        """When the journal begins: that of a workflow that continued as new, with its last beginning."""
        workflow = self.workflow
        begun = (workflow.started_at if workflow.continuations else None) or workflow.created_at
        again = workflow.restarted_at
        # Where a restart left nothing of before, the time before it is no part of the picture.
        return begun if again is None or any(step.created_at < again for step in self.steps) else max(begun, again)

    def laid_out(self, steps: Sequence[Told] | None = None, **options: None) -> Timeline:
        """The timeline of all steps, or of some of them."""
        shown = self.steps if steps is None else steps
        finished_at = self.workflow.finished_at
        return layout(shown, begun_at=self.begun_at, finished_at=finished_at, now=self.now, **options)


def sketch(workflow_id: UUID, visible: Visible | None = None) -> Sketch:
    """A workflow's journal as it was at one moment; ``WorkflowNotFound`` if there is none of that id.

    Of children that are not ``visible`` there are no steps.
    """
    with read_only():
        workflow, read_at = find(workflow_id), now()
        steps = _steps(workflow_id, visible)
        found = waits_of(workflow, steps, read_at)
        return Sketch(workflow, steps, read_at, found, silence_of(found), visible)


def children_of(workflow_id: UUID, numbers: Sequence[int], visible: Visible | None = None) -> dict[int, UUID]:
    """The child workflows that these steps have started, by number of the step."""
    rows = workflows.queryset().filter(parent=workflow_id, parent_step__in=numbers)
    found = {step: child for step, child in rows.values_list("parent_step", "id") if step is not None}
    shown = visible(found.values()) if visible is not None and found else found.values()
    return {step: child for step, child in found.items() if child in shown}


def _steps(workflow_id: UUID, visible: Visible | None) -> list[Told]:
    found = read_traces(workflow_id)
    known = read_histories(workflow_id, [trace.number for trace in found if trace.tried_before][:RETRIED])
    if any(trace.kind == StepKind.WORKFLOW for trace in found):
        nested = _steps_of_children(workflow_id, visible)
        known |= {
            trace.number: replace(trace.history, steps=nested[trace.number])
            for trace in found
            if trace.number in nested
        }
    return [known.get(trace.number, trace) for trace in found] if known else list(found)


def _steps_of_children(workflow_id: UUID, visible: Visible | None) -> dict[int, tuple[StepHistory, ...]]:
    """By the number of their step; nothing for many children, or for one that has many steps."""
    rows = workflows.queryset().filter(parent=workflow_id).order_by("parent_step").values_list("id", "parent_step")
    steps_of = {child: step for child, step in rows[: NESTED + 1] if step is not None}
    if not 0 < len(steps_of) <= NESTED:
        return {}
    if visible is not None:
        shown = visible(steps_of)
        steps_of = {child: step for child, step in steps_of.items() if child in shown}
    found: dict[int, list[StepHistory]] = {}
    for row in first_steps(list(steps_of), NESTED_STEPS + 1):
        found.setdefault(steps_of[row["workflow_id"]], []).append(StepHistory.of(row))
    return {number: tuple(steps) for number, steps in found.items() if len(steps) <= NESTED_STEPS}
