"""Brings back whatever was lost on the way: work of dead workers, places, wake-ups, workflows that wait for nothing."""

from __future__ import annotations

from dataclasses import dataclass

from ..store import health, workers, workflows
from ..store.database import retrying
from ..store.queues import queues_in_use
from .dispatch import wake
from .pools import free_all_places
from .worker import give_back_of_the_dead

#: How many workflows that wait for nothing are woken at a time.
_LOST = 1000


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done: ``workers`` that were dead gave back what they held, ``silent`` ones were forgotten.

    ``queues`` had work that is due, so their workers were woken. ``lost`` workflows waited for nothing, and are due
    now; ``None`` if they were not looked for.
    """

    workers: int
    silent: int
    queues: tuple[str, ...]
    lost: int | None = None


def recover(*, thorough: bool = False) -> Recovered:
    """Do it once. Safe at any time, from any process, any number of times at once.

    ``thorough`` also looks for workflows that wait for nothing, which reads all that are in progress. Raises Django's
    database errors.
    """
    dead = give_back_of_the_dead()
    free_all_places()
    lost = sum(_wake_lost(workflow_id) for workflow_id in health.lost(_LOST)) if thorough else None
    woken = tuple(queue for queue in queues_in_use() if _wake_if_due(queue))
    return Recovered(dead, retrying(workers.remove_silent), woken, lost)


def _wake_lost(workflow_id: object) -> bool:
    queue = retrying(lambda: health.make_lost_due(workflow_id))  # type: ignore[arg-type]
    return queue is not None


def _wake_if_due(queue: str) -> bool:
    seconds = workflows.next_due(queue)
    if seconds is None or seconds > 0:
        return False
    wake(queue)
    return True
