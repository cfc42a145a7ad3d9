"""What is wrong with the whole is said in the log: by a worker of each queue, one of each host, and who looks on."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from django_workflows.core.health import CRITICAL, WARNING, Problem
from django_workflows.engine import aloud, stall
from django_workflows.engine.aloud import Aloud
from django_workflows.engine.health import check_health_aloud
from django_workflows.engine.stall import StallWatch
from django_workflows.engine.worker import Worker
from django_workflows.metrics.collector import WorkflowCollector
from django_workflows.store.database import is_postgresql, local_now
from tests.app.workflows import nothing
from tests.engine.driver import advance, run

Log = pytest.LogCaptureFixture
STALLED = Problem("stalled", CRITICAL, "Nothing goes on.", "Start it.", "slow")
SKEWED = Problem("clock_skew", WARNING, "The clock is off.", "Mend it.")


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aloud, "everything", Aloud())
    monkeypatch.setattr("django_workflows.engine.health.everything", aloud.everything)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch):
    """Move the clock by which pauses are measured."""
    passed = [0.0]
    monkeypatch.setattr(aloud, "monotonic", lambda: passed[0])

    def move(seconds: float) -> None:
        passed[0] += seconds

    return move


def lines(caplog: Log) -> list[tuple[int, str]]:
    found = [(record.levelno, record.getMessage()) for record in caplog.records]
    caplog.clear()
    return found


def test_what_goes_on_is_said_again_after_a_minute_and_its_end_at_once(caplog: Log, later) -> None:
    voice = Aloud()
    voice.tell([STALLED])
    assert caplog.records[0].queue == "slow"  # type: ignore[attr-defined]
    assert lines(caplog) == [(logging.CRITICAL, "Nothing goes on. Start it.")]
    later(50)
    voice.tell([STALLED])
    assert lines(caplog) == []
    later(11)
    voice.tell([STALLED])
    assert len(lines(caplog)) == 1
    voice.tell([])
    voice.tell([])
    assert lines(caplog) == [(logging.WARNING, "Queue 'slow' goes on")]
    voice.tell([STALLED])
    assert len(lines(caplog)) == 1, "another stall"


def test_a_warning_that_comes_and_goes_is_said_every_ten_minutes(caplog: Log, later) -> None:
    voice = Aloud()
    for problems in ([SKEWED], [], [SKEWED], []):
        voice.tell(problems)
        later(30)
    assert lines(caplog) == [(logging.WARNING, "The clock is off. Mend it.")]
    later(600)
    voice.tell([SKEWED])
    assert len(lines(caplog)) == 1


def test_a_growing_queue_is_said_by_one_of_its_workers(caplog: Log) -> None:
    workers = [Worker(), Worker()]
    nothing.start()
    advance(16)
    for worker in workers:
        worker.took()
        worker.beat()
    watches = [(StallWatch(""), worker.id) for worker in workers] * 2
    for watch, worker_id in watches:
        watch.look(worker_id)
    ((level, text),) = lines(caplog)
    assert level == logging.WARNING
    assert "more comes in than its 2 workers" in text


def test_a_clock_that_is_off_is_said_by_one_worker_of_its_host(caplog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [Worker(), Worker()]
    for worker in workers:
        worker.beat()
    monkeypatch.setattr(stall, "local_now", lambda: local_now() + timedelta(seconds=60))
    monkeypatch.setattr("django_workflows.engine.health.local_now", lambda: local_now() + timedelta(seconds=60))
    for worker in workers:
        StallWatch("").look(worker.id)
    found = lines(caplog)
    if is_postgresql():
        assert [text[:50] for _, text in found] == ["This host's clock is 60 s ahead of the database's."]
    else:
        assert found == []


def test_where_no_cluster_runs_whoever_looks_on_says_it(caplog: Log) -> None:
    nothing.start()
    advance(16)
    check_health_aloud()
    list(WorkflowCollector().collect())
    ((level, text),) = lines(caplog)
    assert level == logging.CRITICAL
    assert "and no worker" in text
    run()
    check_health_aloud()
    assert (logging.WARNING, "Queue '' goes on") in lines(caplog)
