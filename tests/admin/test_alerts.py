"""What is wrong with the whole is said by the admin, by the API's health and in the log, each time with a way out."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from django_workflows.engine import aloud, health
from django_workflows.engine.advance import advance as engine_advance
from django_workflows.engine.worker import Worker
from django_workflows.models import Workflow
from django_workflows.store import steps as step_store
from django_workflows.store import workflows
from django_workflows.store.database import local_now
from tests.admin.pages import LIST, markup, text, url
from tests.app import workflows as flows
from tests.app.workflows import asks_approval, nothing
from tests.engine.driver import advance, run

CLUSTER = "manage.py workflows cluster"
KILL = f"kill -9 {os.getpid()} on {socket.gethostname()}"
#: By code: what the admin says, the way out that it names, and how loud the log is.
SAID = {
    "no_workers": ("1 piece of work is due, and no worker has ever reported", CLUSTER, logging.CRITICAL),
    "stalled": ("and the one worker takes none", "Restart the cluster", logging.CRITICAL),
    "growing": ("more comes in than the workers (1, 0 busy) can do", "Add workers", logging.WARNING),
    "blocked": ("1 workflow is blocked", "Its page says why, and what to do", logging.WARNING),
    "idle": ("No worker is running", CLUSTER, logging.WARNING),
    "clock_skew": ("The clock of this host is 2 min off", "time server", logging.WARNING),
    "database": ("The journal's database does not answer", "when it is back", logging.CRITICAL),
    "read_only": ("database can only be read", "Is it a standby", logging.CRITICAL),
    "long_steps": ("run long steps: step 0 (tests.app.steps.no_op) of tests.app.workflows.call", KILL, logging.WARNING),
    "failing": (
        "10 workflows failed in the last 10 min, and of the 2,000 newest 0 completed, the first",
        "restart them",
        logging.WARNING,
    ),
    "retrying": ("20 steps have failed and wait to be retried", "fix the cause", logging.WARNING),
}


def late() -> None:
    """Work that has been due for longer than it should."""
    nothing.start()
    advance(16)


def wedged() -> None:
    late()
    Worker().beat()


def too_much() -> None:
    late()
    worker = Worker()
    worker.took()
    worker.beat()


def block() -> None:
    workflow_id = asks_approval.start()
    run()
    Workflow.objects.filter(pk=workflow_id).update(blocked_message="the code changed")


def long_steps() -> None:
    flows.call.start("action", "no_op", {}, {})
    worker = Worker()
    claimed = workflows.claim_turn("", worker.id)
    assert claimed is not None
    engine_advance(claimed, None)
    worker.begin(step_store.claim("", worker.id))
    nothing.start()
    advance(61)
    worker.beat()


def failures() -> None:
    for _ in range(10):
        flows.fails.start()
    run()


def retries() -> None:
    for _ in range(20):
        flows.call.start("action", "decline", {"card": "x"}, {"retry": True})
    run()


@pytest.fixture
def bring_about(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def away() -> None:
        raise OperationalError("the connection was refused")

    def skew() -> None:
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has the clock of its host")
        monkeypatch.setattr(health, "local_now", lambda: local_now() + timedelta(seconds=120.4))

    situations: dict[str, Callable[[], object]] = {
        "no_workers": late,
        "stalled": wedged,
        "growing": too_much,
        "blocked": block,
        "idle": lambda: None,
        "clock_skew": skew,
        "read_only": lambda: monkeypatch.setattr(health, "is_read_only", lambda: True),
        "long_steps": long_steps,
        "failing": failures,
        "retrying": retries,
        "database": lambda: monkeypatch.setattr(health, "now", away),
    }
    return lambda code: situations[code]() and None


@pytest.fixture(autouse=True)
def nothing_was_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    voice = aloud.Aloud()
    monkeypatch.setattr(aloud, "everything", voice)
    monkeypatch.setattr(health, "everything", voice)


@pytest.mark.by_hand
@pytest.mark.parametrize("code", SAID)
def test_it_is_said_in_admin_api_and_log(
    code: str, chief: Client, bring_about: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    bring_about(code)
    message, way_out, level = SAID[code]
    for page in (url("dashboard"), LIST):
        shown = text(chief, page)
        assert message in shown, page
        assert way_out in shown, page

    caplog.clear()
    answer = chief.get("/api/health/")
    assert answer.status_code == (503 if level == logging.CRITICAL else 200)
    (problem,) = (each for each in answer.json()["problems"] if each["code"] == code)
    assert problem["hint"]
    logged = [record for record in caplog.records if record.getMessage().startswith(problem["message"])]
    assert [record.levelno for record in logged] == [level]
    assert problem["hint"] in logged[0].getMessage()


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("read_only", "Die Datenbank des Journals kann nur gelesen werden"),
        ("long_steps", "alle Worker (1) führen lange Schritte aus: Schritt 0 (tests.app.steps.no_op) von"),
        ("failing", "10 Workflows sind in den letzten 10 min fehlgeschlagen, und von den 2,000 neuesten sind 0"),
        ("retrying", "20 Schritte sind fehlgeschlagen und warten auf ihre Wiederholung"),
        ("blocked", "1 Workflow ist blockiert"),
    ],
)
def test_it_is_said_in_german(
    code: str, words: str, chief: Client, bring_about: Callable[[str], None], settings: Any
) -> None:
    bring_about(code)
    settings.LANGUAGE_CODE = "de"
    assert words in text(chief, url("dashboard"))


def test_what_is_told_of_workflows_leads_to_them(chief: Client) -> None:
    failures()
    retries()
    for state in ("state=failed&", "attention=retrying&"):
        assert f"?{state}amp;started_by=any" in markup(chief, url("dashboard"))
        assert chief.get(f"{LIST}?{state}started_by=any").status_code == 200
