"""Turns what a handler asks for into entries of its journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from ..conf import settings
from ..core.commands import Ask, StepOptions
from ..core.definitions import Definition
from ..core.durations import to_seconds
from ..core.entries import NewStep, NewWorkflow
from ..core.journal import FUNCTION_KINDS, ClaimedStep, Failure, Lane, StepKind, StepState, WorkflowRecord
from ..core.outcomes import failure_of
from ..core.retry import dotted_path
from ..core.signatures import Signature
from ..exceptions import NestedTooDeep
from ..models import uuid7
from ..store import events as event_store
from .dispatch import queue_name


def new_step(ask: Ask, workflow: WorkflowRecord, definition: Definition[Any, Any]) -> NewStep:
    """The entry of a step: queued for a worker if it runs a function, waiting if it waits."""
    options = ask.options
    new = NewStep(
        number=ask.number,
        kind=ask.kind,
        name=ask.name,
        args=ask.args,
        state=StepState.WAITING,
        delay=ask.delay,
        run_at=ask.run_at,
        queue=workflow.queue if options.queue is None else queue_name(options.queue),
        priority=workflow.priority if options.priority is None else options.priority,
    )
    if ask.kind in FUNCTION_KINDS:
        new.state = StepState.QUEUED
        new.function = dotted_path(ask.function)
        new.options = _options_text(ask.options, definition, ask.kind == StepKind.ACTION)
        new.pool = definition.pool
        new.lane = lane_of(ask.function, ask.kind, ask.options.exclusive)
    elif ask.kind == StepKind.EVENT:
        new.function = event_store.function_of(ask.function, ask.event_id)
        new.options = json.dumps({"event": ask.event}) if ask.event else "{}"
    elif ask.kind == StepKind.WORKFLOW:
        new.function = ask.function.name
        # The delay is the child's; its parent's step only waits for it.
        new.delay = new.run_at = None
    elif ask.kind == StepKind.CREATE_EVENT:
        new.options = json.dumps({"event": ask.event}) if ask.event else "{}"
    elif ask.kind == StepKind.PATCH:
        new.state, new.result = StepState.COMPLETED, "true"
    return new


def lane_of(function: Callable[..., Any], kind: str, exclusive: bool) -> Lane:
    """Where a step runs; ``exclusive``: with nothing beside it."""
    if kind != StepKind.ACTION or exclusive:
        return Lane.MAIN
    return Lane.ASYNC if Signature.of(function).is_coroutine else Lane.THREAD


class _Latest:
    """The text that was made last, and of what: a handler's steps mostly have the same options as the one before."""

    made: tuple[StepOptions | None, Definition[Any, Any] | None, bool, str] = (None, None, False, "")


def _options_text(options: StepOptions, definition: Definition[Any, Any], action: bool) -> str:
    latest = _Latest.made
    if latest[0] is options and latest[1] is definition and latest[2] == action:
        return latest[3]
    stored = _stored_options(options, definition, action)
    text = json.dumps(stored) if stored else "{}"
    _Latest.made = (options, definition, action, text)
    return text


def _stored_options(options: StepOptions, definition: Definition[Any, Any], action: bool) -> dict[str, Any]:
    """What whoever runs the step must know of its options."""
    stored: dict[str, Any] = {}
    policy = definition.retry_policy(options, action=action)
    if policy is not None:
        stored["retry"] = policy.to_json()
    if options.timeout is not None:
        stored["timeout"] = to_seconds(options.timeout, what="timeout")
    for flag in ("inline", "unstable_args", "exclusive"):
        if getattr(options, flag):
            stored[flag] = True
    return stored


_read = lru_cache(maxsize=256)(json.loads)


def new_child(ask: Ask, parent: WorkflowRecord) -> NewWorkflow:
    """The child workflow that a step runs. Queue and priority: the step's, else the child's own, else the parent's."""
    child, options = ask.function, ask.options
    queue, priority = options.queue, options.priority
    return NewWorkflow(
        id=uuid7(),
        name=child.name,
        args=ask.args,
        queue=queue_name(queue if queue is not None else child.queue or parent.queue),
        priority=priority if priority is not None else child.priority or parent.priority,
        parent=parent.id,
        parent_step=ask.number,
        depth=parent.depth + 1,
        delay=ask.delay,
        run_at=ask.run_at,
        trace=parent.trace,
        captured=parent.captured,
    )


def is_too_deep(ask: Ask, parent: WorkflowRecord) -> bool:
    """Whether it is a child below ``MAX_CHILD_DEPTH``."""
    return ask.kind == StepKind.WORKFLOW and parent.depth >= settings.MAX_CHILD_DEPTH


def too_deep(ask: Ask, parent: WorkflowRecord) -> Failure:
    """Why there is no such child."""
    return failure_of(
        NestedTooDeep(
            f"{ask.name} would be {parent.depth + 1} workflows below the top, and MAX_CHILD_DEPTH is "
            f"{settings.MAX_CHILD_DEPTH}. Does it run itself as its child, without an end? A loop that goes on for "
            "ever is step.continue_as_new."
        )
    )


def claimed_step(new: NewStep, workflow: WorkflowRecord, at: datetime) -> ClaimedStep:
    """The first attempt of a new step, which the worker that stores it runs itself."""
    return ClaimedStep(
        workflow_id=workflow.id,
        generation=workflow.generation,
        workflow_name=workflow.name,
        number=new.number,
        kind=new.kind,
        name=new.name,
        function=new.function,
        args=new.args,
        options=_read(new.options),
        attempt=1,
        failures=[],
        queued_at=at,
        started_at=at,
        queue=new.queue,
        pool=new.pool,
        continuations=workflow.continuations,
        trace=workflow.trace,
        captured=workflow.captured,
        lane=new.lane,
    )
