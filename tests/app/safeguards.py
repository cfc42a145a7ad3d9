"""The engine's safeguards, and how to take one away from this process and its children, for good.

For clusters that a test starts with ``manage.py without NAME``, to see that what goes wrong then is noticed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from django.db.backends.signals import connection_created

from django_workflows.engine import batch, run_step
from django_workflows.store import attempts, workers


def heartbeat() -> None:
    """Nobody says that a step still runs."""
    attempts.renew = lambda attempt: True
    attempts.renew_many = lambda those: None


def one_transaction() -> None:
    """A mutation is committed some time before the journal has it, in which a worker can be killed."""

    def first_the_effect(step: Any, run: Callable[[], Any], queue: Any) -> Any:
        outcome = run()
        time.sleep(0.15)
        return run_step.finish(step, outcome, queue)

    run_step.mutate = first_the_effect
    batch.may_be_together = lambda step: False


def recovery() -> None:
    """What a worker had taken is given to nobody else, whatever became of the worker."""
    workers.give_back = lambda worker, **options: {}

    def rewrite(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        return execute(re.sub(r"AND due_at <= ", "AND claimed_by = '' AND due_at <= ", sql), params, many, context)

    def watch(connection: Any, **kwargs: Any) -> None:
        if rewrite not in connection.execute_wrappers:
            connection.execute_wrappers.append(rewrite)

    connection_created.connect(watch, weak=False)


SAFEGUARDS = {"heartbeat": heartbeat, "one-transaction": one_transaction, "recovery": recovery}
