"""What a step does to its database session is undone before anything else uses it, and its outcome is the true one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import ProgrammingError, connection, connections, transaction

from django_workflows import Completed, Failed, WorkflowContext, WorkflowManager, signals
from django_workflows.engine.pace import pace
from django_workflows.exceptions import StepFailed
from django_workflows.models import Workflow
from django_workflows.store.session import Touch, touch_of
from tests.app.models import Effect
from tests.engine.driver import finish, run
from tests.waiting import wait_for

workflow = WorkflowManager()
#: What a step does, by the name that it is given.
deeds: dict[str, Callable[[], Any]] = {}
kept: list[Any] = []


def deed(function: Callable[[], Any]) -> Callable[[], Any]:
    deeds[function.__name__] = function
    return function


def sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def past_django(*statements: str) -> None:
    connection.ensure_connection()
    for statement in statements:
        connection.connection.execute(statement).close()


# -- what steps do


def act(what: str) -> str:
    deeds[what]()
    return "done"


def insert(what: str) -> str:
    Effect.objects.create(key=what)
    deeds[what]()
    return "done"


async def act_async(what: str) -> str:
    from asgiref.sync import sync_to_async

    await sync_to_async(deeds[what])()
    return "done"


def session() -> dict[str, Any]:
    """What a step finds."""
    asked = _ON_POSTGRESQL if connection.vendor == "postgresql" else _ON_SQLITE
    found = {}
    with connection.cursor() as cursor:
        for name, statement in asked.items():
            cursor.execute(statement)
            found[name] = cursor.fetchall()[0][0]
    found["wrappers"] = len(connection.execute_wrappers) - (connection.vendor == "sqlite")
    found["debug"] = connection.force_debug_cursor
    return found


_ON_POSTGRESQL = {
    **{name: f"SELECT current_setting('{name}')" for name in ("search_path", "statement_timeout", "timezone", "role")},
    "tenant": "SELECT coalesce(current_setting('app.tenant', true), '')",
    "read_only": "SELECT current_setting('default_transaction_read_only')",
    "user": "SELECT current_user::text",
    "locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "temporary": "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()",
    "channels": "SELECT count(*) FROM pg_listening_channels()",
    "prepared": "SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
    "cursors": "SELECT count(*) FROM pg_cursors WHERE is_holdable",
}
_ON_SQLITE = {
    **{name: f"PRAGMA {name}" for name in ("query_only", "foreign_keys", "busy_timeout")},
    "temporary": "SELECT count(*) FROM sqlite_temp_master",
    "attached": "SELECT count(*) FROM pragma_database_list",
}


def _run(step: WorkflowContext, kind: str, what: str) -> Any:
    if kind == "async":
        return step.run_action(act_async, what)
    if kind.startswith("inline "):
        step, kind = step.with_options(inline=True), kind.removeprefix("inline ")
    return getattr(step, f"run_{kind}")(insert if kind == "mutation" else act, what)


@workflow.define(name="sessions.does")
async def does(step: WorkflowContext, kind: str, what: str) -> str:
    return str(await _run(step, kind, what))


@workflow.define(name="sessions.retries")
async def retries(step: WorkflowContext, what: str) -> str:
    return await step.with_options(retry=True).run_action(act, what)


@workflow.define(name="sessions.catches")
async def catches(step: WorkflowContext, kind: str, what: str) -> list[str]:
    """Goes on after it, in the same turn if it is inline, with what is needed for a second one."""
    try:
        first = await _run(step, kind, what)
    except StepFailed as error:
        first = error.message
    return [str(first), await step.run_mutation(insert, "afterwards")]


@workflow.define(name="sessions.looks")
async def looks(step: WorkflowContext) -> dict[str, Any]:
    found: dict[str, Any] = await step.run_action(session)
    return found


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    kept.clear()
    connection.close()


@pytest.fixture
def usual() -> dict[str, Any]:
    return look()


def look() -> dict[str, Any]:
    status = finish(looks.start())
    assert isinstance(status, Completed), status
    return status.result  # type: ignore[no-any-return]


@deed
def nothing() -> None:
    pass


@deed
def afterwards() -> None:
    pass


@deed
def search_path() -> None:
    sql("SET search_path TO nowhere")


@deed
def search_path_by_function() -> None:
    sql("SELECT set_config('search_path', 'nowhere', false)")


@deed
def search_path_past_django() -> None:
    past_django("SET search_path TO nowhere")


@deed
def search_path_behind_another_statement() -> None:
    sql("SELECT 1; /* and */ SET search_path TO nowhere")


@deed
def tenant() -> None:
    sql("SET app.tenant = 'A'")


@deed
def read_only() -> None:
    sql("SET default_transaction_read_only = on")


@deed
def statement_timeout() -> None:
    sql("SET statement_timeout = 1")


@deed
def timezone() -> None:
    sql("SET TIME ZONE 'Pacific/Auckland'")


@deed
def another_role() -> None:
    sql("DO $$ BEGIN CREATE ROLE powerless; EXCEPTION WHEN duplicate_object THEN NULL; END $$", "SET ROLE powerless")


@deed
def another_user() -> None:
    sql("DO $$ BEGIN CREATE ROLE powerless; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    sql("SET SESSION AUTHORIZATION powerless")


@deed
def advisory_lock() -> None:
    sql("SELECT pg_advisory_lock(17)")


@deed
def temporary_table() -> None:
    sql("CREATE TEMPORARY TABLE scratch (id int)")


@deed
def listens() -> None:
    sql("LISTEN something")


@deed
def prepares() -> None:
    sql("PREPARE something AS SELECT 1")


@deed
def holds_a_cursor() -> None:
    with transaction.atomic():
        sql("DECLARE something CURSOR WITH HOLD FOR SELECT 1")


@deed
def wrapper() -> None:
    connection.execute_wrappers.append(lambda execute, *args: execute(*args))


@deed
def pragma() -> None:
    sql("PRAGMA query_only = ON")


@deed
def pragma_of_timeout() -> None:
    sql("PRAGMA busy_timeout = 1")


@deed
def closes() -> None:
    connection.close()


ON_POSTGRESQL = [
    search_path, search_path_by_function, search_path_past_django, search_path_behind_another_statement, tenant,
    read_only, statement_timeout, timezone, advisory_lock, listens, prepares, holds_a_cursor, wrapper,
]  # fmt: skip
ON_SQLITE = [pragma, pragma_of_timeout, wrapper]
#: Not in a query.
WRITING = {"postgresql": [another_role, another_user, temporary_table], "sqlite": [temporary_table]}


def changes(*, writing: bool = True) -> list[str]:
    usual = ON_POSTGRESQL if connection.vendor == "postgresql" else ON_SQLITE
    return [each.__name__ for each in usual + (WRITING[connection.vendor] if writing else [])]


@pytest.mark.parametrize("kind", ["action", "async", "mutation", "inline mutation", "query", "inline query"])
def test_what_a_step_changed_is_undone_and_it_is_completed(kind, usual):
    for what in changes(writing="query" not in kind):
        assert finish(does.start(kind, what)) == Completed("done"), what
        assert look() == usual, what
        if "mutation" in kind:
            assert Effect.objects.filter(key=what).exists()


def test_what_the_next_inline_step_of_a_turn_finds(usual):
    for what in changes():
        Effect.objects.all().delete()
        assert finish(catches.start("inline mutation", what)) == Completed(["done", "done"]), what
        assert look() == usual, what


@pytest.mark.postgres
def test_many_quick_steps_side_by_side_see_nothing_of_one(usual):
    pace.be(8)
    try:
        started = [looks.start(), does.start("action", "tenant"), *[looks.start() for _ in range(7)]]
        run()
    finally:
        pace.be(None)
    found = [row.result for row in Workflow.objects.filter(pk__in=started, name="sessions.looks")]
    assert len(found) == 8
    assert all('"tenant":""' in text.replace(" ", "") for text in found)


# -- transactions


@deed
def enters() -> None:
    transaction.atomic().__enter__()


@deed
def enters_and_writes() -> None:
    transaction.atomic().__enter__()
    Effect.objects.create(key="in the block")


@deed
def autocommit_off() -> None:
    transaction.set_autocommit(False)


@deed
def autocommit_off_and_writes() -> None:
    transaction.set_autocommit(False)
    Effect.objects.create(key="in the block")


@deed
def begins() -> None:
    sql("BEGIN")


@deed
def begins_and_writes() -> None:
    sql("BEGIN")
    Effect.objects.create(key="in the block")


@deed
def commits() -> None:
    sql("COMMIT")


@deed
def rolls_back() -> None:
    sql("rollback")


@deed
def commits_and_swallows() -> None:
    try:
        sql("COMMIT")
    except Exception:  # noqa: BLE001
        pass


@deed
def commits_past_django() -> None:
    connection.connection.commit()


@deed
def closes_and_reads() -> None:
    connection.close()
    Effect.objects.count()


def test_an_action_that_left_a_transaction_open_and_wrote_nothing_there_is_completed(usual):
    for what in ("enters", "autocommit_off", "begins", "closes"):
        assert finish(does.start("action", what)) == Completed("done"), what
        assert look() == usual, what
        assert not connection.in_atomic_block


def test_an_action_whose_writes_are_lost_in_a_transaction_that_it_left_open_fails(usual):
    for what in ("enters_and_writes", "autocommit_off_and_writes", "begins_and_writes"):
        status = finish(does.start("action", what))
        assert isinstance(status, Failed), what
        assert status.error_type == "django.db.transaction.TransactionManagementError"
        assert "left a transaction open on database 'default'" in status.error
        assert "with transaction.atomic():" in status.error
        assert not Effect.objects.filter(key="in the block").exists()
        assert look() == usual, what


def test_an_action_whose_writes_are_lost_is_not_called_again_in_vain():
    def loses() -> None:
        kept.append("called")
        enters_and_writes()

    deeds["loses"] = loses
    assert isinstance(finish(retries.start("loses")), Failed)
    assert kept == ["called"]


@pytest.mark.parametrize("kind", ["mutation", "inline mutation", "query", "inline query"])
def test_what_runs_in_the_engines_transaction_neither_ends_it_nor_leaves_its_own_open(kind, usual):
    asked = {"commits": "COMMIT", "rolls_back": "ROLLBACK", "commits_and_swallows": "COMMIT"}
    asked |= dict.fromkeys(("closes", "closes_and_reads"), "connection.close()")
    for what in ["enters", *asked]:
        Effect.objects.all().delete()
        first, second = finish(catches.start(kind, what)).result
        assert second == "done", what
        if what == "enters":
            assert "left a transaction open" in first
        else:
            assert f"the function sent {asked[what]}" in first, what
            assert "Raise an exception to have it rolled back" in first
        assert list(Effect.objects.values_list("key", flat=True)) == ["afterwards"], what
        assert look() == usual, what


@pytest.mark.parametrize("kind", ["mutation", "query"])
def test_a_commit_by_the_driver_is_its_failure(kind, usual):
    first, second = finish(catches.start(kind, "commits_past_django")).result
    assert "journal, and the function" in first
    assert second == "done"
    assert look() == usual


@deed
def closes_past_django() -> None:
    connection.ensure_connection()
    connection.connection.close()


@deed
def closes_past_django_and_swallows() -> None:
    closes_past_django()
    with suppress(Exception):
        Effect.objects.count()


@pytest.mark.parametrize("what", ["closes_past_django", "closes_past_django_and_swallows"])
@pytest.mark.parametrize("kind", ["action", "mutation", "inline mutation", "query", "inline query"])
def test_a_connection_closed_past_django_harms_its_step_only(kind, what, usual):
    first, second = finish(catches.start(kind, what)).result
    assert (first == "done") if kind == "action" else "ended it, or closed its connection" in first
    assert second == "done"
    assert list(Effect.objects.values_list("key", flat=True)) == ["afterwards"]
    assert look() == usual


@pytest.mark.parametrize("kind", ["inline mutation", "inline query"])
def test_an_inline_step_that_ends_its_transaction_past_django_is_not_called_again(kind, usual):
    def ends() -> None:
        kept.append("called")
        closes_past_django()

    deeds["ends"] = ends
    first, second = finish(catches.start(kind, "ends")).result
    assert "the transaction of a mutation, a query or a callback" in first
    assert (second, kept) == ("done", ["called"])
    assert look() == usual


@pytest.mark.postgres
def test_a_mutation_that_makes_its_transaction_read_only_fails_and_says_so():
    deeds["transaction_read_only"] = lambda: sql("SET transaction_read_only = on")
    first, second = finish(catches.start("mutation", "transaction_read_only")).result
    assert "read-only" in first
    assert second == "done"


@pytest.mark.postgres
def test_a_local_setting_keeps_its_connection():
    def pid() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    deeds["local"] = lambda: (kept.append(pid()), sql("SET LOCAL search_path TO nowhere"))
    deeds["and_again"] = deeds["local"]
    deeds["temp"] = lambda: (kept.append(pid()), sql("CREATE TEMP TABLE t (id int) ON COMMIT DROP"))
    for what in ("local", "temp", "and_again"):
        assert finish(does.start("mutation", what)) == Completed("done")
    assert len(set(kept)) == 1


# -- callbacks, receivers, hooks


def completed(workflow_id: Any, result: Any, context: Any) -> None:
    deeds[context]()


def test_what_on_complete_changed_is_undone(usual):
    for what in [*changes(), "enters", "commits"]:
        workflow_id = does.with_options(on_complete=completed, context=what).start("action", "nothing")
        assert finish(workflow_id) == Completed("done")
        error = Workflow.objects.get(pk=workflow_id).on_complete_error
        assert bool(error) == (what in ("enters", "commits")), (what, error)
        assert look() == usual, what


def test_what_a_receiver_changed_is_undone(usual):
    chosen = []

    def receive(**kwargs: Any) -> None:
        deeds[chosen[-1]]()

    signals.step_completed.connect(receive)
    try:
        for what in [*changes(), "enters", "autocommit_off", "begins", "closes"]:
            chosen.append(what)
            assert finish(does.start("action", "nothing")) == Completed("done"), what
            chosen.append("nothing")
            assert look() == usual, what
            assert not connection.in_atomic_block
    finally:
        signals.step_completed.disconnect(receive)


def test_what_a_hook_after_the_commit_changed_is_undone(usual):
    for what in [*changes(), "enters", "autocommit_off", "begins", "closes"]:
        deeds[f"hooked {what}"] = lambda what=what: transaction.on_commit(deeds[what])
        assert finish(does.start("mutation", f"hooked {what}")) == Completed("done"), what
        assert look() == usual, what
        assert not connection.in_atomic_block


# -- other databases


@pytest.fixture
def other(settings) -> Iterator[Any]:
    """The same database under another alias."""
    connections.settings["other"] = {**connections.settings["default"], "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    added: Any = connections["other"]
    # Django's test cases refuse databases that were not there when the tests began.
    added.ensure_connection = lambda: None if added.connection else added.connect()
    yield added
    connections["other"].close()
    del connections["other"], connections.settings["other"]


@deed
def reads_elsewhere() -> None:
    Effect.objects.using("other").count()
    conn = connections["other"]
    kept.append(conn.connection.info.backend_pid if conn.vendor == "postgresql" else conn.connection)


@deed
def leaves_elsewhere_open() -> None:
    transaction.atomic(using="other").__enter__()
    Effect.objects.using("other").count()


@deed
def writes_elsewhere_and_leaves_it_open() -> None:
    transaction.set_autocommit(False, using="other")
    Effect.objects.using("other").create(key="elsewhere")


@deed
def changes_elsewhere() -> None:
    with connections["other"].cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON" if cursor.db.vendor == "sqlite" else "SET search_path TO nowhere")


@pytest.mark.parametrize("lasting", [False, True])
def test_a_connection_of_another_alias_is_kept_as_long_as_between_two_requests(other, lasting):
    other.settings_dict["CONN_MAX_AGE"] = None if lasting else 0
    for _ in range(3):
        assert finish(does.start("action", "reads_elsewhere")) == Completed("done")
    assert len(set(kept)) == (1 if lasting else 3)


@pytest.mark.postgres
@pytest.mark.parametrize("options", [{}, {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}])
def test_a_connection_of_another_alias_that_its_server_closed_is_replaced(other, options):
    other.settings_dict.update(options)
    for _ in range(3):
        assert finish(does.start("action", "reads_elsewhere")) == Completed("done")
        sql(f"SELECT pg_terminate_backend({kept[-1]})")
    assert len(set(kept)) == 3


@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_what_a_step_did_to_the_session_of_another_alias_is_undone(other, kind):
    other.settings_dict["CONN_MAX_AGE"] = None
    for what in ("changes_elsewhere", "leaves_elsewhere_open"):
        if kind == "mutation" and what == "leaves_elsewhere_open" and connection.vendor == "sqlite":
            continue  # the two would wait for each other: one writer at a time
        assert finish(does.start(kind, what)) == Completed("done"), what
        assert finish(does.start("action", "reads_elsewhere")) == Completed("done"), what
        assert not other.in_atomic_block


def test_writes_to_another_alias_that_are_lost_are_a_failure(other):
    status = finish(does.start("action", "writes_elsewhere_and_leaves_it_open"))
    assert "left a transaction open on database 'other'" in status.error
    assert not Effect.objects.exists()


# -- processes


@pytest.mark.parametrize("kind", ["action", "mutation"])
@pytest.mark.parametrize("ends", ["returns", "raises", "uses the database"])
def test_a_child_that_a_step_forks_and_that_returns_is_no_second_worker(kind, ends, usual):
    children: list[int] = []

    def forks() -> None:
        child = os.fork()
        if child:
            children.append(child)
            return
        if ends == "uses the database":
            Effect.objects.count()
            connections.close_all()
        if ends == "raises":
            raise ValueError("in the child")

    deeds["forks"] = forks
    assert finish(does.start(kind, "forks")) == Completed("done")
    assert len(children) == 1
    _, status = wait_for(lambda: (found := os.waitpid(children[0], os.WNOHANG))[0] and found)
    assert os.waitstatus_to_exitcode(status) == (ends == "raises")
    assert look() == usual
    assert Effect.objects.filter(key="forks").count() == (kind == "mutation")


# -- always


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["action", "mutation", "inline mutation", "query"])
def test_a_database_function_that_changes_the_session_is_undone_where_the_project_asks_for_it(kind, usual, settings):
    settings.DJANGO_WORKFLOWS = {"SESSION_RESET": "always"}
    sql(
        "CREATE OR REPLACE FUNCTION moves() RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM set_config('search_path', 'nowhere', false); SET app.tenant = 'A'; END $$"
    )
    deeds["moves"] = lambda: sql("SELECT moves()")
    assert finish(does.start(kind, "moves")) == Completed("done")
    assert look() == usual


@pytest.mark.postgres
def test_an_action_is_completed_though_a_database_function_broke_its_session_unseen():
    sql(
        "CREATE OR REPLACE FUNCTION moves() RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM set_config('search_path', 'nowhere', false); END $$"
    )
    deeds["moves"] = lambda: sql("SELECT moves()")
    assert finish(does.start("action", "moves")) == Completed("done")


@pytest.mark.postgres
def test_a_mutation_whose_session_a_database_function_broke_unseen_fails_and_says_what_to_do(settings):
    sql(
        "CREATE OR REPLACE FUNCTION moves() RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM set_config('search_path', 'nowhere', false); END $$"
    )
    deeds["moves"] = lambda: sql("SELECT moves()")
    status = finish(does.start("mutation", "moves"))
    assert isinstance(status, Failed)
    assert "could not be written in its transaction" in status.error
    assert 'DJANGO_WORKFLOWS["SESSION_RESET"] = "always"' in status.error
    settings.DJANGO_WORKFLOWS = {"SESSION_RESET": "always"}
    assert finish(does.start("mutation", "moves")) == Completed("done")


@pytest.mark.postgres
def test_an_action_that_starts_a_workflow_after_a_setting_of_its_own_keeps_that(usual):
    """The start fails where the tables are not found, and nobody takes the session away in the midst of the step."""

    def starts() -> None:
        sql("SET search_path TO nowhere", "SET app.tenant = 'A'")
        with suppress(ProgrammingError):
            does.start("action", "nothing")
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path'), current_setting('app.tenant', true)")
            kept.append(cursor.fetchone())

    deeds["starts"] = starts
    assert finish(does.start("action", "starts")) == Completed("done")
    assert kept == [("nowhere", "A")]
    assert look() == usual


# -- statements


@pytest.mark.parametrize(
    ("text", "touch"),
    [
        ("SELECT 1", Touch.NOTHING),
        ("select temperature from weather where note = 'a; commit'", Touch.NOTHING),
        ("INSERT INTO a VALUES ('x'); -- done", Touch.NOTHING),
        ("SELECT set_config('a.b', 'c', true)", Touch.LOCAL),
        ("SELECT set_config('a.b', 'c', true), set_config('a.b', 'c', false)", Touch.SESSION),
        ("SELECT set_config('a.b', %s, %s)", Touch.SESSION),
        ("SELECT * INTO TEMP x FROM y", Touch.SESSION),
        ("SELECT pg_advisory_xact_lock(1)", Touch.NOTHING),
        ("SELECT pg_try_advisory_lock(1)", Touch.SESSION),
        ("-- a comment\n SET x = 1", Touch.SESSION),
        ("SET LOCAL x = 1", Touch.LOCAL),
        ("SET TRANSACTION READ ONLY", Touch.LOCAL),
        ("RESET ALL", Touch.SESSION),
        ("DISCARD PLANS", Touch.NOTHING),
        ("DISCARD ALL", Touch.SESSION),
        ("ROLLBACK TO SAVEPOINT a", Touch.NOTHING),
        ("ROLLBACK TRANSACTION TO a", Touch.NOTHING),
        ("ROLLBACK", Touch.TRANSACTION),
        ("commit", Touch.TRANSACTION),
        ("SELECT 1; COMMIT", Touch.TRANSACTION),
        ("END", Touch.TRANSACTION),
        ("PREPARE TRANSACTION 'a'", Touch.TRANSACTION),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN x; COMMIT; END $$", Touch.NOTHING),
        ("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", Touch.NOTHING),
        ("CREATE TABLE a (id int)", Touch.NOTHING),
        ("CREATE TEMP TABLE a (id int) ON COMMIT DROP", Touch.LOCAL),
        ("CREATE TABLE temp.a (id int)", Touch.SESSION),
        ("PRAGMA table_info(a)", Touch.NOTHING),
        ("PRAGMA foreign_keys", Touch.NOTHING),
        ("PRAGMA foreign_keys(0)", Touch.SESSION),
        ("ATTACH DATABASE 'a' AS b", Touch.SESSION),
    ],
)
def test_what_statements_do_to_a_session(text, touch):
    assert touch_of(text) == touch


def test_the_usual_statement_is_looked_at_in_no_time():
    began = time.perf_counter()
    for _ in range(10_000):
        touch_of('SELECT "a"."id", "a"."name" FROM "a" INNER JOIN "b" ON ("a"."b_id" = "b"."id") WHERE "a"."id" = %s')
    assert time.perf_counter() - began < 1.0, "100 us each would be a hundred times too long"
