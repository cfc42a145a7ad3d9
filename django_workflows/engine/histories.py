"""Takes histories out of the journal, and says where code departs from one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..core.definitions import Definition
from ..core.histories import IMPORTED, History
from ..core.journal import Failure, WorkflowState
from ..core.logic import is_known, unknown_logic
from ..core.payloads import same_json
from ..core.replay import Replay
from ..core.retry import dotted_path
from ..core.script import describe
from ..exceptions import DeterminismViolation, HandlerStuck, JournalTooLarge, WorkflowError
from ..store import journals
from .bounds import handler_limits
from .captured import surroundings
from .endings import workflow_end
from .invoke import read_only
from .live import limits
from .observe import read

#: Ends that the engine decides on, whatever the handler would say.
_NOT_THE_HANDLERS = frozenset(dotted_path(error) for error in (DeterminismViolation, HandlerStuck, JournalTooLarge))
#: How many steps before the one where they part a report shows.
_SHOWN = 5


def read_history(workflow_id: UUID) -> History:
    """A workflow with its journal, as they are at one moment; ``WorkflowNotFound`` if there is none of that id.

    Of one that was imported it is the history that was imported, with the id and state that it had.
    """
    with read_only():
        workflow = read(workflow_id)
        steps = journals.load(workflow_id)
    if workflow.queue == IMPORTED and workflow.context is not None:
        return History.load(workflow.context)
    return History(
        workflow_id=workflow.id,
        name=workflow.name,
        state=workflow.state,
        args=workflow.args,
        started_at=workflow.started_at,
        steps=tuple(steps),
        result=workflow.result,
        error=None if workflow.error is None else Failure.load(workflow.error),
        canceled_at_delivery=workflow.canceled_at_delivery,
        reopened=workflow.reopened,
        continuations=workflow.continuations,
        logic=workflow.logic,
        scheduled_for=workflow.scheduled_for,
        captured=workflow.captured,
    )


def replay_of(definition: Definition[Any, Any], history: History) -> Replay:
    """The handler of a history that has begun, before its first turn; to be closed by the caller."""
    assert history.started_at is not None
    return Replay(
        definition,
        history.workflow_id,
        history.args,
        history.started_at,
        limits(),
        continuations=history.continuations,
        logic=history.logic,
        scheduled_for=history.scheduled_for,
        surroundings=surroundings(history.captured),
    )


def lead(replay: Replay, history: History) -> None:
    """Lead a handler through a history, no further; raises ``WorkflowError`` where it does not follow."""
    with handler_limits(replay.definition):
        replay.catch_up(history.steps, reopened=history.reopened, canceled_at=history.canceled_at_delivery)


def mismatch(definition: Definition[Any, Any], history: History) -> str | None:
    """Where the code departs from a history, for people to read; ``None`` if it asks for the same and ends the same.

    No step is run. Of a workflow that has not ended, it must wait where the journal does.
    """
    if history.name != definition.name:
        return f"this is the history of a workflow named {history.name}, which {definition.name} would never be given"
    if not is_known(history.logic):
        return unknown_logic(history.logic)
    try:
        if history.started_at is None:
            definition.signature.decode_arguments(history.args)
            return None
        replay = replay_of(definition, history)
        try:
            lead(replay, history)
            return _other_end(definition, history, replay)
        finally:
            replay.close()
    except DeterminismViolation as error:
        return _report(history, error)
    except WorkflowError as error:
        return f"{type(error).__name__}: {error}"


def _report(history: History, error: DeterminismViolation) -> str:
    """The last steps that match, and then what was recorded beside what is asked for."""
    same = [step for step in history.steps if step.number < error.number]
    lines = [f"  ... {len(same) - _SHOWN} steps as recorded"] if len(same) > _SHOWN else []
    lines += [f"  {step.number:>4}  {describe(step.kind, step.name, step.args)}" for step in same[-_SHOWN:]]
    lines.append(f"  {error.number:>4}  the history has:   {error.recorded or 'nothing more'}")
    lines.append(f"        the code asks for: {error.asked or 'nothing'}")
    return "\n".join(["they part at step " + str(error.number), *lines])


def _other_end(definition: Definition[Any, Any], history: History, replay: Replay) -> str | None:
    """What is wrong with how the handler ended, after it asked for everything that was recorded."""
    ending = replay.ending()
    if history.error is not None and history.error.type in _NOT_THE_HANDLERS:
        return None
    if history.state == WorkflowState.IN_PROGRESS:
        return None if ending is None else "the code ends where the history still waits"
    if history.state == WorkflowState.CANCELED and history.canceled_at_delivery is None:
        return None
    if ending is None:
        return f"the code waits for something more where the history has ended ({history.state})"
    end = replay.inside(workflow_end, ending, definition, canceled=history.canceled_at_delivery is not None)
    if end.state != history.state:
        return f"the history ended {_end(history.state, history.result, history.error)}, the code ends {_of(end)}"
    if end.error is not None and history.error is not None and end.error.type != history.error.type:
        return f"the history ended {_end(history.state, None, history.error)}, the code ends {_of(end)}"
    if (end.result or history.result) and not same_json(end.result or "null", history.result or "null"):
        return f"the history ended with the result {history.result}, the code returns {end.result}"
    return None


def _of(end: Any) -> str:
    return _end(end.state, end.result, end.error)


def _end(state: str, result: str | None, error: Failure | None) -> str:
    if error is not None:
        return f"{state} ({error.type}: {error.message})"
    return f"{state} with the result {result}" if result is not None else state
