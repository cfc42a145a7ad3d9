"""Starts workflows again and again, by a schedule of django-q2's that its admin shows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import Schedule

from ..conf import settings
from ..core.definitions import Definition
from ..core.durations import aware
from ..core.registry import registry
from ..engine.start import StartOptions, start_by_name
from ..exceptions import InvalidArguments
from .cron import is_repetition, next_time

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
    ``cron`` is an expression of five fields (read in django-q2's time zone, with the package croniter), or ``every`` a
    number of whole minutes. ``first_at`` (an aware datetime) is when it begins, else the next time of ``cron``, or now.
    While a workflow of this schedule runs, ``overlap`` "skip" starts no other, and "allow" does.

    When clocks change, a time that they skip comes at the first instant after the gap, and one that they show twice
    comes the first time only; where the hour is ``*`` or a step, and with ``every``, it runs through in real time. Each
    time starts one workflow at most, however often and by whichever worker its task is run; where that worker's code
    does not define the workflow, it waits, blocked, for one that does. ``step.scheduled_for`` is that time.
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
    schedule.kwargs = repr({**_where(found), "q_options": {"save": False, "ack_failure": False}})
    schedule.intended_date_kwarg = "intended"
    schedule.repeats = -1
    _set_times(schedule, cron, every)
    try:
        schedule.full_clean()
        if cron is not None:
            schedule.next_run = next_time(cron, time_zone(), timezone.now())
    except ValidationError as error:
        raise InvalidArguments(f"schedule_workflow: {'; '.join(error.messages)}") from error
    except ValueError as error:
        raise InvalidArguments(f"schedule_workflow: cron={cron!r} is never due: {error}") from error
    except ImportError as error:
        raise InvalidArguments(f"schedule_workflow: {error} (pip install croniter)") from error
    if first_at is not None:
        schedule.next_run = aware(first_at, what="first_at")
    schedule.save()
    return schedule


def _where(definition: Definition[Any, Any]) -> dict[str, Any]:
    """Where a worker that does not know the definition leaves the workflow to those that do."""
    where = {"queue": definition.queue, "priority": definition.priority}
    return {name: value for name, value in where.items() if value}


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


def start_scheduled(
    definition: str, args: str, name: str, overlap: str, intended: str, queue: str = "", priority: int = 0
) -> None:
    """django-q2's task for one time of a schedule; ``args`` is JSON text, ``intended`` that time, as ISO 8601.

    Whether the code of this worker knows the definition does not matter, nor how often this is called for one time.
    What it raises is a failure to django-q2, which delivers the task again.
    """
    intended_at = datetime.fromisoformat(intended)
    schedule = Schedule.objects.filter(name=name, func=START, schedule_type=Schedule.CRON).first()
    if schedule is not None and is_repetition(schedule.cron or "", time_zone(), intended_at):
        # Worked out by a cluster of an earlier version.
        logger.info("Schedule %r: the clocks went back, so %s was started at this time already", name, definition)
        return
    options = StartOptions(idempotency_key=f"{name}:{intended}", key=f"schedule:{name}" if overlap == "skip" else None)
    # It has no caller: nothing that is captured is somebody else's.
    variables = Context()
    variables.run(start_by_name, definition, args, options, scheduled_for=intended_at, queue=queue, priority=priority)


def time_zone() -> ZoneInfo:
    """The time zone in which django-q2 reads cron expressions."""
    return ZoneInfo(Conf.TIME_ZONE)


def reckon_with_clock_changes() -> None:
    """Let django-q2, and so its admin, have the next time of a cron schedule of ours from ``next_time``.

    It asks its model, whose answer of a day on which the clocks change is another: what they show twice comes twice.
    """
    theirs = Schedule.calculate_next_run

    def calculate_next_run(self: Schedule, next_run: datetime | None = None) -> datetime:
        if self.func == START and self.schedule_type == Schedule.CRON and self.cron and django_settings.USE_TZ:
            return next_time(self.cron, time_zone(), timezone.now())
        return theirs(self, next_run)  # type: ignore[no-any-return]

    if theirs.__module__ != __name__:
        Schedule.calculate_next_run = calculate_next_run
