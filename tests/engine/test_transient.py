"""Errors for the server's sake are not the step's: what was undone is run again, a bounded number of times."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import InternalError, OperationalError, connection, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper as SqliteWrapper

from django_workflows import Completed, Failed
from django_workflows.conf import settings as ours
from django_workflows.models import Step, Workflow
from django_workflows.store import database
from django_workflows.store.transient import is_away, is_transient
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import finish, run

postgres = pytest.mark.postgres
#: PostgreSQL's states, as its server raises them. What each is: PostgreSQL's Appendix A.
SERVERS = ["40001", "40P01", "53000", "53100", "53200", "53400", "55P03", "57014", "58000", "58030"]
NOT_SERVERS = ["22012", "23505", "42601", "P0001", "XX000"]


def raising(state: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{state}'; END $$"


# More than fits into the pages that tests before have left free.
FULL = (
    "PRAGMA max_page_count = 1;;INSERT INTO tests_app_effect (key, value) VALUES ('big', "
    "hex(randomblob(400000 + 4096 * (SELECT freelist_count FROM pragma_freelist_count))))"
)


@pytest.fixture
def refusing() -> str:
    """What this database refuses for its own sake: its disk is full."""
    return FULL if connection.vendor == "sqlite" else raising("53100")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(database, "_TRIES", 2)
    steps.refusals.clear()
    yield
    steps.refusals.clear()


def start(kind: str = "mutation", function: str = "refused", **arguments: object):
    return flows.call.start(kind, function, arguments or {}, {})


def keys() -> list[str]:
    return list(Effect.objects.values_list("key", flat=True))


@postgres
@pytest.mark.parametrize("state", SERVERS)
def test_a_mutation_that_the_server_refuses_is_run_again(state: str) -> None:
    steps.refusals += [raising(state)]
    assert finish(start(key="k")) == Completed("k")
    assert (keys(), len(steps.calls)) == (["k"], 2)


@postgres
@pytest.mark.parametrize("state", NOT_SERVERS)
def test_what_is_not_for_the_servers_sake_fails_at_once(state: str) -> None:
    steps.refusals += [raising(state)]
    assert isinstance(finish(start(key="k")), Failed)
    assert (keys(), len(steps.calls)) == ([], 1)


@pytest.mark.parametrize("how", ["", "wrap", "swallow"])
def test_it_is_run_again_later_whatever_the_function_made_of_the_error(refusing: str, how: str) -> None:
    if how and connection.vendor == "sqlite":
        pytest.skip("an error leaves a transaction of SQLite's as it was")
    steps.refusals += [refusing] * 3
    workflow_id = start(key="k", how=how)
    run()
    step = Step.objects.get(workflow=workflow_id)
    assert (step.state, len(steps.calls)) == ("queued", 2)
    assert finish(workflow_id) == Completed("k")
    assert (keys(), len(steps.calls)) == (["k"], 4)


def test_nothing_of_it_uses_up_an_attempt_of_its_policy(refusing: str) -> None:
    steps.refusals += [refusing] * 5
    workflow_id = flows.call.start("mutation", "refused", {"key": "k"}, {"retry": "quick"})
    assert finish(workflow_id) == Completed("k")


def test_after_a_bounded_number_of_deliveries_it_is_its_failure(refusing: str) -> None:
    steps.refusals += [refusing] * 100
    workflow_id = start(key="k")
    status = finish(workflow_id)
    assert isinstance(status, Failed)
    assert "disk is full" in status.error or "as if" in status.error
    assert keys() == []
    assert len(steps.calls) == 2 * (ours.MAX_DELIVERIES - 1) + 1
    step = Step.objects.get(workflow=workflow_id)
    assert step.state == "failed"
    assert len(json.loads(step.failures)) == ours.MAX_DELIVERIES - 1


def test_a_query_alike(refusing: str) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("it writes nothing that could be too much")
    steps.refusals += [refusing] * 3
    assert finish(start("query", "refused_query")) == Completed(4)


def test_what_an_action_says_to_the_database_is_its_own(refusing: str) -> None:
    steps.refusals += [refusing]
    status = finish(start("action", key="k"))
    assert isinstance(status, Failed)
    assert len(steps.calls) == 1


def test_a_query_that_writes_fails_at_once() -> None:
    assert isinstance(finish(start("query", "write_in_query")), Failed)
    assert len(Step.objects.get().failures) == 2


@postgres
@pytest.mark.parametrize("kind", ["mutation", "query"])
def test_a_time_limit_of_its_own_is_its_failure(kind: str) -> None:
    steps.refusals += ["SET LOCAL statement_timeout = 50;;SELECT pg_sleep(30)"]
    function, arguments = ("refused", {"key": "k"}) if kind == "mutation" else ("refused_query", {})
    status = finish(start(kind, function, **arguments))
    assert isinstance(status, Failed)
    assert "statement timeout" in status.error
    assert len(steps.calls) == 1


@postgres
@pytest.mark.parametrize(
    ("setting", "sql"),
    [("statement_timeout", "SELECT pg_sleep(30)"), ("idle_in_transaction_session_timeout", "idle")],
)
def test_a_time_limit_of_the_servers_is_not(setting: str, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE CURRENT_USER SET {setting} = 300")
    connection.close()
    if sql == "idle":
        monkeypatch.setattr(steps, "be_refused", lambda: None if len(steps.calls) > 1 else steps.time.sleep(0.6))
        sql = ""
    try:
        steps.refusals += [sql] if sql else []
        assert finish(start(key="k")) == Completed("k")
        assert keys() == ["k"]
        assert len(steps.calls) in (2, 3)  # once more, where it was its handler's turn that was lost
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER ROLE CURRENT_USER RESET {setting}")
        connection.close()


@pytest.mark.parametrize("times", [1, 100])
def test_an_inline_mutation_alike(refusing: str, times: int) -> None:
    steps.refusals += [refusing] * times
    workflow_id = flows.call.start("mutation", "refused", {"key": "k"}, {"inline": True})
    status = finish(workflow_id)
    if times == 1:
        assert status == Completed("k")
    else:
        assert isinstance(status, Failed)
        assert len(steps.calls) <= 3 * ours.MAX_DELIVERIES


@pytest.mark.parametrize("times", [1, 100])
def test_a_callback_alike(refusing: str, times: int) -> None:
    steps.refusals += [refusing] * times
    workflow_id = flows.nothing.with_options(on_complete=steps.callback_refused).start()
    assert finish(workflow_id) == Completed("done")
    assert len(steps.calls) == 2 if times == 1 else len(steps.calls) <= 3 * ours.MAX_DELIVERIES
    assert (Workflow.objects.get().on_complete_error is None) == (times == 1)


@postgres
@pytest.mark.parametrize(
    "options",
    [
        {"HOST": "no-such-host.invalid"},
        {"HOST": "127.0.0.1", "PORT": "1"},
        {"HOST": "/nowhere"},
        {"HOST": "192.0.2.1", "OPTIONS": {"connect_timeout": "2"}},
    ],
)
def test_a_server_that_cannot_be_reached_is_away(options: dict[str, object]) -> None:
    other = connection.copy()
    other.settings_dict = {**other.settings_dict, **options}
    with pytest.raises(OperationalError) as caught:
        other.ensure_connection()
    assert is_transient(caught.value)
    assert is_away(caught.value)


@postgres
def test_a_standby_that_can_only_be_read_is_away() -> None:
    with pytest.raises(InternalError) as caught, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        Effect.objects.create(key="k")
    assert is_away(caught.value)


@pytest.mark.parametrize("name", ["folder", "missing/file", "locked"])
def test_a_file_that_cannot_be_used_is_transient(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    holder = sqlite3.connect(tmp_path / "locked")
    holder.execute("BEGIN EXCLUSIVE")
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / name, "OPTIONS": {"timeout": 0}}
    other = SqliteWrapper({**connection.settings_dict, **settings, "TEST": {}}, "other")
    try:
        with pytest.raises(OperationalError) as caught, other.cursor() as cursor:
            cursor.execute("SELECT * FROM sqlite_master")
    finally:
        holder.close()
        other.close()
    assert is_transient(caught.value)
    assert is_away(caught.value) == (name != "locked")
