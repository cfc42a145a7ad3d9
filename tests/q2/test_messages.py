"""What we put into django-q2: names and ids only, and nothing that stays behind."""

import logging
from unittest.mock import Mock

import pytest
from django.db import OperationalError
from django_q.models import Failure, OrmQ, Success, Task
from django_q.signing import SignedPackage

from django_workflows.engine import drain as drain_module
from django_workflows.q2 import tasks
from django_workflows.q2.schedules import SWEEP_NAME
from tests.app.cluster_workflows import chain, workflow
from tests.app.cluster_workflows import one as one_step
from tests.app.workflows import nothing
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

PLAIN = (str, int, float, bool, type(None))


def is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return type(value) in PLAIN


@pytest.mark.parametrize("broker", ["journal", "other"])
def test_hundreds_of_workflows_leave_no_rows_in_django_q(cluster, log: Log, request, broker: str) -> None:
    q, count = (request.getfixturevalue("plain_orm"), 60) if broker == "other" else ({}, 300)
    cluster(q=q)
    ids = [nothing.start() for _ in range(count)] + [chain.start(log.path, 2) for _ in range(10)]
    for each in ids:
        workflow.result(each, timeout=PATIENCE)
    wait_for(lambda: not OrmQ.objects.exists(), message="messages are left")
    assert not Task.objects.exclude(group=SWEEP_NAME).exists()
    assert not Success.objects.exclude(group=SWEEP_NAME).exists()
    assert not Failure.objects.exists()


def test_messages_are_names_and_ids(plain_orm, transactional_db: None, log: Log) -> None:
    one_step.start("action", "act", [log.path, "a secret"])
    one_step.with_options(run_after=60).start("action", "act", [log.path, "a secret"])
    payloads = [row.payload for row in OrmQ.objects.all()]
    assert len(payloads) == 2
    for payload in payloads:
        message = SignedPackage.loads(payload)
        assert is_plain(message), message
        assert message["func"] == tasks.DRAIN
        assert message["args"] == ("",)
        assert message["save"] is False
        assert "secret" not in str(message)


@pytest.mark.parametrize("error", [OperationalError("the database is gone"), RuntimeError("a bug"), TypeError()])
@pytest.mark.parametrize("entry", [tasks.drain, tasks.sweep])
def test_entry_points_raise_nothing_into_django_q(
    entry, error, transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(tasks, "drain_journal", fail)
    monkeypatch.setattr(tasks, "recover", fail)
    monkeypatch.setattr(tasks, "this_worker", lambda queue: Mock(known=True))
    with caplog.at_level(logging.ERROR, "django_workflows"):
        entry()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert drain_module.drain is not fail
