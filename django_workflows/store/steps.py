"""Steps that workers run: claimed, renewed, tried again, ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from ..conf import settings
from ..core.journal import FUNCTION_KINDS, ClaimedStep, Lane, WorkflowState
from ..core.pools import UNKNOWN, PoolLimits
from ..core.retry import RetryPolicy
from ..exceptions import InvalidStep
from ..models import Step, Workflow
from .attempts import ASIDE
from .claiming import due_order, one_of, skip_locked
from .database import (
    Moment,
    alias,
    atomic,
    execute,
    fetch_all,
    fetch_one,
    now_sql,
    put_uuid,
    read_instant,
    read_uuid,
)
from .pools import Wake, admit
from .prepared import run_one
from .rows import STEP, WORKER, WORKFLOW
from .workflows import levels, live

#: Marks, in a step's failures, an attempt that the database refused for its own sake.
TRANSIENT = "transient"
#: Marks one that was lost with its worker and with others beside it.
SHARED = "shared"
_CLAIMED = (
    "workflow_id, number, kind, name, function, args, options, attempt, failures, queued_at, started_at, queue, pool, "
    f"id, (SELECT generation FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id), "
    f"(SELECT name FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id), "
    f"(SELECT continuations FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id), "
    f"(SELECT trace FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id), lane, "
)


def _claimed() -> str:
    """What a claim returns; what was captured only where the project has classes that apply it."""
    captured = f"(SELECT captured FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id)"
    return _CLAIMED + (captured if settings.CONTEXT else "NULL")


def claim(
    queue: str,
    worker: str,
    pools: Mapping[str, PoolLimits] | None = None,
    wake: Wake = lambda *_: None,
    *,
    lanes: Sequence[Lane] = (),
) -> ClaimedStep | None:
    """Take a step that is due, for the length of a lease, as a new attempt; ``None`` if none is.

    Of each priority, those of the first of ``lanes`` come first, and those of no other are seen; ``()``: of all lanes,
    whoever is due first, for which all that is due is looked at.

    A step whose lease ran out is due as well: its attempt was lost, which ``ClaimedStep.lost`` shows. ``pools`` are the
    limits that the code sets; a step that finds no place in its pool is set aside, and the next one is looked at.
    ``wake`` is told of those that became due instead.
    """
    for priority in levels.of(STEP, queue):
        if pools:
            row = _claim_with_place(queue, priority, worker, pools, wake, lanes)
        else:
            row = _claim_row(queue, priority, worker, lanes)
        if row is not None:
            return _claimed_step(row)
    return None


def _claim_row(queue: str, priority: int, worker: str, lanes: Sequence[Lane]) -> tuple[Any, ...] | None:
    moment = Moment()
    # The second is looked for only where there is none of the first.
    order = due_order() if lanes else "due_at, id"  # not read from the index, so that ties must be decided
    first = [
        f"(SELECT id FROM {STEP} WHERE queue = %s AND priority = %s{lane} AND {live(STEP)} "
        f"AND due_at <= {moment.sql()} ORDER BY {order} LIMIT 1{skip_locked()})"
        for lane in [f" AND lane = {int(each)}" for each in lanes] or [""]
    ]
    which = first[0] if len(first) == 1 else f"COALESCE({', '.join(first)})"
    return run_one(
        f"UPDATE {STEP} SET state = 'running', attempt = attempt + 1, started_at = {moment.sql()}, "
        f"due_at = {moment.sql(settings.LEASE)}, claimed_by = %s, progress = '' WHERE id = {which} "
        f"RETURNING {_claimed()}",
        [worker, *[queue, priority] * len(first)],
    )


def claim_aside(workflow_id: UUID, worker: str, after: int) -> ClaimedStep | None:
    """Take the next step after that number which was set aside until other code is there, due or not."""
    moment = Moment()
    row = fetch_one(
        f"UPDATE {STEP} SET state = 'running', attempt = attempt + 1, started_at = {moment.sql()}, "
        f"due_at = {moment.sql(settings.LEASE)}, claimed_by = %s, progress = '' WHERE id = (SELECT id FROM {STEP} "
        f"WHERE workflow_id = %s AND number > %s AND state = 'queued' AND claimed_by = '{ASIDE}' AND pool = '' "
        f"ORDER BY number LIMIT 1{skip_locked()}) RETURNING {_claimed()}",
        [worker, put_uuid(workflow_id), after],
    )
    return None if row is None else _claimed_step(row)


def claim_more(queue: str, worker: str, function: str, limit: int, lane: int = Lane.MAIN) -> list[ClaimedStep]:
    """Take up to ``limit`` more steps that run one function, to be run one after the other and ended together.

    Only such as were never tried, and need no place in a pool.
    """
    moment = Moment()
    fresh = (
        f"SELECT id FROM {STEP} WHERE queue = %s AND priority = %s AND lane = {int(lane)} AND {live(STEP)} "
        f"AND due_at <= {moment.sql()} AND state = 'queued' AND attempt = 0 AND pool = '' AND function = %s "
        f"AND kind IN ('action', 'query', 'mutation') ORDER BY {due_order()} LIMIT %s{skip_locked()}"
    )
    for priority in levels.of(STEP, queue):
        rows = fetch_all(
            f"UPDATE {STEP} SET state = 'running', attempt = 1, started_at = {moment.sql()}, "
            f"due_at = {moment.sql(settings.LEASE)}, claimed_by = %s, progress = '' "
            f"WHERE id {one_of(fresh)} RETURNING {_claimed()}",
            [worker, queue, priority, function, limit],
        )
        if rows:
            return [_claimed_step(row) for row in rows]
    return []


def _claim_with_place(
    queue: str, priority: int, worker: str, pools: Mapping[str, PoolLimits], wake: Wake, lanes: Sequence[Lane]
) -> tuple[Any, ...] | None:
    while True:
        with atomic():
            row = _claim_row(queue, priority, worker, lanes)
            if row is None or not row[12] or admit(row[12], pools.get(row[12], UNKNOWN), row[13], wake):
                return row


def _claimed_step(row: tuple[Any, ...]) -> ClaimedStep:
    workflow_id, queued_at, started_at = read_uuid(row[0]), read_instant(row[9]), read_instant(row[10])
    assert workflow_id is not None and queued_at is not None and started_at is not None
    options, failures, damage = _read(row[2], row[6], row[8])
    return ClaimedStep(
        workflow_id=workflow_id,
        generation=row[14],
        workflow_name=row[15],
        number=row[1],
        kind=row[2],
        name=row[3],
        function=row[4],
        args=row[5],
        options=options,
        attempt=row[7],
        failures=failures,
        queued_at=queued_at,
        started_at=started_at,
        queue=row[11],
        pool=row[12],
        continuations=row[16],
        trace=row[17],
        damage=damage,
        refused=sum(isinstance(each, dict) and (TRANSIENT in each or SHARED in each) for each in failures),
        lane=row[18],
        captured=row[19],
    )


def _read(kind: str, options: str, failures: str) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Options and failures of a row, and what is wrong with the row, if somebody else than this package wrote it."""
    try:
        read = json.loads(options), json.loads(failures)
        if kind in FUNCTION_KINDS and isinstance(read[0], dict) and isinstance(read[1], list):
            if "retry" in read[0]:
                RetryPolicy.from_json(read[0]["retry"])
            return *read, ""
    except (ValueError, TypeError, RecursionError, InvalidStep):
        pass
    return {}, [], "its row is damaged: kind, options or failures are none that this package writes"


def retry(step: ClaimedStep, failures: list[dict[str, Any]], delay: float) -> datetime | None:
    """Queue another attempt after ``delay`` seconds; when that is, or ``None`` if the attempt is no longer ours.

    The caller has locked the workflow.
    """
    moment = Moment()
    due = moment.sql(delay)
    row = fetch_one(
        f"UPDATE {STEP} SET state = 'queued', due_at = {due}, queued_at = {due}, started_at = NULL, claimed_by = '', "
        f"failures = %s WHERE workflow_id = %s AND number = %s AND attempt = %s AND state = 'running' "
        f"RETURNING {due}",
        [json.dumps(failures), put_uuid(step.workflow_id), step.number, step.attempt],
    )
    return None if row is None else read_instant(row[0])


def set_failures(step: ClaimedStep, failures: list[dict[str, Any]]) -> None:
    """Keep the errors of the earlier attempts of a step that ends now."""
    execute(
        f"UPDATE {STEP} SET failures = %s WHERE workflow_id = %s AND number = %s",
        [json.dumps(failures), put_uuid(step.workflow_id), step.number],
    )


def others_open(workflow_id: UUID, number: int) -> bool:
    """Whether a worker has, or may take, another step of this workflow before long."""
    row = fetch_one(
        f"SELECT 1 FROM {STEP} WHERE workflow_id = %s AND number <> %s AND state IN ('queued', 'running') LIMIT 1",
        [put_uuid(workflow_id), number],
    )
    return row is not None


def open_steps(workflow_id: UUID) -> list[tuple[str, str]]:
    """Name and progress of the open steps, in step order."""
    rows = fetch_all(
        f"SELECT name, progress FROM {STEP} WHERE workflow_id = %s AND state IN ('queued', 'running', 'waiting') "
        "ORDER BY number",
        [put_uuid(workflow_id)],
    )
    return [(row[0], row[1]) for row in rows]


class RunningFunction(NamedTuple):
    """A step of which a worker runs the function, and where that is."""

    number: int
    name: str
    host: str
    pid: int


def still_running(workflow_id: UUID) -> list[RunningFunction]:
    """The steps that were canceled while workers ran their functions, and whose functions those run still.

    A worker is believed from its first sign after the cancellation on; until then it runs what it ran. At most twenty.
    """
    rows = fetch_all(
        f"SELECT step.number, step.name, worker.host, worker.pid FROM {STEP} AS step JOIN {WORKER} AS worker "
        "ON worker.id = step.claimed_by WHERE step.workflow_id = %s AND step.state = 'canceled' "
        "AND step.started_at IS NOT NULL "
        "AND (worker.seen_at <= step.finished_at OR worker.doing LIKE %s || CAST(step.number AS varchar(20)) || ' %%') "
        f"AND worker.seen_at > {now_sql(-settings.LEASE)} ORDER BY step.number LIMIT 20",
        [put_uuid(workflow_id), f"% {workflow_id} step "],
    )
    return [RunningFunction(*row) for row in rows]


def still_running_of(workflow: Workflow) -> list[RunningFunction]:
    """The same of a workflow that was read; asks the database only where it is, or is to be, canceled."""
    canceled = workflow.cancel_requested_at is not None or workflow.state == WorkflowState.CANCELED
    return still_running(workflow.id) if canceled else []


def queryset(workflow_id: UUID) -> QuerySet[Step]:
    """The steps of a workflow in order."""
    return Step.objects.using(alias()).filter(workflow_id=workflow_id).order_by("number")


def everything() -> QuerySet[Step]:
    """The steps of all workflows."""
    return Step.objects.using(alias()).all()


def attempt_json(
    step: ClaimedStep, attempt: int, error: dict[str, Any], finished_at: datetime | None, started_at: datetime | None
) -> dict[str, Any]:
    """An attempt that failed, as ``failures`` keeps it."""
    return {
        "attempt": attempt,
        "queued_at": step.queued_at.isoformat(),
        "started_at": started_at.isoformat() if started_at else None,
        "finished_at": finished_at.isoformat() if finished_at else None,
        **error,
    }


def retry_now(workflow_id: UUID) -> set[str]:
    """Make the steps that wait to be tried again due now; their queues. The caller has locked the workflow."""
    moment = Moment()
    rows = fetch_all(
        f"UPDATE {STEP} SET due_at = {moment.sql()}, queued_at = {moment.sql()} WHERE workflow_id = %s "
        f"AND state = 'queued' AND attempt > 0 AND due_at > {moment.sql()} RETURNING queue",
        [put_uuid(workflow_id)],
    )
    return {row[0] for row in rows}
