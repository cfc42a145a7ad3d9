"""Checks of the django-q2 broker: how soon it lets workers know of work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.utils.module_loading import import_string

from .cluster import clusters
from .database import journal_alias

_SETTING = '"broker_class": "django_workflows.q2.JournalBroker"'


def check_broker(**kwargs: Any) -> list[CheckMessage]:
    """W009: a broker with which work begins late; W020: a JournalBroker whose own queue is in another database."""
    if not apps.is_installed("django_q"):
        return []
    _, cluster = next(clusters())
    return list(_orm(cluster) if _watches_journal(cluster.get("broker_class")) else _coarse(cluster))


def _watches_journal(path: Any) -> bool:
    """Whether the broker of that path is a JournalBroker; False too for one that cannot be imported."""
    from ..q2.broker import JournalBroker

    try:
        found = import_string(path)
    except (ImportError, AttributeError, TypeError, ValueError):
        return False
    return isinstance(found, type) and issubclass(found, JournalBroker)


def _coarse(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if cluster.get("orm") and not cluster.get("broker_class"):
        what = f"django-q2's ORM broker looks for work every {cluster.get('poll', 0.2)} s, and so late do steps begin"
    else:
        what = "this django-q2 broker cannot hold a message back: timers and retries may be up to a minute late"
    yield Warning(
        f"Q_CLUSTER: {what}.",
        hint=f'Set "orm": {journal_alias()!r} and {_SETTING}: starts and timers are picked up in milliseconds then. '
        "Nothing is lost with another broker; where late is good enough, silence this check.",
        id="django_workflows.W009",
    )


def _orm(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    orm, alias = cluster.get("orm"), journal_alias()
    if orm == alias:
        return
    yield Warning(
        f'Q_CLUSTER["orm"] is {orm!r}, and the journal is in {alias!r}: django-q2 keeps its own tasks in another '
        "place than the JournalBroker watches, so that they begin late, and a mutation that queues one cannot do so "
        "in its own transaction."
        if orm
        else 'Q_CLUSTER has no "orm": the JournalBroker then keeps django-q2\'s own tasks in the default database, '
        "and the admin does not show them.",
        hint=f'Set "orm": {alias!r} in Q_CLUSTER, the alias of the database that holds the journal.',
        id="django_workflows.W020",
    )
