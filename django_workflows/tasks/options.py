"""What ``OPTIONS`` of a task backend may say."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..core.commands import StepOptions
from ..core.durations import Duration, to_seconds
from ..core.retry import RetryPolicy
from ..exceptions import InvalidStep

_POLICY = tuple(each.name for each in fields(RetryPolicy))


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """``OPTIONS``, read.

    ``retry``: how a task that failed is tried again: ``True`` for the default policy, a ``RetryPolicy``, or a dict of
    its arguments; without it a task is not tried again. ``timeout``: how long one attempt may take, seconds or
    timedelta. ``retain_for``: how long a task is kept once it has ended, seconds or timedelta.
    """

    retry: bool | RetryPolicy | None = None
    timeout: Duration | None = None
    retain_for: Duration | None = None

    def for_step(self) -> StepOptions:
        """The options of the task's step."""
        return StepOptions(retry=self.retry, timeout=self.timeout)


def read_options(options: Mapping[str, Any]) -> TaskOptions:
    """What can be read of ``OPTIONS``; the rest is as if it were not there, and ``problems`` says so."""
    found: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name in options:
            try:
                found[name] = read(options[name])
            except (InvalidStep, TypeError):
                continue
    return TaskOptions(**found)


def problems(options: object) -> Iterator[tuple[str, str]]:
    """What is wrong with ``OPTIONS``, and what to do, as a check says it."""
    if not isinstance(options, Mapping):
        yield f"OPTIONS must be a dict, got {options!r:.120}", 'Write "OPTIONS": {...}, or leave it out.'
        return
    for name, value in options.items():
        read = _READERS.get(name)
        if read is None:
            near = difflib.get_close_matches(str(name), _READERS, n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            yield f"unknown option {name!r:.120}", f"{meant}The options are {', '.join(_READERS)}."
            continue
        try:
            read(value)
        except (InvalidStep, TypeError) as error:
            yield f"option {name!r}: {error}", _HINTS[name]


def _retry(value: Any) -> bool | RetryPolicy | None:
    if value is None or isinstance(value, (bool, RetryPolicy)):
        return value
    if not isinstance(value, Mapping):
        raise InvalidStep(f"True, False, a dict or a RetryPolicy is needed, got {value!r:.120}")
    unknown = [name for name in value if name not in _POLICY]
    if unknown:
        raise InvalidStep(f"unknown key {unknown[0]!r:.120}; there are {', '.join(_POLICY)}")
    return RetryPolicy(**value)


def _timeout(value: Any) -> Duration | None:
    if value is not None and to_seconds(value, what="timeout") == 0:
        raise InvalidStep("timeout must be longer than 0 seconds")
    return value  # type: ignore[no-any-return]


def _retain_for(value: Any) -> Duration | None:
    if value is not None:
        to_seconds(value, what="retain_for")
    return value  # type: ignore[no-any-return]


_READERS: dict[str, Callable[[Any], Any]] = {"retry": _retry, "timeout": _timeout, "retain_for": _retain_for}
_HINTS = {
    "retry": 'Write "retry": {"max_attempts": 3} for example, or True for the default policy.',
    "timeout": 'Write "timeout": 60 for example: the seconds that one attempt may take, or a timedelta.',
    "retain_for": 'Write "retain_for": 604800 for example: seconds for which a task is kept once it has ended, or a '
    "timedelta.",
}
