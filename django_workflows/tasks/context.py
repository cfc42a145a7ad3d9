"""What a task with ``takes_context=True`` is given where it runs as a step of a workflow."""

from __future__ import annotations

import sys
from typing import Any

from ..engine.current import current_step


def task_context(task: Any) -> Any:
    """The context of a task that is the running step, of the classes of the task's own framework.

    ``task_result.id`` is the step's idempotency key: it is no enqueued task, so that nobody else can get its result.
    """
    framework = sys.modules[next(each for each in type(task).__mro__ if each.__qualname__ == "Task").__module__]
    running = current_step()
    step = running.step
    result = framework.TaskResult(
        task=task,
        id=running.idempotency_key,
        status=framework.TaskResultStatus.RUNNING,
        enqueued_at=step.queued_at,
        started_at=step.started_at,
        last_attempted_at=step.started_at,
        finished_at=None,
        args=[],
        kwargs={},
        backend=task.backend,
        errors=[],
        worker_ids=[""] * step.attempt,
    )
    return framework.TaskContext(task_result=result)
