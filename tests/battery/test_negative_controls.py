"""The battery has teeth: each safeguard, taken away, is missed by one of its checks.

Conditions are taken out of the SQL itself, on its way to the database, so that it does not matter where they are made.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection

from django_workflows import Completed
from django_workflows.engine import run_step as run_step_module
from django_workflows.engine.run_step import run_step
from django_workflows.models import Workflow
from django_workflows.store import events as event_store
from tests.app.models import Effect
from tests.battery.ending import bring_to_an_end
from tests.battery.observation import observed, start_over
from tests.battery.test_crashes import deaths, lived
from tests.battery.verbs import Verb, begin, work
from tests.engine.conftest import Elsewhere
from tests.engine.driver import advance, become_another_process, claim, run
from tests.races.flows import workflow
from tests.races.invariants import check
from tests.waiting import PATIENCE

WORKFLOW = "django_workflows_workflow"


# -- checks: each raises AssertionError where a promise is broken


def effects_are_exactly_once() -> None:
    verb = Verb("one", lambda: begin(["mutation"]), work)
    places = deaths(lived(verb))
    for at, before in places:
        lived(verb, at=at, before=before)
        bring_to_an_end()
        observed()


def a_late_attempt_is_dropped() -> None:
    """One that froze longer than its lease, and comes back while another runs."""
    workflow_id = begin(["retried"])
    run()
    advance(6)
    late = claim("frozen")
    assert late is not None
    become_another_process()
    advance(31)
    taken_over = claim("another")
    assert taken_over is not None
    run_step(late, None)
    step = workflow.steps(workflow_id).get()
    assert (step.state, step.attempt) == ("running", taken_over.attempt), "the late one was taken for the other"


def a_result_of_before_the_restart_is_dropped() -> None:
    workflow_id = begin(["action", "event"], run_after=0)
    late = None
    while late is None:
        run_one_turn()
        late = claim("frozen") or late
    workflow.cancel(workflow_id, force=True)
    workflow.restart(workflow_id)
    become_another_process()
    advance(0.01)
    again = claim("another")
    assert again is not None
    assert again.attempt == late.attempt, "only the generation tells them apart"
    run_step(late, None)
    assert workflow.steps(workflow_id).first().state == "running", "what was before the restart was taken for after it"


def run_one_turn() -> None:
    """A turn, by a worker of another queue's: the step that it asks for is left to others."""
    from django_workflows.engine.advance import take_turn
    from django_workflows.store import workflows

    record = workflows.claim_turn("", "x")
    assert record is not None
    take_turn(record.id, record.generation, None)


def a_key_starts_one_workflow() -> None:
    for _ in range(2):
        begin(["mutation"])
    assert Workflow.objects.count() == 1, "two of one key"


def whoever_died_is_replaced() -> None:
    effects_are_exactly_once()


def an_event_finds_its_wait() -> None:
    """Sent while the handler asks for it, in another transaction that has not committed."""
    workflow_id = begin(["event"])
    looked, asked = threading.Event(), threading.Event()
    waiting_step = event_store.waiting_step

    def slow(*args: Any) -> int | None:
        found = waiting_step(*args)
        looked.set()
        asked.wait(timeout=5)  # in vain where the row is locked
        return found

    def send() -> None:
        event_store.waiting_step = slow
        workflow.send_event(workflow_id, "go", 7)

    def ask() -> None:
        looked.wait(timeout=PATIENCE)
        run()
        asked.set()

    try:
        Elsewhere().together([guarded(send), guarded(ask)])
    finally:
        event_store.waiting_step = waiting_step
    check()
    run()
    assert workflow.status(workflow_id) == Completed([7]), "the event and its wait have missed each other"


# -- safeguards, and how each is taken away


@contextmanager
def rewritten(pattern: str, by: str) -> Iterator[None]:
    """Every statement of this connection that has ``pattern`` is run in other words."""
    count = 0

    def rewrite(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal count
        sql, changed = re.subn(pattern, by, sql, flags=re.DOTALL)
        count += changed
        return execute(sql, params, many, context)

    _rewriting.append(rewrite)
    try:
        with connection.execute_wrapper(rewrite):
            yield
    finally:
        _rewriting.remove(rewrite)
    assert count, "the safeguard was not there to be taken away"


_rewriting: list[Any] = []


def guarded(function: Callable[[], Any]) -> Callable[[], Any]:
    """The same in another thread, whose connection rewrites what this one rewrites."""

    def call() -> Any:
        with ExitStack() as stack:
            for rewrite in _rewriting:
                stack.enter_context(connection.execute_wrapper(rewrite))
            return function()

    return call


#: What a column is compared with: a parameter, or a column of what was given of several at once.
_GIVEN = r"(%s|%\(\w+\)s|g_\w+)"


def no_attempt_fence() -> AbstractContextManager[None]:
    return rewritten(rf"AND attempt = {_GIVEN}", r"AND (attempt = \1 OR TRUE)")


def no_generation_fence() -> AbstractContextManager[None]:
    owners = r"\(SELECT generation FROM \w+ AS owner WHERE owner.id = workflow_id\)"
    return rewritten(rf"AND ({owners}|generation) = {_GIVEN}", r"AND (\1 = \2 OR TRUE)")


@contextmanager
def effect_before_journal() -> Iterator[None]:
    mutate = run_step_module.mutate

    def first_the_effect(step: Any, run: Any, queue: Any) -> Any:
        outcome = run()
        return mutate(step, lambda: outcome, queue)

    run_step_module.mutate = first_the_effect
    try:
        yield
    finally:
        run_step_module.mutate = mutate


@contextmanager
def no_unique_key() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX dwf_workflow_idempotency")
    try:
        yield
    finally:
        Effect.objects.all().delete()
        start_over()
        constraint = next(each for each in Workflow._meta.constraints if each.name == "dwf_workflow_idempotency")
        with connection.schema_editor() as editor:
            editor.add_constraint(Workflow, constraint)


CONTROLS: dict[str, tuple[Callable[[], Any], Callable[[], None]]] = {
    "effect before journal": (effect_before_journal, effects_are_exactly_once),
    "no attempt fence": (
        no_attempt_fence,
        a_late_attempt_is_dropped,
    ),
    "no generation check": (
        no_generation_fence,
        a_result_of_before_the_restart_is_dropped,
    ),
    "no unique constraint": (no_unique_key, a_key_starts_one_workflow),
    "no recovery": (
        lambda: rewritten(r"AND due_at <= ", "AND claimed_by = '' AND due_at <= "),
        whoever_died_is_replaced,
    ),
    "no row lock": (
        lambda: rewritten(
            rf"UPDATE {WORKFLOW} SET version = version \+ 1(?:, has_events = TRUE)? WHERE (.*?) RETURNING (.*)",
            rf"SELECT \2 FROM {WORKFLOW} WHERE \1",
        ),
        an_event_finds_its_wait,
    ),
}
REPORTS = {
    "effect before journal": "no effect twice",
    "no attempt fence": "the late one was taken for the other",
    "no generation check": "what was before the restart was taken for after it",
    "no unique constraint": "two of one key",
    "no recovery": "these do not end",
    "no row lock": "who waits for it will not look",
}
# SQLite has one writer at a time: there is no row lock to take away.
ONLY_POSTGRES = {"no row lock"}
TABLE = [
    pytest.param(name, id=name, marks=[pytest.mark.postgres] if name in ONLY_POSTGRES else []) for name in CONTROLS
]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    start_over()
    yield
    start_over()


@pytest.mark.parametrize("name", TABLE)
def test_with_its_safeguard_the_check_passes(name: str) -> None:
    CONTROLS[name][1]()


@pytest.mark.parametrize("name", TABLE)
def test_without_its_safeguard_the_check_reports_it(name: str) -> None:
    without, checked = CONTROLS[name]
    with pytest.raises(AssertionError) as reported, without():
        checked()
    assert REPORTS[name] in str(reported.value)
