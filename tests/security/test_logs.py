"""What this package logs: one line for one record, whatever a name or a message has in it, and no password."""

from __future__ import annotations

import io
import logging

from django_workflows import StepFailed
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import finish

logger = logging.getLogger("django_workflows")


def written(log) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        log()
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def test_no_argument_begins_a_new_line_or_steers_a_terminal():
    forged = "x\n2026-01-01 ERROR django.security all is well\r\x1b[2J\x00\u2028\x85y\ud800"

    text = written(lambda: logger.warning("workflow %s failed", forged))

    assert text.count("\n") == 1
    assert text.isprintable() is False or "\x1b" not in text
    assert all(each not in text for each in "\r\x1b\x00\u2028\x85\ud800")
    assert r"x\n2026-01-01" in text


def test_no_password_is_written_in_arguments_or_tracebacks():
    def log() -> None:
        try:
            raise RuntimeError("connecting to postgres://ann:hunter2@db failed, api_key=hunter2")
        except RuntimeError as error:
            logger.exception("failed: %s", error)

    text = written(log)

    assert "hunter2" not in text
    assert "Traceback" in text


def test_numbers_stay_numbers_and_a_bad_argument_fails_nothing():
    class Bad:
        def __str__(self) -> str:
            raise ValueError("no text")

    assert written(lambda: logger.warning("step %d took %.1f s", 3, 1.5)) == "step 3 took 1.5 s\n"
    logging.raiseExceptions, before = False, logging.raiseExceptions
    try:
        written(lambda: logger.warning("%s", Bad()))
    finally:
        logging.raiseExceptions = before


def test_an_error_of_users_code_reaches_the_log_masked(monkeypatch):
    def leak(workflow_id, result, context):
        raise StepFailed("login with password=hunter2\nFAKE LINE failed")

    leak.__module__, leak.__qualname__ = steps.__name__, "leak"
    monkeypatch.setattr(steps, "leak", leak, raising=False)

    text = written(lambda: finish(flows.nothing.with_options(on_complete=leak).start()))

    assert "hunter2" not in text
    assert "on_complete" in text
