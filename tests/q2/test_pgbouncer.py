"""Behind PgBouncer in transaction mode, where a session lasts for a transaction: everything works, with the settings
that Django asks for, and without them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection, transaction

from django_workflows import Canceled, Completed
from django_workflows.engine import start as start_module
from django_workflows.models import Workflow
from django_workflows.store import prepared
from django_workflows.store.listening import followed_sql, listen
from tests.app import workflows as flows
from tests.cluster import HARDENED, Cluster
from tests.engine.driver import finish
from tests.engine.replays import assert_all_replay
from tests.pgbouncer import PgBouncer, find_pgbouncer
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres

workflow = flows.workflow


@pytest.fixture(scope="module")
def pooler() -> Iterator[PgBouncer]:
    if find_pgbouncer() is None:
        assert not os.environ.get("CI"), "PgBouncer cannot be skipped in CI"
        pytest.skip("there is no PgBouncer")
    with PgBouncer(os.environ["DATABASE_URL"]) as started:
        yield started


@contextmanager
def through(pooler: PgBouncer, **settings: bool) -> Iterator[None]:
    """This process, too, speaks with the database through the pooler."""
    usual = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(pooler.settings, **settings)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(usual)


@pytest.mark.parametrize("documented", [True, False])
def test_every_kind_of_step_works_through_it(
    pooler: PgBouncer, cluster: Callable[..., Cluster], documented: bool
) -> None:
    module = "tests.q2.pooled_settings" if documented else "tests.settings"
    environment = {"DATABASE_URL": pooler.url, "DJANGO_SETTINGS_MODULE": module}
    with through(pooler, DISABLE_SERVER_SIDE_CURSORS=documented):
        first, second = (cluster(command=HARDENED, q={"workers": 2}, env=environment) for _ in range(2))
        wanted = {flows.sums.start([1, 2, number]): Completed(3 + number) for number in range(30)}
        wanted |= {flows.parallel.start(6): Completed(21) for _ in range(3)}
        wanted |= {flows.limited_parallel.start(5): Completed(15) for _ in range(3)}
        wanted |= {flows.retried.start(f"pooled {number}", 2): Completed(2) for number in range(3)}
        wanted |= {flows.parent.start([1, 2]): Completed([101, 102]) for _ in range(3)}
        wanted[flows.mutations.start("pooled", 3)] = Completed(3)
        wanted |= dict(
            zip(flows.sums.start_many([([number],) for number in range(5)]), map(Completed, range(5)), strict=True)
        )
        asks, waits = flows.asks_approval.start(), flows.asks_approval.start()
        for each in (asks, waits):
            wait_for(lambda each=each: workflow.status(each).running == ["approval"])
        workflow.send_event(asks, flows.approval, True)
        workflow.cancel(waits)
        wanted |= {asks: Completed("yes"), waits: Canceled()}

        wait_for(lambda: not Workflow.objects.filter(state="in_progress").exists())
        assert {workflow_id: workflow.status(workflow_id) for workflow_id in wanted} == wanted
        assert_all_replay()
    for each in (first, second):
        assert "Traceback" not in each.log
        each.close()


def test_a_pooler_is_noticed_and_nothing_is_prepared_then(pooler: PgBouncer, transactional_db: None) -> None:
    flows.sums.start([1])
    assert prepared_statements() > 0
    with through(pooler):
        flows.sums.start([1])
        assert prepared_statements() == 0


def test_where_a_pooler_goes_unnoticed_an_error_gives_it_away_and_costs_nothing(
    pooler: PgBouncer, transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prepared, "is_shared", lambda *args: False)
    monkeypatch.setattr(start_module, "_SELDOM", math.inf)  # so that both starts are one statement
    with through(pooler):
        first = flows.sums.start([1, 2])
        assert prepared_statements() > 0
        with busy(pooler), transaction.atomic():  # the first session is taken
            with pytest.raises(Exception, match="prepared statement"):
                flows.sums.start([1, 2])
            transaction.set_rollback(True)
        assert connection.connection.prepare_threshold is None
        assert [finish(each) for each in (first, flows.sums.start([1, 2]))] == [Completed(3)] * 2
        connection.close()
        third = flows.sums.start([4, 5])
        with busy(pooler):
            assert [finish(each) for each in (third, flows.sums.start([6, 7]))] == [Completed(9), Completed(13)]
    assert "no longer prepared, since something shares it" in caplog.text


def test_who_follows_leaves_nothing_behind_in_a_session_of_others(pooler: PgBouncer, transactional_db: None) -> None:
    with through(pooler):
        listen()
        assert followers() == 0
    listen()
    assert followers() == 1
    connection.close()


def followers() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {followed_sql()}::int")
        return int(cursor.fetchone()[0])


def prepared_statements() -> int:
    """How many are, in the session that is next."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        return int(cursor.fetchone()[0])


@contextmanager
def busy(pooler: PgBouncer) -> Iterator[None]:
    """Another client in a transaction, on the session that was used last."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(pooler.url, dbname=name) as other:
        other.execute("SELECT 1")
        yield
