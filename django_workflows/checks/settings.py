"""Checks of ``DJANGO_WORKFLOWS``, and of Django's settings on which the journal relies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from .. import conf
from ..engine.captured import instance_of


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001: a wrong key or value in DJANGO_WORKFLOWS; E007: naive datetimes; W008: a turn may outlive its lease; E010:
    a class of CONTEXT that cannot be used.
    """
    return [*_wrong_settings(), *_naive_times(), *_short_lease(), *_wrong_context()]


def _wrong_settings() -> Iterator[CheckMessage]:
    try:
        problems = list(conf.problems())
    except ImproperlyConfigured as error:
        yield Error(str(error), hint="Write DJANGO_WORKFLOWS = {...}.", id="django_workflows.E001")
        return
    known = ", ".join(conf.SETTINGS)
    for _, problem in problems:
        yield Error(f"DJANGO_WORKFLOWS: {problem}", hint=f"The settings are {known}.", id="django_workflows.E001")


def _naive_times() -> Iterator[CheckMessage]:
    if not django_settings.USE_TZ:
        yield Error(
            "USE_TZ is False, but the journal's instants are aware datetimes: timers would fire hours off, or fail.",
            hint="Set USE_TZ = True. TIME_ZONE may stay what it is: pages show local time as before.",
            id="django_workflows.E007",
        )


def _wrong_context() -> Iterator[CheckMessage]:
    try:
        named = conf.settings.CONTEXT
    except ImproperlyConfigured:
        return
    for each in named:
        try:
            instance_of(each)
        except ImproperlyConfigured as error:
            yield Error(
                str(error),
                hint="Write the dotted path of a class that can be made without arguments and has the methods "
                "capture() and apply(value), of which the latter returns a context manager.",
                id="django_workflows.E010",
            )


def _short_lease() -> Iterator[CheckMessage]:
    try:
        lease, turn = conf.settings.LEASE, conf.settings.TURN_TIMEOUT
    except ImproperlyConfigured:
        return
    if turn >= lease:
        yield Warning(
            f"DJANGO_WORKFLOWS: TURN_TIMEOUT ({turn:g} s) is not shorter than LEASE ({lease:g} s): a handler that runs "
            "that long is taken over by a second worker, and its work is thrown away.",
            hint=f"Set LEASE above TURN_TIMEOUT, for example to {1.5 * turn:g}, or TURN_TIMEOUT below LEASE.",
            id="django_workflows.W008",
        )
