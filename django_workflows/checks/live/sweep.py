"""Whether the sweep is there: the schedule that finds what a lost message left, and deletes what has expired."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Warning


def check_sweep() -> Iterator[CheckMessage]:
    """W035: nobody sweeps: django-q2's schedule is gone, or its scheduler is switched off."""
    if not apps.is_installed("django_q"):
        return
    from ...q2.schedules import SWEEP_NAME, has_sweep

    cluster = getattr(django_settings, "Q_CLUSTER", {})
    if isinstance(cluster, dict) and cluster.get("scheduler") is False:
        yield _missing("django-q2's scheduler is switched off", 'Remove "scheduler" from Q_CLUSTER, or set it to True')
    elif not has_sweep():
        yield _missing(f"the schedule {SWEEP_NAME!r} is gone", "`python manage.py migrate` makes it again")


def _missing(what: str, hint: str) -> Warning:
    return Warning(
        f"Nobody sweeps: {what}, so finished workflows stay past their retention, and work whose message was lost "
        "begins late.",
        hint=f"{hint}. `manage.py workflows cluster` sweeps by itself.",
        id="django_workflows.W035",
    )
