"""Calls what users' functions leave to ``transaction.on_commit``: where it sees what they saw, each failing alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import Context
from functools import partial, wraps
from typing import Any
from uuid import UUID

from ..store.after_commit import named
from ..store.database import connection
from ..store.plain import Hook, replace_hooks
from .captured import applied
from .inside import concerning
from .interruptions import interruption

logger = logging.getLogger("django_workflows")


def keep_hooks(
    since: int, variables: Context, workflow_id: UUID, captured: str | None, about: Mapping[str, Any], what: str
) -> None:
    """Have the hooks that were registered after the first ``since`` ones called in the context ``variables``.

    What they raise is logged, since it can undo nothing; ``what`` is whose they are. In a test, which calls them within
    a transaction, it is raised as well.
    """
    replace_hooks(since, lambda hook: _kept(partial(_call, hook, workflow_id, captured), hook, variables, about, what))


def _kept(kept: Hook, hook: Hook, variables: Context, about: Mapping[str, Any], what: str) -> Hook:
    @wraps(named(hook))
    def call() -> None:
        try:
            # In a copy: a hook may leave what it likes, and the next one sees what the function left.
            variables.copy().run(kept)
        except BaseException as error:
            if interruption(error) is not None:
                raise
            logger.exception("An on_commit hook failed after its %s was committed", what, extra=about)
            if connection().in_atomic_block:
                raise

    return call


def _call(hook: Hook, workflow_id: UUID, captured: str | None) -> None:
    with concerning(workflow_id), applied(captured):
        hook()
