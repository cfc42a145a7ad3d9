"""SQLite's write lock is taken soon after it is free; the time that the project allows for it is what it was."""

import gc
import sqlite3
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection

from django_workflows.engine.drain import drain
from django_workflows.engine.worker import Worker
from django_workflows.models import Workflow
from django_workflows.store.database import atomic
from tests.app import workflows as flows
from tests.waiting import PATIENCE

pytestmark = pytest.mark.sqlite


@pytest.fixture
def other() -> Iterator[sqlite3.Connection]:
    """Another connection to the same file."""
    found = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False, timeout=20)
    yield found
    found.close()


def milliseconds() -> int:
    connection.ensure_connection()
    return int(connection.connection.execute("PRAGMA busy_timeout").fetchone()[0])


def write() -> None:
    with atomic():
        Workflow.objects.update(blocked_message="")


def claim() -> None:
    assert drain(Worker(), seconds=PATIENCE) > 0


@pytest.mark.parametrize("take", [write, claim])
@pytest.mark.parametrize("seconds", [0.005, 0.1], ids=["for a moment", "for longer than it looks often"])
def test_it_is_waited_for(other: sqlite3.Connection, seconds: float, take: Callable[[], None]) -> None:
    flows.sums.start([1])
    usual = milliseconds()
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, other.execute, ["COMMIT"])
    timer.start()
    take()
    timer.join()
    assert milliseconds() == usual > 0


@pytest.mark.parametrize("allowed", [0, 10, 200])
def test_no_longer_than_the_project_allows(other: sqlite3.Connection, allowed: int) -> None:
    usual = milliseconds()
    connection.connection.execute(f"PRAGMA busy_timeout = {allowed}")
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(OperationalError, match="locked"):
            write()
        assert milliseconds() == allowed
        assert not connection.in_atomic_block
    finally:
        other.execute("ROLLBACK")
        connection.connection.execute(f"PRAGMA busy_timeout = {usual}")
    write()
    assert milliseconds() == usual


def test_reading_takes_no_lock(other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    with atomic(write=False):
        assert Workflow.objects.count() == 0
    other.execute("ROLLBACK")


def test_what_was_tried_in_vain_leaves_no_cursor_to_the_garbage_collector(other: sqlite3.Connection) -> None:
    """It would collect it in another thread, which waits then, with the interpreter's lock, for this connection."""

    def cursors() -> int:
        # `isinstance` would ask a weak reference's proxy of another test for its class, and that object may be gone.
        return sum(issubclass(type(each), sqlite3.Cursor) for each in gc.get_objects())

    write()
    gc.collect()
    gc.disable()
    try:
        before = cursors()
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.01, other.execute, ["COMMIT"])
        timer.start()
        write()
        timer.join()
        assert cursors() == before
    finally:
        gc.enable()
