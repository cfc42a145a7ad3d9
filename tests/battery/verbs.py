"""Every verb of the engine, on workflows of several shapes: what leads up to it, and how it is tried again."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from django_workflows import WorkflowError
from django_workflows.engine import start as start_module
from django_workflows.engine.cleanup import cleanup_expired
from django_workflows.engine.drain import drain
from django_workflows.engine.histories import read_history
from django_workflows.engine.imports import import_history
from django_workflows.engine.pools import free_all_places
from django_workflows.engine.recover import recover
from django_workflows.engine.rerun_on_complete import rerun_on_complete
from django_workflows.engine.worker import Worker, give_back
from django_workflows.models import Event, Workflow
from django_workflows.q2.recurring import start_scheduled
from django_workflows.store import attempts, workers
from tests.app.models import Effect
from tests.app.workflows import tries_a_mutation, tries_an_inline_mutation
from tests.battery.batches import killed, lead, lead_and_be_relieved, notice, parallel, several
from tests.engine.driver import advance, claim, run
from tests.races.flows import note_end, told, told_limited, workflow

SHAPES = {
    "one": ["mutation"],
    "sequence": ["mutation", "action", "query", "inline", "retried"],
    "side by side": ["side by side", "mutation"],
    "children": ["brief child", "child"],
    "waits": ["sleep", "event", "made"],
    "race": ["first"],
    "given up": ["fast", "mutation"],
    "anew": ["mutation", "anew", "action", "anew", "mutation"],
}
#: Shapes whose outcome is one of several.
RACES = {"race", "given up"}
WATCHED: dict[str, Any] = {"on_complete": note_end, "context": {"k": [1]}, "idempotency_key": "one"}


@dataclass(frozen=True)
class Verb:
    """``prepare`` leads up to it, undisturbed; ``act`` is the verb; ``again`` what somebody does who had no answer."""

    name: str
    prepare: Callable[[], Any]
    act: Callable[[Any], Any]
    again: Callable[[Any], Any] | None = None
    #: Whether the outcome does not depend on who is faster.
    exact: bool = True

    def __str__(self) -> str:
        return self.name


def begin(words: list[str], *, careful: bool = False, limited: bool = False, **options: Any) -> UUID:
    definition = told_limited if limited else told
    return definition.with_options(**{**WATCHED, **options}).start(words, careful)


def begun(words: list[str], pieces: int = 0, **options: Any) -> UUID:
    """Started, and worked on until nothing is due, or for some pieces of work."""
    workflow_id = begin(words, **options)
    left = iter(range(pieces))
    drain(Worker(), stop=(lambda: next(left, None) is None) if pieces else lambda: False)
    return workflow_id


def ended(words: list[str], **options: Any) -> UUID:
    workflow_id = begun(words, **options)
    for _ in range(20):
        if workflow.status(workflow_id).type != "in_progress":
            return workflow_id
        advance(60)
        run()
    raise AssertionError("it does not end by itself")


def work(_: Any = None) -> None:
    drain(Worker(), seconds=20)


def patiently(act: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Again, where it may have happened: then the engine says that it has."""

    def again(context: Any) -> None:
        with suppress(WorkflowError):
            act(context)

    return again


def client(name: str, prepare: Callable[[], Any], act: Callable[[Any], Any], *, exact: bool = True) -> Verb:
    return Verb(name, prepare, act, patiently(act), exact)


def at_once(_: Any) -> None:
    with transaction.atomic():
        Effect.objects.get_or_create(key="the caller's own")
        begin(SHAPES["sequence"], start_async=False)


def made(words: list[str]) -> Any:
    workflow_id = begun(words)
    return Event.objects.get(workflow=workflow_id, state="created").id


def token(words: list[str]) -> str:
    return workflow.create_event_token(made(words), expires_in=3600)


def silent() -> str:
    """A worker that took the step that is retried, and is gone."""
    begun(["side by side", "mutation"], pieces=1)
    workers.beat("gone:1:1:here:x", "here", 1, "worker", "", "")
    step = claim("gone:1:1:here:x")
    assert step is not None
    if not step.options:
        # Both actions are due at one instant: which of them is first is left to chance.
        attempts.release(step.attempt_id, 0.0)
        step = claim("gone:1:1:here:x")
    assert step is not None
    assert "retry" in step.options
    return "gone:1:1:here:x"


def expired() -> None:
    for index in range(3):
        ended(["mutation", "brief child"], retain_for=timedelta(seconds=1), idempotency_key=f"k{index}")
    advance(5)


def scheduled(_: Any = None) -> None:
    start_scheduled(told.name, '{"words":["mutation"]}', "nightly", "skip", "2026-01-01")


def failing_over() -> UUID:
    """A step in back-off, and one that waits for its turn."""
    return begun(["retried", "mutation"])


def crowd() -> UUID:
    return begun(["side by side", "side by side"], pieces=1, limited=True)


def send(this: UUID) -> None:
    workflow.send_event(this, "go", 7)


def send_if_it_was_not(this: UUID) -> None:
    """By name every sending is an event of its own: who had no answer looks first."""
    if not Event.objects.filter(name="go").exists():
        send(this)


def create(this: UUID) -> None:
    workflow.create_event(this, "ahead")


def create_if_it_was_not(this: UUID) -> None:
    if not Event.objects.filter(name="ahead").exists():
        create(this)


def start_many(_: Any) -> None:
    told.start_many([(["mutation"],), (["event"],), (["action"],)], idempotency_keys=["a", "b", "c"])


def failed_at_its_end() -> UUID:
    """Its callback failed, and would not now."""
    workflow_id = ended(["mutation"])
    Effect.objects.filter(value__startswith="end").delete()
    Workflow.objects.update(on_complete_error='{"type":"E","message":"m"}')
    return workflow_id


def forget_the_last_start() -> None:
    start_module._Latest.at = -math.inf


def taken_out() -> Any:
    """The history of a workflow that is here no more."""
    workflow_id = ended(["mutation", "brief child"])
    history = read_history(workflow_id)
    workflow.cleanup(workflow_id)
    return history


CLIENTS = [
    *(
        client(f"start: {name}", lambda: None, lambda _, words=words: begin(words), exact=name not in RACES)
        for name, words in SHAPES.items()
    ),
    client("start after a while", forget_the_last_start, lambda _: begin(["mutation"])),
    Verb("start at once", lambda: None, at_once, at_once),
    client("start with a key", lambda: None, lambda _: begin(["mutation"], key="only one")),
    client("start later", lambda: None, lambda _: begin(["mutation"], run_after=100)),
    client("start by schedule", lambda: None, scheduled),
    Verb("send to a wait", lambda: begun(["event", "mutation"]), send, send_if_it_was_not),
    Verb("send to a race", lambda: begun(["first"], pieces=1), send, send_if_it_was_not, exact=False),
    client("send by id", lambda: made(["made"]), lambda this: workflow.send_event(event_id=this, value=7)),
    client("send by token", lambda: token(["made"]), lambda text: workflow.send_event_by_token(text, 7)),
    client("cancel", lambda: begun(["mutation", "event"]), workflow.cancel),
    client("cancel a careful one", lambda: begun(["event"], careful=True), workflow.cancel),
    client("cancel a tree", lambda: begun(["child"]), workflow.cancel),
    client("cancel before it began", lambda: begin(["mutation"]), workflow.cancel),
    client("cancel by force", lambda: begun(["child"], careful=True), lambda this: workflow.cancel(this, force=True)),
    client("cancel with places", crowd, workflow.cancel),
    client("restart", lambda: ended(SHAPES["sequence"]), workflow.restart),
    client("restart from a step", lambda: ended(SHAPES["sequence"]), lambda this: workflow.restart(this, 2)),
    client("restart a tree", lambda: ended(["brief child", "mutation"]), lambda this: workflow.restart(this, 0)),
    client("clean up", lambda: ended(["brief child", "mutation"]), workflow.cleanup),
    Verb("clean up what has expired", expired, lambda _: cleanup_expired(), lambda _: cleanup_expired()),
    client("retry now", failing_over, workflow.retry_now),
    client("create a token", lambda: made(["made"]), lambda this: workflow.create_event_token(this, expires_in=60)),
    Verb("create an event", lambda: begun(["event"]), create, create_if_it_was_not),
    client("start many", lambda: None, start_many),
    client("import a history", taken_out, import_history),
    client("run on_complete again", failed_at_its_end, rerun_on_complete),
    Verb("recover", silent, lambda _: recover(thorough=True), lambda _: recover(thorough=True)),
    Verb("give back", silent, give_back, give_back),
    Verb("free all places", crowd, lambda _: free_all_places(), lambda _: free_all_places()),
]

WORKERS = [
    *(
        Verb(f"work: {name}", lambda words=words: begin(words), work, exact=name not in RACES)
        for name, words in SHAPES.items()
    ),
    Verb("work: places", lambda: begin(["side by side", "mutation"], limited=True), work),
    Verb("work: a mutation that fails", lambda: tries_a_mutation.with_options(**WATCHED).start("k"), work),
    Verb("work: an inline one that fails", lambda: tries_an_inline_mutation.with_options(**WATCHED).start("k"), work),
    Verb("work: careful end", lambda: workflow.cancel(begun(["event"], careful=True)), work),
    Verb("work: a timer", lambda: (begun(["sleep", "mutation"]), advance(11)), work),
    Verb("work: a timeout", lambda: (begun(["event or not", "mutation"]), advance(51)), work),
    Verb("work: another attempt", lambda: (failing_over(), advance(6)), work),
    Verb("work: a lost attempt", lambda: (silent(), advance(31)), work),
    Verb("work: an event", lambda: workflow.send_event(begun(["event", "mutation"]), "go", 7), work),
    Verb("work: after a restart", lambda: workflow.restart(ended(SHAPES["sequence"]), 1), work),
    Verb("work: a child's end", lambda: begun(["brief child", "mutation"], pieces=2), work),
]
BATCHES = [
    Verb("batch: quick ones", lambda: several(["action", "query", "action"]), lead, notice),
    Verb("batch: of every kind", lambda: several(["action", "mutation", "inline", "brief child"]), lead, notice),
    Verb("batch: of inline ones", lambda: several(["inline", "inline", "action", "inline"], 3), lead, notice),
    Verb("batch: that fail", lambda: several(["retried", "action"]), lead, notice),
    Verb("batch: that wait", lambda: several(["action", "event", "query"]), lead, notice),
    Verb("batch: anew", lambda: several(["action", "anew", "action"]), lead, notice),
    Verb("batch: steps of a few", parallel, lead, notice),
    Verb("batch: one that is slow", lambda: several(["action", "action", "query"], 4), lead_and_be_relieved, notice),
    Verb("batch: give back of one killed", killed, give_back, give_back),
]
VERBS = [*CLIENTS, *WORKERS, *BATCHES]
assert len({verb.name for verb in VERBS}) == len(VERBS)
