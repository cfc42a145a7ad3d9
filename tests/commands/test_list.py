"""``manage.py workflows list``."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_workflows.models import Workflow
from django_workflows.store.database import now
from tests.app import workflows as w
from tests.commands.conftest import Manage
from tests.engine.driver import run


def lines(text: str) -> list[list[str]]:
    return [re.split(r"  +", line) for line in text.splitlines()]


def test_workflows_are_listed_newest_first(manage: Manage) -> None:
    done, failed = w.sums.start([1]), w.fails.start()
    run()
    waiting = w.asks_approval.start()
    heading, *rows = lines(manage("list"))
    assert heading == ["ID", "STATE", "CREATED", "DURATION", "NAME"]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        (str(waiting), "in progress", "tests.app.workflows.asks_approval"),
        (str(failed), "failed", "tests.app.workflows.fails"),
        (str(done), "completed", "tests.app.workflows.sums"),
    ]


def test_names_and_states_narrow_the_list(manage: Manage) -> None:
    done = w.sums.start([1])
    run()
    w.sums.start([1])
    w.fails.start()
    found = manage.json("list", "--name", "tests.app.workflows.sums", "--state", "completed")
    assert [row["id"] for row in found["workflows"]] == [str(done)]
    assert found["more"] is False


def test_a_limit_says_that_there_are_more(manage: Manage) -> None:
    ids = [str(w.sums.start([1])) for _ in range(3)]
    assert "There are older ones" in manage("list", "--limit", 2)
    assert "There are older ones" not in manage("list", "--limit", 3)
    found = manage.json("list", "--limit", 2)
    assert [row["id"] for row in found["workflows"]] == [ids[2], ids[1]]
    assert found["more"] is True


def test_no_workflows_are_no_error(manage: Manage) -> None:
    assert manage("list") == "No workflows.\n"
    assert manage("list", "--name", "tests.app.workflows.sums") == "No workflows.\n"
    assert manage.json("list") == {"workflows": [], "more": False}


def test_an_unknown_name_is_an_error_with_the_nearest_names(manage: Manage) -> None:
    message = manage.error("list", "--name", "tests.app.workflows.sum", returncode=2)
    assert "Did you mean tests.app.workflows.sums" in message


def test_workflows_whose_code_is_gone_are_listed_by_name(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    Workflow.objects.filter(id=workflow_id).update(name="gone.with.the.code")
    assert manage.json("list", "--name", "gone.with.the.code")["workflows"][0]["id"] == str(workflow_id)
    assert manage("list", "--name", "gone.with.the.code", "--state", "failed") == "No workflows.\n"


def test_blocked_workflows_stand_out_and_can_be_listed_alone(manage: Manage) -> None:
    ended = w.nothing.start()
    run()
    blocked, stuck, old, _ = (w.sums.start([1]) for _ in range(4))
    since = now() - timedelta(minutes=4)
    for each, reason in ((blocked, "code_mismatch"), (stuck, "stuck"), (old, "")):
        Workflow.objects.filter(id=each).update(
            blocked_message="the code changed", blocked_reason=reason, blocked_at=since if reason else None
        )
    Workflow.objects.filter(id=ended).update(blocked_message="before it ended")
    assert "blocked (code mismatch) for 4 min" in manage("list")
    found = manage.json("list", "--state", "blocked")["workflows"]
    assert [each["id"] for each in found] == [str(old), str(stuck), str(blocked)]
    assert found[-1]["blocked"]["reason"] == "code_mismatch"
    assert found[-1]["blocked"]["message"] == "the code changed"
    assert datetime.fromisoformat(found[-1]["blocked"]["since"]) == since
    assert found[0]["blocked"]["since"] is None
    assert [each["id"] for each in manage.json("list", "--reason", "stuck")["workflows"]] == [str(stuck)]
    by_code = manage.json("list", "--state", "blocked", "--reason", "code_mismatch")["workflows"]
    assert [each["id"] for each in by_code] == [str(old), str(blocked)], "an earlier version knows no reason"
    assert manage("list", "--reason", "missing_key") == "No workflows.\n"
    assert "invalid choice: 'parked'" in manage.error("list", "--state", "parked", returncode=1)
    assert "reason= is of blocked" in manage.error("list", "--state", "failed", "--reason", "stuck", returncode=2)


def test_names_from_the_database_are_escaped(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    Workflow.objects.filter(id=workflow_id).update(name="a\x1b[2Jb")
    assert r"a\x1b[2Jb" in manage("list")


@pytest.mark.parametrize("arguments", [["--state", "done"], ["--limit", "0"], ["--limit", "many"], ["--limit", "-1"]])
def test_wrong_usage_is_refused(manage: Manage, arguments: list[str]) -> None:
    assert manage.error("list", *arguments, returncode=1).startswith("Error: argument")


def test_a_list_takes_few_queries_however_long_it_is(manage: Manage) -> None:
    for _ in range(20):
        w.sums.start([1])
    with CaptureQueriesContext(connection) as queries:
        manage("list")
    assert len(queries) <= 2
    assert '"result"' not in queries[0]["sql"]
