"""Replays stored journals, as a worker of tomorrow would, and compares what comes out with what was stored."""

from __future__ import annotations

import json
from uuid import UUID

from django_workflows.core.commands import Raised, Succeeded
from django_workflows.core.registry import registry
from django_workflows.core.replay import Replay
from django_workflows.engine.captured import surroundings
from django_workflows.engine.live import limits
from django_workflows.models import Workflow
from django_workflows.store import journals

#: Ends that the engine decided on without, or against, the handler.
NOT_THE_HANDLERS = ("HandlerStuck", "JournalTooLarge", "DeterminismViolation", "InvalidPayload", "PayloadTooLarge")


def assert_all_replay() -> None:
    """Every finished workflow asks for the same, and ends the same, when its journal is replayed once more."""
    for workflow in Workflow.objects.exclude(state="in_progress"):
        assert_replays(workflow)


def assert_replays(workflow: Workflow) -> None:
    definition = registry.get(workflow.name)
    assert workflow.due_at is None, "what has ended is never due"
    assert not workflow.steps.filter(due_at__isnull=False).exists(), "no step of it is due"
    assert [step.number for step in workflow.steps.order_by("number")] == list(range(workflow.steps.count()))
    error_type = json.loads(workflow.error)["type"].rpartition(".")[2] if workflow.error else ""
    if definition is None or error_type in NOT_THE_HANDLERS or workflow.started_at is None:
        return
    if workflow.reopened:
        return  # canceled by force before the turn of a restart: its journal has not what that would have asked for
    replay = Replay(
        definition,
        UUID(str(workflow.id)),
        workflow.args,
        workflow.started_at,
        limits(),
        continuations=workflow.continuations,
        logic=workflow.logic,
        scheduled_for=workflow.scheduled_for,
        surroundings=surroundings(workflow.captured),
    )
    try:
        replay.catch_up(journals.load(workflow.id), canceled_at=workflow.canceled_at_delivery)
        ending, requests = replay.ending(), replay.take()
        assert not requests.asks, f"{workflow.name} asks for {requests.asks}, which its journal does not have"
        if workflow.state == "completed":
            assert isinstance(ending, Succeeded), f"{workflow.name} completed, and its replay is {ending}"
            codec = definition.signature.result
            assert codec.encode_checked(ending.value, what="replayed result", max_bytes=10**9)[0] == workflow.result
        elif workflow.state == "failed" and error_type != "CancelledError":
            assert isinstance(ending, Raised), f"{workflow.name} failed, and its replay is {ending}"
    finally:
        replay.close()
