"""The one schedule that we keep in django-q2: a sweep every minute, in case a message was lost."""

from __future__ import annotations

from typing import Any

SWEEP_NAME = "django_workflows: sweep"


def ensure_sweep(sender: Any, using: str, **kwargs: Any) -> None:
    """After a migration: make the schedule, unless it is there or django-q2's tables are in another database."""
    from django.db import connections, router
    from django_q.models import Schedule

    from .tasks import SWEEP

    if getattr(sender, "label", "") not in ("django_q", "django_workflows") or not router.allow_migrate_model(
        using, Schedule
    ):
        return
    if Schedule._meta.db_table not in connections[using].introspection.table_names():
        return
    Schedule.objects.using(using).get_or_create(
        name=SWEEP_NAME,
        defaults={
            "func": SWEEP,
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
            "kwargs": "{'q_options': {'save': False}}",
        },
    )


def has_sweep() -> bool:
    """Whether the schedule is there."""
    from django_q.models import Schedule

    return bool(Schedule.objects.filter(name=SWEEP_NAME).exists())
