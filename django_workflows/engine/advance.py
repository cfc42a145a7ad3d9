"""Takes a turn: brings the handler to life, hands it what is new, and writes what it asks for in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from ..conf import settings
from ..core.commands import Raised
from ..core.definitions import Definition
from ..core.journal import ClaimedStep, StepState, TurnRecord, WorkflowEnd, WorkflowRecord, WorkflowState
from ..core.outcomes import failure_of
from ..core.registry import registry
from ..core.replay import Replay
from ..exceptions import DeterminismViolation, HandlerStuck, InvalidArguments, InvalidPayload, WorkflowError
from ..store import journals, workflows
from ..store.database import atomic, retrying
from . import announce
from .complete import complete
from .deadlines import DeadlineReached, deadline
from .dispatch import wake
from .guard import explained
from .live import LiveHandler, limits, live_handlers
from .turn import Turn

logger = logging.getLogger("django_workflows")

#: Seconds until a parked workflow is looked at again, in case matching code was deployed.
PARKED_SECONDS = 60.0
#: An unknown name is first taken for a rolling deploy, in which some workers still run the older code.
UNKNOWN_SECONDS = 15.0


class TurnVoid(Exception):
    """Somebody else went ahead; what this turn did must not be written."""


def advance(claimed: WorkflowRecord, queue: str) -> ClaimedStep | None:
    """Take the turn of a workflow that was claimed; returns a step for this worker to run, if there is one."""
    if claimed.deliveries > settings.MAX_DELIVERIES:
        problem = (
            f"handed out {claimed.deliveries - 1} times without getting on: each time the worker died, or this failed: "
            f"{claimed.problem or 'no error was seen, so the worker process itself went away (killed? out of memory?)'}"
        )
        workflows.park(claimed.id, problem, seconds=None, deliveries=claimed.deliveries - 1)
        logger.error("Workflow %s %s needs attention: %s", claimed.name, claimed.id, problem)
        return None
    try:
        return take_turn(claimed.id, claimed.generation, queue)
    except TurnVoid:
        return None
    except (DeterminismViolation, InvalidArguments, InvalidPayload) as error:
        mismatch(claimed, error)
    except HandlerStuck as error:
        fail(claimed.id, claimed.generation, error)
    except Exception as error:
        logger.exception("The turn of workflow %s %s failed", claimed.name, claimed.id)
        delay = min(60.0, 0.5 * 2**claimed.deliveries)
        problem = f"{type(error).__name__}: {error}"[:2000]
        retrying(lambda: workflows.park(claimed.id, problem, seconds=delay, deliveries=claimed.deliveries))
    return None


def take_turn(workflow_id: UUID, generation: int | None, queue: str | None, *, strict: bool = False) -> ClaimedStep | None:
    """Lock a workflow and take its turn. ``queue``: let this worker, which serves it, run one of the new steps itself.

    ``strict`` raises what the handler raises, for a start that wants to know. Raises ``TurnVoid`` when the workflow is
    not running any more, and what replay raises.
    """

    def change() -> ClaimedStep | None:
        with atomic():
            locked = workflows.lock(workflow_id, generation)
            if locked is None:
                raise TurnVoid
            return locked_turn(*locked, queue=queue, strict=strict)

    return retrying(change)


def locked_turn(workflow: WorkflowRecord, at: object, *, queue: str | None, strict: bool = False) -> ClaimedStep | None:
    """The turn of a workflow that the caller has locked, at the database's time ``at``, in the caller's transaction."""
    definition = registry.get(workflow.name)
    if definition is None:
        park_unknown(workflow)
        return None
    live = live_handlers.take(workflow)
    if live is None:
        replay = Replay(definition, workflow.id, workflow.args, workflow.started_at or at, limits())  # type: ignore[arg-type]
        live = LiveHandler(replay, workflow)
    turn = Turn(workflow, live, at)  # type: ignore[arg-type]
    with closing_on_error(live):
        with handler_limits(definition):
            records = journals.load(
                workflow.id, from_number=live.replay.next_number, numbers=list(live.replay.open)
            )
            live.replay.catch_up(
                records, fresh=workflow.started_at is None, canceled_at=workflow.canceled_at_delivery
            )
            turn.absorb()
            turn.deliver_recorded(records)
            if workflow.cancel_requested_at is not None and workflow.canceled_at_delivery is None:
                turn.cancel()
        return write(turn, queue, strict=strict)


def write(turn: Turn, queue: str | None, *, strict: bool = False) -> ClaimedStep | None:
    """Settle and write a turn, in the caller's transaction. Raises ``TurnVoid``, and then all must be rolled back."""
    with handler_limits(turn.definition):
        turn.settle()
    if strict:
        ending = turn.replay.ending()
        if isinstance(ending, Raised):
            raise explained(ending.error)
    mine = turn.pick(queue) if queue is not None else None
    record = turn.finish()
    written = journals.write_turn(record)
    if written is None:
        raise TurnVoid
    now, version = written
    _remember(turn, version, now)
    announce.turn(turn, mine)
    if record.ending is not None:
        complete(turn.workflow, record.ending, now)
    _wake_others(turn)
    return mine if record.ending is None else None


def _remember(turn: Turn, version: int, now: object) -> None:
    """Keep the handler for its next turn, if it waits. Should the transaction fail, its position will not match."""
    record, live = turn.record, turn.live
    if record.ending is not None:
        live.replay.close()
        return
    workflow = turn.workflow
    workflow.version, workflow.delivered = version, record.delivered
    workflow.started_at = workflow.started_at or record.at
    workflow.journal_bytes += record.grown_bytes
    if record.canceled_at_delivery is not None:
        workflow.canceled_at_delivery = record.canceled_at_delivery
    live.workflow = workflow
    turn.remember_waits(now)  # type: ignore[arg-type]
    live_handlers.keep(workflow.id, live)


def _wake_others(turn: Turn) -> None:
    """Wake workers for what this one does not do itself: further steps, children, and waits that are over soon."""
    record = turn.record
    due = [(new.queue, new.delay, new.run_at) for new in record.new_steps if new.state == StepState.QUEUED]
    due += [(child.queue, child.delay, child.run_at) for child in record.children]
    due += [
        (turn.workflow.queue, new.delay, new.run_at)
        for new in record.new_steps
        if new.state == StepState.WAITING and (new.delay is not None or new.run_at is not None)
    ]
    by_queue: dict[str, list[float]] = {}
    for queue, delay, run_at in due:
        seconds = (run_at - record.at).total_seconds() if run_at is not None else delay or 0.0
        by_queue.setdefault(queue, []).append(seconds)
    for queue, waits in by_queue.items():
        first = min(waits)
        wake(queue, first, sum(wait <= first for wait in waits))


class closing_on_error:  # noqa: N801 - reads as a statement
    """Close a live handler whose turn failed: it has seen what was not written."""

    def __init__(self, live: LiveHandler) -> None:
        self._live = live

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            live_handlers.drop(self._live.workflow.id)
            self._live.replay.close()


class handler_limits:  # noqa: N801 - reads as a statement
    """While a handler runs: no database, and no longer than ``TURN_TIMEOUT``."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._deadline = deadline(settings.TURN_TIMEOUT)

    def __enter__(self) -> None:
        self._deadline.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        self._deadline.__exit__(kind, error, traceback)  # type: ignore[arg-type]
        if isinstance(error, DeadlineReached):
            raise HandlerStuck(
                f"{self._definition.name} ran for {settings.TURN_TIMEOUT:g} s without waiting for anything. Is there an "
                "endless loop, or heavy work that belongs into a step? (TURN_TIMEOUT sets the limit.)"
            ) from error


def mismatch(workflow: WorkflowRecord, error: WorkflowError) -> None:
    """What the project wants done about a journal that does not match its code: park it, or fail it."""
    if settings.ON_MISMATCH == "fail":
        fail(workflow.id, workflow.generation, error)
        return
    logger.error("Workflow %s %s is parked: %s", workflow.name, workflow.id, error)
    retrying(lambda: workflows.park(workflow.id, str(error), seconds=PARKED_SECONDS))


def park_unknown(workflow: WorkflowRecord) -> None:
    problem = (
        f"no workflow is defined under the name {workflow.name!r} in this worker. It goes on once code that defines it "
        "is deployed."
    )
    logger.warning("Workflow %s waits: %s", workflow.id, problem)
    workflows.park(workflow.id, problem, seconds=UNKNOWN_SECONDS)


def fail(workflow_id: UUID, generation: int | None, error: BaseException) -> None:
    """End a workflow with an error, whatever its handler would say."""
    end(workflow_id, generation, WorkflowEnd(WorkflowState.FAILED, error=failure_of(error)))


def end(workflow_id: UUID, generation: int | None, ending: WorkflowEnd, before: Callable[[], None] | None = None) -> bool:
    """End a running workflow without its handler; False if it is not running. ``before`` runs under its lock."""

    def change() -> bool:
        with atomic():
            locked = workflows.lock(workflow_id, generation)
            if locked is None:
                return False
            workflow, at = locked
            if before is not None:
                before()
            live_handlers.drop(workflow_id)
            record = TurnRecord(
                workflow_id=workflow_id,
                generation=workflow.generation,
                at=at,
                expected_version=workflow.version,
                expected_delivered=workflow.delivered,
                delivered=workflow.delivered,
                canceled_at_delivery=workflow.canceled_at_delivery or workflow.delivered,
                ending=ending,
            )
            written = journals.write_turn(record)
            if written is None:
                raise TurnVoid
            complete(workflow, ending, written[0])
            return True

    return retrying(change)
