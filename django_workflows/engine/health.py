"""Says how it stands with the whole, for the health endpoint, the admin, ``doctor`` and the log alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import Error as DatabaseError

from ..conf import settings
from ..core.excerpts import one_line
from ..core.health import Health, QueueHealth, judge_queue, problems
from ..store import health as store
from ..store.database import connection, is_postgresql, is_read_only, local_now, now
from .aloud import everything

#: How many ids of workflows that are blocked are given.
_IDS = 20


def check_health(*, thorough: bool = False) -> Health:
    """How it stands with database, workers, queues and workflows. Never raises for what it finds.

    A few statements that indexes serve, so that it may be asked every few seconds; ``thorough`` also looks for
    workflows that wait for nothing, which reads all those in progress. Seen from outside: it tells of a cluster that
    is wedged or gone as well as of one that works.

    Inside a transaction of the caller's that is broken, the database counts as one that does not answer.
    """
    began = local_now()
    try:
        found = _look(began, thorough)
    except DatabaseError as error:
        if not connection().in_atomic_block:
            connection().close_if_unusable_or_obsolete()
        found = Health(datetime.now(UTC), database_error=_one_line(error))
    return replace(found, problems=tuple(problems(found)))


def check_health_aloud() -> Health:
    """``check_health``, for whoever watches from outside: what is wrong is said in this process's log, too.

    Nobody else may be there to say it, where no cluster runs.
    """
    health = check_health()
    everything.tell(health.problems)
    return health


def check_queue(name: str) -> QueueHealth:
    """How it stands with one queue. Raises Django's database errors."""
    at = now()
    return _judged(store.queue(name, at, store.workers(at)))


def _look(began: datetime, thorough: bool) -> Health:
    at = now()
    workers = store.workers(at)
    blocked, blocked_ids = store.blocked(_IDS)
    queues = [_judged(queue) for queue in store.queues(at, workers)]
    return Health(
        checked_at=at,
        queues=tuple(queues),
        workers=tuple(workers),
        blocked=blocked,
        blocked_ids=tuple(blocked_ids),
        lost=tuple(store.lost(_IDS)) if thorough else None,
        clock_skew=skew(began, at),
        read_only=is_read_only(),
        long_steps=tuple(store.long_steps(workers, at)),
        failing=store.failing(at, _IDS),
        retrying=store.retrying([queue.queue for queue in queues], at, _IDS),
        blocked_mass=store.blocked_mass(at) if blocked else None,
    )


def _judged(queue: QueueHealth) -> QueueHealth:
    stalled, growing = judge_queue(queue, timedelta(seconds=settings.STALLED_AFTER))
    return replace(queue, stalled=stalled, growing=growing)


def skew(began: datetime, at: datetime) -> timedelta | None:
    """What this host's clock is ahead: by the middle of the round trip in which the database was asked."""
    if not is_postgresql():
        return None
    return began + (local_now() - began) / 2 - at


def _one_line(error: DatabaseError) -> str:
    return one_line(str(error), 300) or type(error).__name__
