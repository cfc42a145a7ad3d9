"""Django's Tasks on workflows: each enqueued task is a workflow of one action, ``WorkflowsBackend`` stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import WorkflowsBackend

__all__ = ["WorkflowsBackend"]


def __getattr__(name: str) -> Any:
    # Neither Django 6 nor the package need be there where nobody uses it.
    if name != "WorkflowsBackend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .backend import WorkflowsBackend

    return WorkflowsBackend
