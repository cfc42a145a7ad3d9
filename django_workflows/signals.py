"""Signals for users' code, sent after the commit of what they tell of. Receivers' errors are logged, not raised.

Each has ``workflow_id`` (UUID) and ``name`` (of the definition); those of steps ``number`` and ``step`` (its name) too.
``workflow_completed`` has ``state``, ``untaken_events`` (a dict: how many events of each name were sent to it and never
taken) and ``never_awaited`` (a list: the names of steps that its function asked for and never awaited);
``step_completed`` has ``state`` and ``attempt``; ``step_retried`` has ``attempt`` (the one that failed), ``error`` and
``retry_at``.
"""

from django.dispatch import Signal

workflow_started = Signal()
workflow_completed = Signal()
step_started = Signal()
step_completed = Signal()
step_retried = Signal()
