"""A cluster that is started, or loses a process, while its database is away: it waits, and says so once."""

import os
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.app.cluster_workflows import chain
from tests.cluster import HARDENED, ROOT, Cluster, _environment
from tests.lifeline import Lifeline
from tests.postgres import PostgresServer
from tests.q2.conftest import SHORT_LEASE, Log
from tests.q2.test_outages import ends
from tests.waiting import PATIENCE, wait_for

AWAY, BACK = "The database cannot be used: ", "The database can be used again, after "
GIVES_UP = re.compile("gives up|new crew|Traceback")


class Started:
    """A cluster's main process, whether its cluster comes up or not."""

    def __init__(self, path: Path, **env: str) -> None:
        self._path = path
        environment = _environment({}, SHORT_LEASE, env)
        command = [sys.executable, "manage.py", *HARDENED]
        self.lifeline = Lifeline(command, log=path, env=environment, cwd=ROOT, grace=5)

    @property
    def log(self) -> str:
        return self._path.read_text(errors="replace")

    def wait_for(self, text: str, timeout: float = PATIENCE) -> None:
        wait_for(lambda: text in self.log, timeout, message=f"{text!r} is not in the log:\n{self.log[-3000:]}")

    def ends(self) -> int:
        return wait_for(lambda: (self.lifeline.returncode,) if self.lifeline.returncode is not None else None)[0]

    def stop(self) -> int:
        self.lifeline.send(signal.SIGTERM)
        return self.ends()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def begin(**env: str) -> Started:
        started.append(Started(tmp_path / f"cluster{len(started)}.log", **env))
        return started[-1]

    yield begin
    for each in started:
        each.lifeline.cut()


@pytest.mark.postgres
def test_it_waits_for_a_server_that_is_not_there_yet(server: PostgresServer, start, log: Log) -> None:
    workflow_id = chain.start(log.path, 2)
    connection.close()
    server.stop()
    waiting = start()
    waiting.wait_for(AWAY)
    time.sleep(4)  # by then it used to give up
    assert waiting.lifeline.returncode is None
    server.start()
    assert ends(workflow_id) == "completed"
    waiting.wait_for(BACK)
    assert (waiting.log.count(AWAY), waiting.log.count(BACK)) == (1, 1)
    assert not GIVES_UP.search(waiting.log)
    assert waiting.stop() == 0


@pytest.mark.postgres
def test_it_ends_well_when_it_is_told_to_while_it_waits(server: PostgresServer, start) -> None:
    connection.close()
    server.stop()
    waiting = start()
    waiting.wait_for(AWAY)
    assert waiting.stop() == 0


@pytest.mark.postgres
def test_it_waits_for_a_free_connection(server: PostgresServer, start, log: Log) -> None:
    workflow_id = chain.start(log.path, 2)
    connection.close()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("CREATE ROLE shop LOGIN SUPERUSER")
        admin.execute("ALTER ROLE shop CONNECTION LIMIT 0; ALTER ROLE shop NOSUPERUSER")
        admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO shop")
        admin.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO shop")
        waiting = start(DATABASE_URL=server.dsn.replace("postgres@", "shop@"))
        waiting.wait_for("too many connections")
        admin.execute("ALTER ROLE shop CONNECTION LIMIT 50")
    assert ends(workflow_id) == "completed"
    waiting.wait_for(BACK)
    assert waiting.log.count(AWAY) == 1
    assert waiting.stop() == 0


@pytest.mark.postgres
def test_it_waits_while_the_server_can_only_be_read_and_says_what_is_due(
    server: PostgresServer, start, log: Log, settings
) -> None:
    """As after a failover to a standby that is not promoted yet; the cluster runs by then."""
    settings.DJANGO_WORKFLOWS = SHORT_LEASE
    running = start()
    running.wait_for("running.")
    chain_id = chain.start(log.path, 2)
    assert ends(chain_id) == "completed"
    waiting_id = chain.with_options(run_after=2).start(log.path, 2)
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
    running.wait_for("its workers live but cannot write to the database (their last sign was")
    assert "none is on record" not in running.log
    with pytest.raises(CommandError):
        call_command("workflows", "doctor")
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")
    assert ends(waiting_id) == "completed"
    running.wait_for(BACK)
    assert running.log.count(AWAY) == 1
    assert not GIVES_UP.search(running.log)
    assert running.stop() == 0


@pytest.mark.postgres
@pytest.mark.parametrize("role", ["sentinel", "pusher", "monitor", "worker"])
def test_a_process_that_dies_meanwhile_is_replaced_without_giving_up(
    server: PostgresServer, cluster, log: Log, role: str
) -> None:
    running: Cluster = cluster(command=HARDENED, workflows=SHORT_LEASE)
    connection.close()
    server.stop()
    wait_for(lambda: AWAY in running.log)
    for _ in range(6 if role == "sentinel" else 2):
        pids = running.pids(role)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        if role == "sentinel":
            time.sleep(0.5)
        else:
            wait_for(lambda pids=pids: set(running.pids(role)) - set(pids), message="nobody took over")
    server.start()
    assert ends(chain.start(log.path, 2)) == "completed"
    wait_for(lambda: BACK in running.log)
    assert running.returncode is None
    assert (running.log.count(AWAY), running.log.count(BACK)) == (1, 1)
    assert "gives up" not in running.log
    assert running.stop() == 0


@pytest.mark.postgres
def test_what_no_waiting_helps_against_is_said_and_ends_it(server: PostgresServer, start) -> None:
    unknown = start(DJANGO_WORKFLOWS_TEST_DB_NAME="nowhere")
    assert unknown.ends() == 1
    assert 'database "nowhere" does not exist. Fix DATABASES, and start the cluster again' in unknown.log
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE empty")
    empty = start(DJANGO_WORKFLOWS_TEST_DB_NAME="empty")
    assert empty.ends() == 1
    assert "Migrations are yet to be applied" in empty.log
    assert "Run python manage.py migrate --database default, and start the cluster again" in empty.log
    for each in (unknown, empty):
        assert "Traceback" not in each.log


def test_it_waits_for_a_file_that_is_locked(transactional_db, start, log: Log) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("of SQLite's file")
    workflow_id = chain.start(log.path, 2)
    holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = start()
    waiting.wait_for(AWAY)
    holder.execute("ROLLBACK")
    holder.close()
    assert ends(workflow_id) == "completed"
    waiting.wait_for(BACK)
    assert (waiting.log.count(AWAY), waiting.log.count(BACK)) == (1, 1)
    assert waiting.stop() == 0


def test_it_waits_for_a_file_that_cannot_be_opened(transactional_db, start, tmp_path: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("of SQLite's file")
    waiting = start(DJANGO_WORKFLOWS_TEST_DB_NAME=str(tmp_path / "not mounted" / "db.sqlite3"))
    waiting.wait_for(AWAY)
    assert "unable to open database file" in waiting.log
    (tmp_path / "not mounted").mkdir()
    target = sqlite3.connect(tmp_path / "not mounted" / "db.sqlite3")
    source = sqlite3.connect(connection.settings_dict["NAME"])
    source.backup(target)
    source.close()
    target.close()
    waiting.wait_for("running.")
    assert waiting.stop() == 0


@pytest.mark.postgres
def test_a_plain_cluster_starts_too_while_it_is_away(server: PostgresServer, tmp_path: Path, log: Log) -> None:
    workflow_id = chain.start(log.path, 2)
    connection.close()
    server.stop()
    plain = Cluster(tmp_path / "plain.log", workflows=SHORT_LEASE)
    try:
        wait_for(lambda: AWAY in plain.log)
        server.start()
        assert ends(workflow_id) == "completed"
        assert "Traceback" not in plain.log
        assert plain.log.count(AWAY) == 1
    finally:
        plain.close()


@pytest.mark.postgres
def test_recover_says_that_the_database_is_away(server: PostgresServer) -> None:
    connection.close()
    server.stop()
    with pytest.raises(CommandError, match="cannot be used at the moment"):
        call_command("workflows", "recover")
