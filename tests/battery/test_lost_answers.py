"""The connection is lost after a commit, before its answer: what was committed is not done a second time.

The verb's own tries are meant here, not somebody who calls it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from django_workflows.engine.audit import Note, noted
from django_workflows.models import Event, Workflow
from django_workflows.store import database
from tests.app.models import Effect
from tests.battery.batches import lead_and_be_relieved
from tests.battery.observation import start_over
from tests.battery.test_crashes import end_of_all
from tests.battery.verbs import VERBS, Verb, begun, ended
from tests.engine.driver import finish, run
from tests.races.flows import told, workflow

pytestmark = pytest.mark.postgres


#: What relieves a slow step is done by that step itself in the battery, which would fail by it.
OTHERS = [verb for verb in VERBS if verb.act is not lead_and_be_relieved]
#: Those that cannot find out, or are in the caller's transaction: whoever called them is told.
TELL = {"start at once", "run on_complete again", "recover", "free all places"}


class Line:
    """Counts what this connection commits, and breaks after the answer to ``at`` would have come."""

    def __init__(self, at: int | None) -> None:
        self.seen: list[str] = []
        self.broken = False
        self._at = at

    def statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        # What only reads can be asked again.
        if not connection.in_atomic_block and not sql.lstrip().startswith("SELECT"):
            self.committed(sql)
        return result

    def committed(self, what: str) -> None:
        self.seen.append(what)
        if len(self.seen) - 1 == self._at:
            self.broken = True
            connection.connection.close()
            raise OperationalError("consuming input failed: server closed the connection unexpectedly")


@contextmanager
def line(at: int | None = None) -> Iterator[Line]:
    """While in the block the connection breaks after its commit number ``at``."""
    found, commit = Line(at), connection.commit

    def commit_and_lose() -> None:
        commit()
        found.committed("COMMIT")

    connection.commit = commit_and_lose
    try:
        with connection.execute_wrapper(found.statement):
            yield found
    finally:
        del connection.commit


def lived(verb: Verb, at: int | None = None) -> Line:
    start_over()
    context = verb.prepare()
    try:
        with line(at) as found:
            verb.act(context)
    except OperationalError:
        connection.close()
        assert verb.name in TELL
        assert verb.again is not None
        verb.again(context)
    return found


@pytest.mark.parametrize("verb", OTHERS, ids=str)
def test_the_answer_to_each_commit_is_lost_to(verb: Verb) -> None:
    whole = lived(verb)
    assert whole.seen, "a verb that writes nothing"
    expected, broken = end_of_all(verb), 0
    for at in range(len(whole.seen)):
        found = lived(verb, at)
        if found.broken:
            broken += 1
            assert end_of_all(verb) == expected, f"after {at}: {found.seen[at][:300]}"
    assert broken >= 0.7 * len(whole.seen)


# -- what has gone on by the time it is looked at


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """The first commit in the block loses its answer, and before anybody looks ``act`` is done by others."""
    acted = False

    def pause(seconds: float) -> None:
        nonlocal acted
        if not acted:
            acted = True
            act()

    usual = database.time
    database.time = SimpleNamespace(sleep=pause, monotonic=usual.monotonic)  # type: ignore[assignment]
    try:
        with line(at=0):
            yield
    finally:
        database.time = usual
    assert acted


def test_an_event_is_not_given_to_a_second_wait() -> None:
    workflow_id = begun(["event", "event"])
    with meanwhile(run):
        workflow.send_event(workflow_id, "go", 7)
    assert list(Event.objects.values_list("name", "state")) == [("go", "consumed")]
    assert workflow.status(workflow_id).type == "in_progress"
    workflow.send_event(workflow_id, "go", 8)
    assert finish(workflow_id).type == "completed"


def test_an_event_whose_workflow_has_ended_by_then_was_sent() -> None:
    workflow_id = begun(["event"])
    with meanwhile(run):
        event_id = workflow.send_event(workflow_id, "go", 7)
    assert workflow.status(workflow_id).type == "completed"
    assert Event.objects.get().id == event_id


def test_an_event_that_was_made_ahead_was_sent_by_this_sending() -> None:
    begun(["made"])
    event = Event.objects.get(state="created")
    with meanwhile(run):
        workflow.send_event(event_id=event.id, value=7)
    assert Workflow.objects.get().state == "completed"


def test_a_workflow_is_restarted_once() -> None:
    workflow_id = ended(["mutation"])
    ends = Effect.objects.filter(value__startswith="end").count()
    with meanwhile(run):
        workflow.restart(workflow_id)
    found = Workflow.objects.get()
    assert (found.state, found.generation) == ("completed", 2)
    assert Effect.objects.filter(value__startswith="end").count() == ends + 1


def test_a_workflow_that_was_canceled_and_has_cleaned_up_by_then_was_canceled() -> None:
    workflow_id = begun(["event"], careful=True)
    with meanwhile(lambda: finish(workflow_id)):
        workflow.cancel(workflow_id)
    assert workflow.status(workflow_id).type == "canceled"


def test_many_are_started_once() -> None:
    with meanwhile(run):
        ids = told.start_many([{"words": ["mutation"]}, {"words": ["mutation"]}])
    assert [workflow.status(each).type for each in ids] == ["completed"] * 2
    assert Workflow.objects.count() == 2


# -- what nobody can find out


def test_who_cannot_look_is_told_so(admin_user: Any) -> None:
    workflow_id = begun(["event", "event"])

    def send() -> UUID:
        return workflow.send_event(workflow_id, "go", 7)

    with meanwhile(run), pytest.raises(OperationalError, match="whether it was done is not known"):
        noted(admin_user, send, lambda _: Note([(workflow_id, "it")], "sent"))
    assert Event.objects.count() == 1
