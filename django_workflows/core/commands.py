"""What a handler asks for in one turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..exceptions import InvalidStep
from .durations import Duration, aware, to_seconds
from .journal import Failure, StepKind
from .retry import RetryPolicy

#: PostgreSQL's smallint, and far more levels than anyone tells apart.
PRIORITIES = range(-100, 101)


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What ``with_options`` may say of a step; ``None`` means: as the workflow or manager has it."""

    retry: bool | RetryPolicy | None = None
    run_after: Duration | None = None
    run_at: datetime | None = None
    name: str | None = None
    timeout: Duration | None = None
    inline: bool = False
    unstable_args: bool = False
    queue: str | None = None
    priority: int | None = None
    exclusive: bool = False

    def derive(self, **changes: Any) -> StepOptions:
        """A copy with ``changes``; ``InvalidStep`` for an unknown option, a bad value, or options at odds."""
        unknown = changes.keys() - self.__slots__
        if unknown:
            raise InvalidStep(f"with_options: unknown option {min(unknown)!r}; there are {', '.join(self.__slots__)}")
        if "run_after" in changes and "run_at" not in changes:
            changes["run_at"] = None
        elif "run_at" in changes and "run_after" not in changes:
            changes["run_after"] = None
        derived = replace(self, **changes)
        derived.check()
        return derived

    def check(self) -> None:
        """Raise ``InvalidStep`` when these options make no sense."""
        self._check_times()
        self._check_inline()
        if self.retry is not None and not isinstance(self.retry, (bool, RetryPolicy)):
            raise InvalidStep(f"retry must be True, False or a RetryPolicy, got {self.retry!r}")
        if self.name is not None:
            check_name(self.name, what="name")
        if self.queue is not None:
            check_name(self.queue, what="queue")
        if self.priority is not None:
            check_priority(self.priority)

    def _check_times(self) -> None:
        if self.run_after is not None and self.run_at is not None:
            raise InvalidStep("run_after and run_at exclude each other")
        if self.run_after is not None:
            to_seconds(self.run_after, what="run_after")
        if self.run_at is not None:
            aware(self.run_at, what="run_at")
        if self.timeout is not None and to_seconds(self.timeout, what="timeout") == 0:
            raise InvalidStep("timeout must be longer than 0 seconds")

    def _check_inline(self) -> None:
        if self.inline and (self.run_after is not None or self.run_at is not None):
            raise InvalidStep("inline steps run in the turn itself, so they take neither run_after nor run_at")
        if not isinstance(self.exclusive, bool):
            raise InvalidStep(f"exclusive must be True or False, got {self.exclusive!r}")
        if self.inline and self.exclusive:
            raise InvalidStep("inline steps run in the turn itself, beside whatever is in flight: not exclusive")
        if self.inline and self.retry:
            raise InvalidStep("inline steps run in the turn itself, which cannot wait to try them again: no retry")


def check_priority(priority: object) -> None:
    """``InvalidStep`` unless it is an int from -100 to 100."""
    if isinstance(priority, bool) or not isinstance(priority, int) or priority not in PRIORITIES:
        raise InvalidStep(f"priority must be an int from -100 to 100, got {priority!r}")


def check_name(name: object, *, what: str) -> str:
    """``name``; ``InvalidStep`` unless it is 1 to 200 printable characters."""
    if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable():
        raise InvalidStep(f"{what}: 1 to 200 printable characters are needed, got {name!r:.250}")
    return name


@dataclass(slots=True)
class Ask:
    """A step that the handler asked for and the journal does not have yet.

    ``function`` is what runs it: a user's function, or the definition of a child. ``args`` is JSON text. ``delay``
    (seconds) or ``run_at`` say when it may begin, or when a wait is over.
    """

    number: int
    kind: StepKind
    name: str
    args: str
    function: Any = None
    options: StepOptions = StepOptions()
    delay: float | None = None
    run_at: datetime | None = None
    event_id: str | None = None
    #: Where the event that it waits for, or makes, was defined; "" for a plain name or an id.
    event: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned ``value``."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised ``error`` and did not catch it."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The handler ended because it was canceled."""


Ending = Succeeded | Raised | Withdrawn


@dataclass(slots=True)
class Requests:
    """All that a handler asked for since it was last looked at; ``dropped`` are numbers of steps it gave up."""

    asks: Sequence[Ask] = ()
    dropped: Sequence[int] = ()
    ending: Ending | None = None


@dataclass(slots=True)
class Outcome:
    """How a step ended, ready to be handed to the handler.

    ``value`` is the decoded result where it is at hand; otherwise it is decoded from the text. ``final``: whatever the
    policy of retries says, the function is not called again. ``retry_after`` is in how many seconds it asked to be.
    """

    number: int
    result: str | None = None
    error: Failure | None = None
    value: Any = field(default=None)
    has_value: bool = False
    final: bool = False
    retry_after: float | None = None


Decode = Callable[[str], Any]
