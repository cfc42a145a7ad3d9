"""Durable workflows for Django: long-running sequences of functions, written as plain Python."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.blocked import Blocked, BlockedReason
    from .core.context import WorkflowContext
    from .core.events import define_event
    from .core.progress import Progress
    from .core.restart_plan import FAILED, KEEP
    from .core.retry import RetryPolicy
    from .core.status import (
        Canceled,
        CanceledResult,
        Completed,
        ErrorResult,
        Failed,
        InProgress,
        RunResult,
        SuccessResult,
        WorkflowStatus,
    )
    from .engine.current import current_step, report_progress
    from .exceptions import (
        AttemptLost,
        CallbackRefused,
        ChildWorkflowCanceled,
        ChildWorkflowFailed,
        DefinitionNotFound,
        DeterminismViolation,
        DuplicateDefinition,
        EventAlreadySent,
        EventFailed,
        EventNotFound,
        EventTokenInvalid,
        HandlerStuck,
        InvalidArguments,
        InvalidDefinition,
        InvalidPayload,
        InvalidStep,
        JournalTooLarge,
        PayloadTooLarge,
        RefusedInside,
        ResultTimeout,
        RetryAfter,
        StepFailed,
        StepInterrupted,
        StepNotFound,
        StepTimeout,
        UnsupportedInHandler,
        WorkflowAlreadyRunning,
        WorkflowCanceled,
        WorkflowError,
        WorkflowFailed,
        WorkflowNotFound,
        WorkflowNotRunning,
        WorkflowStillRunning,
    )
    from .manager import WorkflowDefinition, WorkflowManager
    from .q2.recurring import schedule_workflow

__version__ = "0.1.0"

# Imported when first used: this module is imported before Django's apps are ready, and models cannot be until then.
_HOMES = {
    "core.blocked": ("Blocked", "BlockedReason"),
    "core.context": ("WorkflowContext",),
    "core.events": ("define_event",),
    "core.progress": ("Progress",),
    "core.restart_plan": ("FAILED", "KEEP"),
    "core.retry": ("RetryPolicy",),
    "core.status": (
        "Canceled",
        "CanceledResult",
        "Completed",
        "ErrorResult",
        "Failed",
        "InProgress",
        "RunResult",
        "SuccessResult",
        "WorkflowStatus",
    ),
    "engine.current": ("current_step", "report_progress"),
    "exceptions": (
        "AttemptLost",
        "CallbackRefused",
        "ChildWorkflowCanceled",
        "ChildWorkflowFailed",
        "DefinitionNotFound",
        "DeterminismViolation",
        "DuplicateDefinition",
        "EventAlreadySent",
        "EventFailed",
        "EventNotFound",
        "EventTokenInvalid",
        "HandlerStuck",
        "InvalidArguments",
        "InvalidDefinition",
        "InvalidPayload",
        "InvalidStep",
        "JournalTooLarge",
        "PayloadTooLarge",
        "RefusedInside",
        "RefusedInside",
        "ResultTimeout",
        "RetryAfter",
        "StepFailed",
        "StepInterrupted",
        "StepNotFound",
        "StepTimeout",
        "UnsupportedInHandler",
        "WorkflowAlreadyRunning",
        "WorkflowCanceled",
        "WorkflowError",
        "WorkflowFailed",
        "WorkflowNotFound",
        "WorkflowNotRunning",
        "WorkflowStillRunning",
    ),
    "manager": ("WorkflowDefinition", "WorkflowManager"),
    "q2.recurring": ("schedule_workflow",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])


__all__ = [
    "FAILED",
    "KEEP",
    "AttemptLost",
    "Blocked",
    "BlockedReason",
    "CallbackRefused",
    "Canceled",
    "CanceledResult",
    "ChildWorkflowCanceled",
    "ChildWorkflowFailed",
    "Completed",
    "DefinitionNotFound",
    "DeterminismViolation",
    "DuplicateDefinition",
    "ErrorResult",
    "EventAlreadySent",
    "EventFailed",
    "EventNotFound",
    "EventTokenInvalid",
    "Failed",
    "HandlerStuck",
    "InProgress",
    "InvalidArguments",
    "InvalidDefinition",
    "InvalidPayload",
    "InvalidStep",
    "JournalTooLarge",
    "PayloadTooLarge",
    "Progress",
    "RefusedInside",
    "ResultTimeout",
    "RetryAfter",
    "RetryPolicy",
    "RunResult",
    "StepFailed",
    "StepInterrupted",
    "StepNotFound",
    "StepTimeout",
    "SuccessResult",
    "UnsupportedInHandler",
    "WorkflowAlreadyRunning",
    "WorkflowCanceled",
    "WorkflowContext",
    "WorkflowDefinition",
    "WorkflowError",
    "WorkflowFailed",
    "WorkflowManager",
    "WorkflowNotFound",
    "WorkflowNotRunning",
    "WorkflowStatus",
    "WorkflowStillRunning",
    "current_step",
    "define_event",
    "report_progress",
    "schedule_workflow",
]
