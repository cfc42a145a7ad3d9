"""Checks of django-q2's cluster: that it is there, and that its times leave room for the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from .. import conf

#: What django-q2 uses where Q_CLUSTER says nothing.
_RETRY = 60
_GUARD_CYCLE = 0.5
#: What its guard adds to the timeout before it counts down.
_GUARD_GRACE = 3


def check_cluster(**kwargs: Any) -> list[CheckMessage]:
    """E005: no django-q2. W025: an untested one. Of each cluster's times: W006, W021, E022, W023, W024."""
    if not apps.is_installed("django_q"):
        return [
            Error(
                "django_workflows runs on django-q2, which is not in INSTALLED_APPS.",
                hint='Add "django_q" to INSTALLED_APPS, before or after "django_workflows".',
                id="django_workflows.E005",
            )
        ]
    return [*_version(), *(problem for where, cluster in clusters() for problem in _times(where, cluster))]


def _version() -> Iterator[CheckMessage]:
    from ..q2.cluster.versions import TESTED, installed, is_tested

    if not is_tested():
        yield Warning(
            f"`manage.py workflows cluster` was tested with django-q2 {' and '.join(TESTED)}, and {installed()} is "
            "installed, whose insides it uses.",
            hint="Install a tested one, or update django_workflows. `manage.py qcluster` makes fewer assumptions.",
            id="django_workflows.W025",
        )


def clusters() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What each cluster is configured with, and how the settings spell that: Q_CLUSTER, and its ALT_CLUSTERS."""
    main = getattr(django_settings, "Q_CLUSTER", None)
    main = main if isinstance(main, Mapping) else {}
    yield "Q_CLUSTER", main
    others = main.get("ALT_CLUSTERS")
    for name, changes in others.items() if isinstance(others, Mapping) else ():
        if isinstance(changes, Mapping):
            yield f'Q_CLUSTER["ALT_CLUSTERS"][{name!r}]', {**main, **changes}


def _times(where: str, cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    timeout = cluster.get("timeout")
    if timeout is None:
        yield Warning(
            f"{where} has no timeout: a step that hangs keeps its worker for ever, "
            "and once all of them hang nothing runs any more.",
            hint='Set "timeout" to the seconds of the longest step plus DRAIN_SECONDS, and "retry" above it.',
            id="django_workflows.W024",
        )
    elif isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 1:
        yield Error(
            f"{where}: timeout is {timeout!r}, with which django-q2 starts no task at all.",
            hint='Set "timeout" to a whole number of seconds, of at least 1.',
            id="django_workflows.E022",
        )
    else:
        yield from _drain(where, timeout)
        yield from _retry(where, timeout, cluster.get("retry", _RETRY))
        yield from _guard(where, timeout, cluster.get("guard_cycle", _GUARD_CYCLE))


def _drain(where: str, timeout: int) -> Iterator[CheckMessage]:
    try:
        drain = conf.settings.DRAIN_SECONDS
    except ImproperlyConfigured:
        return
    if timeout <= 2 * drain:
        left = max(0, timeout - drain)
        yield Warning(
            f"{where}: timeout is {timeout} s: django-q2 counts it from the start of a round of work, "
            f"which takes up to DRAIN_SECONDS ({drain:g} s), so a step may get as little as {left:g} s.",
            hint="Raise the timeout to the longest step plus DRAIN_SECONDS, or lower DRAIN_SECONDS.",
            id="django_workflows.W006",
        )


def _retry(where: str, timeout: int, retry: Any) -> Iterator[CheckMessage]:
    if isinstance(retry, (int, float)) and retry <= timeout:
        yield Warning(
            f"{where}: retry ({retry:g} s) is not above timeout ({timeout} s): a django-q2 task that takes longer "
            "than retry is run again beside itself.",
            hint=f'Set "retry" above "timeout", for example to {timeout + max(30, timeout // 2)}.',
            id="django_workflows.W021",
        )


def _guard(where: str, timeout: int, cycle: Any) -> Iterator[CheckMessage]:
    if not isinstance(cycle, (int, float)) or cycle <= 0:
        return
    # It counts down in steps of this, and acts where it meets 0 exactly.
    if Fraction(timeout + _GUARD_GRACE) % Fraction(cycle):
        yield Warning(
            f"{where}: guard_cycle ({cycle:g} s) does not divide timeout + {_GUARD_GRACE} s ({timeout + _GUARD_GRACE} "
            "s) exactly, so that django-q2's guard steps over the moment at which it would end a hung worker.",
            hint='Remove "guard_cycle" (it is 0.5 then), or set it to 0.25, 0.5 or 1.',
            id="django_workflows.W023",
        )
