"""The context variables in which user code runs: none but its own."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context


def own_variables() -> Context:
    """A context that knows nothing of the worker's.

    Where somebody's event loop runs in this thread, a notebook's say, asgiref keeps Django's connections in a context
    variable: that one is handed on, or each attempt would open connections that nobody closes, and wait for itself.
    """
    variables = Context()
    if asyncio._get_running_loop() is None:  # what asks in public raises, which takes longer than all the rest
        return variables
    for variable, value in copy_context().items():
        if variable.name.startswith("asgiref"):
            variables.run(variable.set, value)
    return variables
