"""Starts workflows again and again, by a schedule of django-q2's that its admin shows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django_q.models import Schedule

from ..conf import settings
from ..core.definitions import Definition
from ..core.durations import aware
from ..core.registry import registry
from ..engine.start import StartOptions, start
from ..exceptions import InvalidArguments, WorkflowError

logger = logging.getLogger("django_workflows")

START = "django_workflows.q2.recurring.start_scheduled"


def schedule_workflow(
    name: str,
    definition: Definition[Any, Any] | str,
    args: Mapping[str, Any] | None = None,
    *,
    cron: str | None = None,
    every: timedelta | None = None,
    overlap: str = "skip",
    first_at: datetime | None = None,
) -> Schedule:
    """Start a workflow regularly; returns django-q2's schedule.

    ``name`` is the schedule's: calling this again with it changes that schedule, and deleting the schedule ends it.
    ``cron`` is an expression of five fields (django-q2 reads it in its own time zone, with the package croniter), or
    ``every`` a number of whole minutes. ``first_at`` (an aware datetime) is when it begins, else the next time of
    ``cron``, or now. While a workflow of this schedule runs, ``overlap`` "skip" starts no other, and
    "allow" does. Each time of the schedule starts one workflow at most, even if django-q2 delivers its task twice.
    Raises ``InvalidArguments`` or ``DefinitionNotFound``, and changes nothing then.
    """
    found = registry.find(definition) if isinstance(definition, str) else definition
    text = found.signature.encode_mapping(
        args or {}, what=f"arguments of {found.name}", max_bytes=settings.MAX_PAYLOAD_BYTES
    )
    if overlap not in ("skip", "allow"):
        raise InvalidArguments(f'schedule_workflow: overlap must be "skip" or "allow", got {overlap!r}')
    schedule = Schedule.objects.filter(name=name).first() or Schedule(name=name)
    schedule.func = START
    schedule.args = repr((found.name, text, name, overlap))
    schedule.kwargs = "{'q_options': {'save': False}}"
    schedule.intended_date_kwarg = "intended"
    schedule.repeats = -1
    _set_times(schedule, cron, every)
    try:
        schedule.full_clean()
        if cron is not None:
            schedule.next_run = schedule.calculate_next_run()
    except ValidationError as error:
        raise InvalidArguments(f"schedule_workflow: {'; '.join(error.messages)}") from error
    except ImportError as error:
        raise InvalidArguments(f"schedule_workflow: {error} (pip install croniter)") from error
    if first_at is not None:
        schedule.next_run = aware(first_at, what="first_at")
    schedule.save()
    return schedule


def _set_times(schedule: Schedule, cron: str | None, every: timedelta | None) -> None:
    if (cron is None) == (every is None):
        raise InvalidArguments("schedule_workflow needs either cron= or every=")
    if cron is not None:
        schedule.schedule_type, schedule.cron, schedule.minutes = Schedule.CRON, cron, None
        return
    assert every is not None
    minutes = every / timedelta(minutes=1)
    if minutes < 1 or minutes != int(minutes):
        raise InvalidArguments(f"schedule_workflow: every must be whole minutes, got {every!r}")
    schedule.schedule_type, schedule.cron, schedule.minutes = Schedule.MINUTES, None, int(minutes)


def start_scheduled(definition: str, args: str, name: str, overlap: str, intended: str) -> None:
    """django-q2's task for one time of a schedule; ``args`` is JSON text. Never raises into django-q2."""
    options = StartOptions(
        idempotency_key=f"{name}:{intended}"[:200],
        key=f"schedule:{name}"[:200] if overlap == "skip" else None,
    )
    try:
        start(registry.find(definition), args, options)
    except WorkflowError:
        logger.exception("Schedule %r could not start %s", name, definition, extra={"workflow": definition})
