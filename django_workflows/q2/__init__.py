"""The only code that knows django-q2: it supplies the processes, and is told when there is work."""

from __future__ import annotations

from typing import Any


def connect() -> None:
    """Let the engine wake django-q2's workers, and have it swept. Called once, when Django's apps are ready."""
    from django.db.models.signals import post_migrate
    from django_q.signals import post_spawn

    from ..engine.dispatch import use
    from .cluster_log import quieten
    from .nudge import Q2Dispatcher
    from .process import on_spawn
    from .recurring import reckon_with_clock_changes
    from .schedules import ensure_sweep

    use(Q2Dispatcher())
    quieten()
    reckon_with_clock_changes()
    post_migrate.connect(ensure_sweep, dispatch_uid="django_workflows.sweep")
    post_spawn.connect(on_spawn, dispatch_uid="django_workflows.spawn")


def __getattr__(name: str) -> Any:
    # django-q2 looks the broker up here; its models cannot be imported before the apps are ready.
    if name == "JournalBroker":
        from .broker import JournalBroker

        return JournalBroker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
