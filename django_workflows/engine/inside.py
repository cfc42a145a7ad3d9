"""What a verb does, or refuses, that a workflow function, a step, a callback or a receiver calls."""

from __future__ import annotations

from asyncio import events
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from ..core.journal import ClaimedStep, StepKind, WorkflowState
from ..core.loop import ReplayLoop
from ..exceptions import RefusedInside, UnsupportedInHandler
from ..store import cancellation, workflows
from .current import running_step

P = ParamSpec("P")
R = TypeVar("R")

#: How a mutation cancels its own workflow.
GRACEFULLY, BY_FORCE = "gracefully", "by force"
#: The workflow whose callback, ``on_commit`` hook or receiver of a signal is called here, by the worker that has it.
_concerned: ContextVar[UUID | None] = ContextVar("django_workflows_concerned", default=None)


@contextmanager
def concerning(workflow_id: UUID) -> Iterator[None]:
    """What is called meanwhile keeps that workflow from going on."""
    token = _concerned.set(workflow_id)
    try:
        yield
    finally:
        _concerned.reset(token)


def refuse_in_handler(verb: str) -> None:
    """``UnsupportedInHandler`` where a workflow function calls ``verb`` itself."""
    if isinstance(events._get_running_loop(), ReplayLoop):
        instead = "await step.run_mutation(fn, ...)"
        if verb.startswith("start"):
            instead = f"await step.run_workflow(definition, ...) for a child, or {instead}"
        raise UnsupportedInHandler(
            f"a workflow function cannot call {verb}(): it would do so again on every replay. "
            f"Call it in a function at the top level of a module, and {instead}."
        )


def refuse_to_write(verb: str) -> None:
    """Refuse ``verb``, which changes something, in a workflow function and in a query (``RefusedInside``)."""
    refuse_in_handler(verb)
    current = running_step()
    if current is not None and current.kind == StepKind.QUERY:
        raise RefusedInside(
            f"{verb}() was called in the query {current.name}, and a query only reads. "
            "Run its function by step.run_mutation, or by step.run_action."
        )


def writes(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb of the engine that changes something: refused where that cannot work."""
    name = verb.__name__

    @wraps(verb)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> R:
        refuse_to_write(name)
        return verb(*args, **kwargs)

    return refusing


def refuse_to_wait(verb: str, workflow_id: UUID) -> None:
    """``RefusedInside`` where waiting for that workflow's end would be for ever: it, or a child of it, waits for us."""
    refuse_in_handler(verb)
    current = running_step()
    inside = _concerned.get() if current is None else current.workflow_id
    below: UUID | None = inside
    while below is not None:
        found = workflows.read(below)
        if below == workflow_id:
            if found is not None and found.state == WorkflowState.IN_PROGRESS:
                raise RefusedInside(_WAITS_FOR_ITSELF.format(verb=verb, id=workflow_id, whose=_whose(below, inside)))
            return
        below = None if found is None else found.parent


_WAITS_FOR_ITSELF = (
    "{verb}({id}) was called from inside {whose}, which cannot end before that returns: it would wait for ever. "
    "Look once, with status(), ask current_step().canceled() in a long loop, or let on_complete be called at the end."
)


def _whose(found: UUID, inside: UUID | None) -> str:
    return "this very workflow" if found == inside else "a child of this workflow"


def mutation_of(workflow_id: UUID) -> ClaimedStep | None:
    """The mutation that runs here, if it is a step of this workflow: what ends with it must be written with it."""
    current = running_step()
    if current is None or not current.in_transaction or current.workflow_id != workflow_id:
        return None
    return current.step


def is_inside(workflow_id: UUID) -> bool:
    """Whether a step of this workflow runs here."""
    current = running_step()
    return current is not None and current.workflow_id == workflow_id


def note_cancel() -> None:
    """After something was canceled: note with the mutation that runs here whether its own workflow is to be, too."""
    current = running_step()
    if current is None or not current.in_transaction or current.step.cancels:
        return
    if cancellation.is_requested(current.workflow_id):
        current.step.cancels = GRACEFULLY
