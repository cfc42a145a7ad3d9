"""What a workflow's status and outcome look like to the code that asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from .blocked import Blocked
from .progress import Progress


@dataclass(frozen=True)
class InProgress:
    """Not ended. ``running`` names the open steps in step order.

    ``blocked`` says why the workflow is blocked: its reason, a message, and since when; ``None`` where it is not.
    ``progress`` holds what running steps reported, by step name: ``.done``, ``.total`` (``None``: not known),
    ``.message``. Several steps of one name are added up.
    """

    running: Sequence[str] = field(default_factory=list)
    blocked: Blocked | None = field(default=None, compare=False)
    progress: dict[str, Progress] = field(default_factory=dict, compare=False)
    type: ClassVar[Literal["in_progress"]] = "in_progress"


@dataclass(frozen=True)
class Completed:
    """Ended with ``result``.

    ``untaken_events`` says how many events of each name were sent to it and never taken, ``never_awaited`` names the
    steps that its function asked for and never awaited. Neither takes part in comparisons.
    """

    result: Any = None
    untaken_events: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    never_awaited: Sequence[str] = field(default_factory=list, compare=False, repr=False)
    type: ClassVar[Literal["completed"]] = "completed"


@dataclass(frozen=True)
class Failed:
    """Ended with an error: its message, and the dotted path and text of the exception's traceback.

    ``untaken_events`` as in ``Completed``.
    """

    error: str
    error_type: str = field(default="", compare=False)
    traceback: str = field(default="", compare=False, repr=False)
    untaken_events: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    type: ClassVar[Literal["failed"]] = "failed"


@dataclass(frozen=True)
class Canceled:
    """Ended because it was canceled. ``untaken_events`` as in ``Completed``.

    ``note`` says so where its function could not be run to clean up.
    """

    untaken_events: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    note: str = field(default="", compare=False)
    type: ClassVar[Literal["canceled"]] = "canceled"


WorkflowStatus = InProgress | Completed | Failed | Canceled


@dataclass(frozen=True)
class SuccessResult:
    """What ``on_complete`` gets of a workflow that completed."""

    return_value: Any
    kind: ClassVar[Literal["success"]] = "success"


@dataclass(frozen=True)
class ErrorResult:
    """What ``on_complete`` gets of a workflow that failed; ``error`` is the exception's message."""

    error: str
    error_type: str = field(default="", compare=False)
    kind: ClassVar[Literal["error"]] = "error"


@dataclass(frozen=True)
class CanceledResult:
    """What ``on_complete`` gets of a workflow that was canceled."""

    kind: ClassVar[Literal["canceled"]] = "canceled"


RunResult = SuccessResult | ErrorResult | CanceledResult
