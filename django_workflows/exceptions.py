"""Every error that a user of django_workflows can meet; all derive from ``WorkflowError``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any


class WorkflowError(Exception):
    """The base of all errors of this package."""


# -- definitions and arguments: raised to whoever wrote or called the code


class InvalidDefinition(WorkflowError):
    """A workflow definition that cannot work: not an ``async def``, a bad name, a wrong option."""


class DuplicateDefinition(InvalidDefinition):
    """Two definitions claim one name."""


class DefinitionNotFound(WorkflowError):
    """No definition of that name is registered in this process."""


class InvalidStep(WorkflowError):
    """A step that cannot be journaled: a lambda, closure or method, or options that exclude each other."""


class InvalidArguments(WorkflowError):
    """Arguments that do not fit the annotations. ``errors`` lists them: ``loc``, ``msg``, ``type``."""

    def __init__(self, message: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.errors = list(errors)


class InvalidPayload(WorkflowError):
    """A value that cannot be stored as JSON and come back the same."""


class PayloadTooLarge(InvalidPayload):
    """A value whose JSON is larger than ``MAX_PAYLOAD_BYTES``."""


class JournalTooLarge(InvalidPayload):
    """A journal that grew beyond ``MAX_JOURNAL_BYTES``."""


# -- asking for what is not there, or not possible in this state


class WorkflowNotFound(WorkflowError):
    """No workflow has that id."""


class WorkflowNotRunning(WorkflowError):
    """The workflow has ended, so it can be neither canceled nor sent an event."""


class WorkflowImported(WorkflowNotRunning):
    """The workflow was imported from a history: it can be looked at, replayed and cleaned up, but not run."""


class WorkflowStillRunning(WorkflowError):
    """The workflow has not ended, so it can be neither restarted nor cleaned up."""


class WorkflowAlreadyRunning(WorkflowError):
    """A workflow of this definition and key is running, and another was not asked for."""


class NothingToRunAgain(WorkflowError):
    """The ``on_complete`` of a workflow is to be run again, but it has not failed."""


class StepNotFound(WorkflowError):
    """The workflow has no step of that number, name or function."""


class EventNotFound(WorkflowError):
    """No event has that id."""


class EventAlreadySent(WorkflowError):
    """The event of that id has been sent before."""


class EventTokenInvalid(WorkflowError):
    """A token that sends no event: malformed, unknown, replaced, used or expired. Which of these is not told."""


class CallbackRefused(WorkflowError):
    """An ``on_complete`` that is in the database, but which no code asked for."""


class WorkflowFailed(WorkflowError):
    """``result()`` of a workflow that failed; ``error_type`` is the dotted path of what it raised."""

    def __init__(self, message: str, error_type: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.traceback = traceback


class CleanupSkipped(WorkflowError):
    """A blocked workflow was canceled, and its function could not be run to clean up."""


class WorkflowCanceled(WorkflowError):
    """``result()`` of a workflow that was canceled."""


class ResultTimeout(WorkflowError, TimeoutError):
    """``result(timeout=...)`` waited that long and the workflow is still running."""


# -- raised in a handler, where it waits


class StepFailed(WorkflowError):
    """A step failed for good.

    ``message`` and ``error_type`` (a dotted path) are those of the last attempt's exception, ``traceback`` is its
    text, ``attempts`` how many there were, ``step`` is the step's name. ``error_bases`` holds the dotted paths of its
    whole class hierarchy.
    """

    def __init__(
        self,
        message: str,
        *,
        error_type: str = "",
        error_bases: Sequence[str] = (),
        traceback: str = "",
        attempts: int = 1,
        step: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.error_bases = tuple(error_bases)
        self.traceback = traceback
        self.attempts = attempts
        self.step = step

    def caused_by(self, *exception_types: type[BaseException]) -> bool:
        """Whether the step's exception was an instance of one of ``exception_types``."""
        wanted = {f"{cls.__module__}.{cls.__qualname__}" for cls in exception_types}
        return not wanted.isdisjoint((self.error_type, *self.error_bases))


class ChildWorkflowFailed(StepFailed):
    """A child workflow failed."""


class ChildWorkflowCanceled(StepFailed):
    """A child workflow was canceled by someone other than its parent."""


class EventFailed(StepFailed):
    """The event that was waited for was sent with an error."""


class AttemptLost(WorkflowError):
    """The worker that ran this attempt died or went silent; whether the attempt had an effect is unknown."""


class StepInterrupted(StepFailed):
    """The worker that ran this attempt was stopped, and did not wait for it any longer."""


class RetryAfter(WorkflowError):
    """Raised by a step's function: retry it in ``seconds`` (a number or a timedelta), whatever the policy's backoff is.

    The policy still says how many attempts there are, and without one there is no other. Raises ``ValueError`` for what
    is no length of time.
    """

    def __init__(self, seconds: float | timedelta, message: str = "") -> None:
        given = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < 10**9:
            raise ValueError(
                f"RetryAfter: a timedelta or a number of seconds from 0 to 10**9 is needed, got {seconds!r}"
            )
        super().__init__(message or f"retry after {given:g} s")
        self.retry_after = float(given)


class StepTimeout(WorkflowError, TimeoutError):
    """An attempt ran longer than its ``timeout``."""


# -- about the handler itself


class ContinueAsNew(BaseException):
    """How ``step.continue_as_new`` leaves the handler; no ``Exception``, so that ``except Exception`` lets it pass."""

    def __init__(self, arguments: str) -> None:
        super().__init__(arguments)
        self.arguments = arguments


class NestedTooDeep(WorkflowError):
    """A child workflow that would be deeper below the top than ``MAX_CHILD_DEPTH`` allows."""


class HandlerStuck(WorkflowError):
    """A handler that does not wait: it ran past the limit of time or of steps for one turn."""


class UnsupportedInHandler(WorkflowError):
    """The handler asked its event loop for something that cannot be replayed: a socket, a thread, the ORM."""


class RefusedInside(WorkflowError):
    """A verb that cannot work where it was called: in a query, or waiting for the very workflow that waits for it."""


class DeterminismViolation(WorkflowError):
    """The handler asked for something else than its journal recorded.

    ``number`` is the step where they part; ``recorded`` and ``asked`` describe both sides (``None``: nothing there).
    """

    def __init__(self, number: int, recorded: str | None, asked: str | None) -> None:
        self.number = number
        self.recorded = recorded
        self.asked = asked
        super().__init__(
            f"step {number}: the journal recorded {recorded or 'nothing'}, the code asks for {asked or 'nothing'}. "
            "The code changed under a running workflow: deploy code that matches the journal, guard the change with "
            "step.patched(), or restart the workflow from an earlier step."
        )
