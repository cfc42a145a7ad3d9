"""What a cluster does when it hears that there is work: a drain at once, if the last one was not in vain."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection, connections, transaction

from django_workflows.engine import start as start_module
from django_workflows.models import Workflow
from django_workflows.q2 import JournalBroker, hands
from django_workflows.q2 import broker as broker_module
from django_workflows.q2 import channel as channel_module
from django_workflows.q2.channel import Channel, Heard
from django_workflows.q2.nudge import Q2Dispatcher, nudge
from tests.app.cluster_workflows import one as one_step
from tests.promises import promise
from tests.waiting import wait_for


@contextmanager
def meanwhile(change: Callable[[], object], then: Callable[[], object] = lambda: None) -> Iterator[list[Heard]]:
    """Have ``change`` done by another connection once the broker waits, and ``then`` when it has; what it hears."""
    wait, heard = Channel.wait, []

    def work() -> None:
        try:
            change()
        finally:
            connections.close_all()

    def change_and_wait(channel: Channel, seconds: float) -> Heard:
        if not heard:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        heard.append(wait(channel, seconds))
        then()
        return heard[-1]

    with patch.object(Channel, "wait", change_and_wait):
        yield heard


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that this thread runs."""
    seen: list[str] = []

    def watch(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield seen


def start() -> None:
    one_step.start("action", "act", ["/dev/null", "x"])


@pytest.fixture
def broker(transactional_db: None) -> Iterator[JournalBroker]:
    """One that listens, and finds nothing."""
    hands.ended(1)
    broker = JournalBroker()
    for _ in range(2):
        assert not broker.dequeue()
    yield broker
    hands.ended(1)


@pytest.mark.postgres
def test_a_start_is_answered_with_a_drain_and_no_question(broker: JournalBroker) -> None:
    with meanwhile(start), statements() as asked:
        assert broker.dequeue()
    assert len([sql for sql in asked if "min(due_at)" in sql]) == 1, "only before it listened"
    assert "min(due_at)" in asked[-1]


@pytest.mark.postgres
@pytest.mark.parametrize("outer", [nullcontext, transaction.atomic])
def test_a_start_whose_announcement_is_lost_is_a_start(
    outer, transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(*args: object) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(channel_module, "run_one", lost)
    monkeypatch.setattr(start_module, "_SELDOM", math.inf)
    with outer():
        workflow_id = one_step.start("action", "act", ["/dev/null", "x"])
    assert Workflow.objects.filter(id=workflow_id).exists()
    assert "the server closed the connection" in caplog.text


def notices(start: Callable[[], object]) -> list[bool]:
    """Of each statement of a start that notifies, whether it is the one that writes."""
    with statements() as asked:
        start()
    return ["INSERT" in sql for sql in asked if "pg_notify" in sql]


@pytest.mark.postgres
def test_a_start_after_a_while_notifies_with_its_own_commit_and_others_after_theirs(
    broker: JournalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(start_module._Latest, "at", -math.inf)
    with meanwhile(lambda: seen.extend(notices(start))) as heard:
        assert broker.dequeue()
    assert heard == [Heard.WORK]
    assert seen == [True]
    monkeypatch.setattr(start_module, "_SELDOM", math.inf)
    assert notices(start) == [False]
    monkeypatch.setattr(start_module, "_SELDOM", 0.0)
    assert notices(start) == [True]
    with transaction.atomic():
        assert notices(start) == []
    assert notices(lambda: one_step.with_options(run_after=60).start("action", "act", ["/dev/null", "x"])) == []


@pytest.mark.postgres
def test_a_start_that_finds_the_first_of_its_key_wakes_nobody(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed = one_step.with_options(idempotency_key="k")
    monkeypatch.setattr(start_module, "_SELDOM", 0.0)
    first = keyed.start("action", "act", ["/dev/null", "x"])
    channel = Channel("")
    channel.wait(0.0)
    assert keyed.start("action", "act", ["/dev/null", "x"]) == first
    assert channel.wait(0.2) == Heard.NOTHING


@pytest.mark.postgres
def test_many_starts_that_are_heard_together_are_one_drain(broker: JournalBroker) -> None:
    def starts() -> None:
        for _ in range(20):
            start()

    with meanwhile(starts):
        assert broker.dequeue()
    hands.begun()
    assert broker.dequeue(), "there is work for one more worker"


@pytest.mark.postgres
def test_several_that_are_started_together_find_all_workers_at_once(
    broker: JournalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "_REST", 60.0)
    with meanwhile(lambda: one_step.start_many([("action", "act", ["/dev/null", "x"])] * 3)) as heard:
        assert broker.dequeue()
    assert heard == [Heard.WORK | Heard.NEWS]
    for _ in range(2):
        hands.begun()
        with promise(30):
            assert broker.dequeue(), "there is work for one more worker"


@pytest.mark.postgres
def test_after_a_drain_in_vain_the_broker_looks_first(broker: JournalBroker) -> None:
    hands.ended(0)
    with meanwhile(lambda: nudge("")):
        assert not broker.dequeue()
    assert not broker.dequeue(), "nothing is due"
    with meanwhile(start):
        assert not broker.dequeue()
    assert broker.dequeue(), "and what is due is handed out all the same"
    hands.begun()
    hands.ended(1)
    with meanwhile(lambda: nudge("")):
        assert wait_for(broker.dequeue)


@pytest.mark.postgres
def test_what_is_due_in_a_moment_is_not_handed_out_before(broker: JournalBroker) -> None:
    began = time.monotonic()
    with meanwhile(lambda: one_step.with_options(run_after=1.0).start("action", "act", ["/dev/null", "x"])) as heard:
        assert not broker.dequeue()
    assert heard == [Heard.NEWS]
    assert wait_for(broker.dequeue)
    assert time.monotonic() - began >= 1.0


@pytest.mark.postgres
def test_a_task_of_django_q2_wakes_the_broker_and_costs_no_drain(broker: JournalBroker) -> None:
    with meanwhile(lambda: JournalBroker().enqueue("task")) as heard:
        assert not broker.dequeue()
    assert heard == [Heard.NEWS], "which makes it look sooner than each half second"
    broker._ordinary_at *= 1_000_000  # as if it had only just looked, unless it was told to look at once
    ((_, payload),) = broker.dequeue() or []
    assert payload == "task"


@pytest.mark.postgres
def test_both_at_once_are_both_answered(broker: JournalBroker) -> None:
    broker._ordinary_at = time.monotonic() + 60

    def both() -> None:
        with transaction.atomic():
            JournalBroker().enqueue("task")
            Q2Dispatcher().wake("", 0.0, 1)

    with meanwhile(both):
        found = wait_for(broker.dequeue)
    hands.begun()
    found += wait_for(broker.dequeue)
    assert "task" in [payload for _, payload in found]
    assert len(found) == 2


@pytest.mark.postgres
def test_another_queue_s_work_is_not_heard(broker: JournalBroker) -> None:
    channel = Channel("mine")
    assert channel.wait(0.0) == Heard.NEWS, "what was said before it listened"
    Channel.announce("yours")
    assert channel.wait(0.05) == Heard.NOTHING
    Channel.announce("mine", due=False)
    Channel.announce("mine")
    heard = Heard.NOTHING
    while found := channel.wait(0.2):
        heard |= found
    assert heard == Heard.NEWS | Heard.WORK


@pytest.mark.postgres
def test_nothing_is_handed_out_once_the_cluster_is_stopping(
    broker: JournalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    monkeypatch.setattr(broker_module, "stopping", lambda: bool(told))

    with meanwhile(start, then=lambda: told.append(True)) as heard:
        assert not broker.dequeue()
    assert heard == [Heard.WORK]
    assert not broker.dequeue()


def test_a_start_of_which_nobody_heard_is_found_by_looking(
    broker: JournalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Channel, "announce", staticmethod(lambda queue, **_: None))
    with meanwhile(start):
        assert broker.dequeue() or broker.dequeue(), "it looks once a second"


def test_each_drain_has_an_id_of_its_own(broker: JournalBroker) -> None:
    start()
    first = wait_for(broker.dequeue)
    hands.begun()
    second = wait_for(broker.dequeue)
    assert first[0][1] != second[0][1]
