"""The app's settings: one dict, ``DJANGO_WORKFLOWS``, which tests can override."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from .core.excerpts import preview
from .core.masking import MASK, SENSITIVE, masking_of


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.01 <= value < 10**9:
        raise ValueError("a timedelta or a number of seconds, from 0.01 to 10**9")
    return float(value)


def _optional_duration(value: Any) -> timedelta | None:
    return None if value is None else timedelta(seconds=_seconds(value))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("an int of at least 1")
    return value


def _places(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100_000:
        raise ValueError("an int from 0 to 100,000")
    return value


def _alias(value: Any) -> str:
    if not isinstance(value, str) or value not in django_settings.DATABASES:
        raise ValueError(f"a key of DATABASES ({', '.join(django_settings.DATABASES)})")
    return str(value)


def _words(value: Any) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, (list, tuple))
        or not all(isinstance(each, str) for each in value)
    ):
        raise ValueError("a list of words")
    return tuple(value)


def _token(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) < 16 or not value.isascii()):
        raise ValueError("an ASCII text of at least 16 characters, or None")
    return value


def _reset(value: Any) -> str:
    if value not in ("auto", "always"):
        raise ValueError('"auto" or "always"')
    return str(value)


def _mismatch(value: Any) -> str:
    if value == "park":
        raise ValueError('"block" or "fail" (write "block" for what "park" was)')
    if value not in ("block", "fail"):
        raise ValueError('"block" or "fail"')
    return str(value)


def _paths(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(map(_is_reference, value)):
        raise ValueError("a list of dotted paths")
    return tuple(value)


def _optional_path(value: Any) -> Any:
    if value is not None and not _is_reference(value):
        raise ValueError("a dotted path, or None")
    return value


def _is_reference(value: Any) -> bool:
    return callable(value) or (isinstance(value, str) and "." in value)


def _rates(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError('a dict of rates by scope, as {"start": "10/minute"}')
    for scope, rate in value.items():
        if scope not in THROTTLE_SCOPES or not isinstance(rate, str) or not _RATE.fullmatch(rate):
            raise ValueError(f'rates as "10/minute" for the scopes {", ".join(THROTTLE_SCOPES)}')
    return dict(value)


#: What the REST API counts requests of a client under.
THROTTLE_SCOPES = ("read", "wait", "start", "act")
_RATE = re.compile(r"\d{1,9}/(s|sec|second|m|min|minute|h|hour|d|day)")


@dataclass(frozen=True)
class Setting:
    """One key: its default, what reads a user's value (``ValueError`` says what was expected), what it means."""

    default: Any
    read: Callable[[Any], Any]
    doc: str


SETTINGS: Mapping[str, Setting] = {
    "DATABASE": Setting("default", _alias, "Alias of the database that holds the journal."),
    "LEASE": Setting(
        30, _seconds, "How long a worker may be silent before its work is given to another; it renews this as it works."
    ),
    "STALLED_AFTER": Setting(
        15, _seconds, "How long work may be due, and nobody takes any, before its queue is called stalled."
    ),
    "TURN_TIMEOUT": Setting(
        2,
        _seconds,
        "CPU time that a handler may use, in seconds, without waiting, each time it is told something new.",
    ),
    "ASYNC_ACTIONS": Setting(
        200,
        _places,
        "How many `async def` actions a worker process has in flight on its event loop; 0 runs them one at a time.",
    ),
    "ACTION_THREADS": Setting(
        8,
        _places,
        "How many other actions a worker process has in flight in threads; 0 runs them one at a time in its main one.",
    ),
    "SHUTDOWN_GRACE": Setting(
        30, _seconds, "How long a worker that stops waits for its actions in flight, before it interrupts them."
    ),
    "MAX_STEPS_PER_TURN": Setting(20_000, _count, "How many steps a handler may ask for without waiting for one."),
    "MAX_DELIVERIES": Setting(
        5, _count, "How often a workflow or step is claimed in vain (its worker died) before it is blocked or fails."
    ),
    "MAX_PAYLOAD_BYTES": Setting(
        1024 * 1024, _count, "Largest JSON of one step's arguments or result, in bytes of UTF-8."
    ),
    "MAX_JOURNAL_BYTES": Setting(
        8 * 1024 * 1024, _count, "Largest journal of one workflow, in bytes of JSON in UTF-8."
    ),
    "MAX_CHILD_DEPTH": Setting(
        100, _count, "How deep workflows may be nested: a child that would be deeper fails where it is asked for."
    ),
    "ON_MISMATCH": Setting(
        "block", _mismatch, 'What becomes of a workflow whose journal does not match its code: "block" or "fail".'
    ),
    "CONTEXT": Setting(
        (),
        _paths,
        "Classes whose `capture()` is kept at a start, and whose `apply(value)` is around all that is then run.",
    ),
    "RETENTION": Setting(
        None, _optional_duration, "How long finished workflows are kept; None keeps them until they are cleaned up."
    ),
    "DRAIN_SECONDS": Setting(
        5, _seconds, "How long a worker goes on taking work before it returns to django-q2. Well below its timeout."
    ),
    "MASKED_KEYS": Setting(
        SENSITIVE, _words, "Parts of keys whose values are hidden in logs, on pages and in what commands print."
    ),
    "METRICS_TOKEN": Setting(
        None, _token, "What a scraper of the metrics sends as its bearer token; None: only users may look."
    ),
    "BATCH_SIZE": Setting(
        16,
        _count,
        "How many workflows a worker leads side by side, sharing commits, while their steps are quick or their waits "
        "are over; 1 for none.",
    ),
    "SESSION_RESET": Setting(
        "auto",
        _reset,
        'When a database session that a step used is dropped: "auto", where the step was seen to change it; "always", '
        "after each attempt that used it, for database functions that change it unseen.",
    ),
    "LIVE_HANDLERS": Setting(
        200, _count, "How many waiting handlers a worker keeps in memory, to go on without replay."
    ),
    "API_PERMISSION_CLASSES": Setting(
        ("rest_framework.permissions.IsAuthenticated", "django_workflows.api.permissions.WorkflowPermissions"),
        _paths,
        "REST framework permission classes of every API view.",
    ),
    "API_VISIBLE": Setting(
        None,
        _optional_path,
        "Function of a request and a queryset of workflows; returns those that exist for its user. None: all of them.",
    ),
    "API_PAGE_SIZE": Setting(50, _count, "How many rows a page of the API has when the client does not say."),
    "API_MAX_PAGE_SIZE": Setting(500, _count, "How many rows of a page a client may ask for."),
    "API_MAX_BODY_BYTES": Setting(2 * 1024 * 1024, _count, "Largest body of an API request; a larger one is a 413."),
    "API_MAX_WAIT": Setting(30, _seconds, "How long a long poll (`?wait=`) waits at the most."),
    "API_MAX_WAITING": Setting(
        20, _count, "How many long polls of one process wait at a time; others are answered at once."
    ),
    "API_MAX_STREAMS": Setting(100, _count, "How many event streams one process keeps open; others are a 503."),
    "API_STREAM_SECONDS": Setting(
        600, _seconds, "How long an event stream stays open; clients come again, and are asked for permission again."
    ),
    "API_THROTTLE_RATES": Setting(
        {}, _rates, 'Rates by scope (`read`, `wait`, `start`, `act`), as {"start": "10/minute"}.'
    ),
}


def user_settings() -> Mapping[str, Any]:
    """The dict as the project wrote it; ``ImproperlyConfigured`` if it is no dict."""
    value = getattr(django_settings, "DJANGO_WORKFLOWS", {})
    if type(value) is not dict and not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"DJANGO_WORKFLOWS must be a dict, got {type(value).__name__}")
    return value


def _shown(key: str, value: Any) -> str:
    """A value in an error: short, and hidden where it is a secret."""
    return MASK if masking_of(SENSITIVE).hides(key) else preview(value)


def problems() -> Iterator[tuple[str, str]]:
    """What is wrong with the project's settings: key and a sentence for each."""
    for key, value in user_settings().items():
        setting = SETTINGS.get(key)
        if setting is None:
            near = difflib.get_close_matches(key, SETTINGS, n=1) if isinstance(key, str) else []
            yield key, f"unknown setting {preview(key)}." + (f" Did you mean {near[0]!r}?" if near else "")
            continue
        try:
            setting.read(value)
        except ValueError as error:
            yield key, f"{key} must be {error}, got {_shown(key, value)}"


class Settings:
    """``settings.LEASE`` and so on: the project's value, or the default.

    What was read is kept as an attribute until Django says that the setting has changed, as it does in tests.
    """

    def __getattr__(self, key: str) -> Any:
        setting = SETTINGS.get(key)
        if setting is None:
            raise AttributeError(key)
        value = user_settings().get(key, setting.default)
        try:
            read = setting.read(value)
        except ValueError as error:
            raise ImproperlyConfigured(f"DJANGO_WORKFLOWS[{key!r}] must be {error}, got {_shown(key, value)}") from None
        self.__dict__[key] = read
        return read

    def forget(self, *, setting: str, **kwargs: Any) -> None:
        """Read again what this one of Django's settings has to do with."""
        if setting in ("DJANGO_WORKFLOWS", "DATABASES"):
            self.__dict__.clear()


settings = Settings()
setting_changed.connect(settings.forget)
