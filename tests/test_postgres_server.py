"""The tests' own PostgreSQL can be stopped, killed and started again without losing what was committed."""

from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.cluster import is_alive
from tests.postgres import PostgresServer, PostgresUnavailable

pytestmark = pytest.mark.postgres


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    try:
        with PostgresServer(max_connections="10") as server:
            yield server
    except PostgresUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda server: server.stop("fast"), id="fast"),
        pytest.param(lambda server: server.stop("immediate"), id="immediate"),
        pytest.param(lambda server: server.kill(), id="kill"),
    ],
)
def test_what_was_committed_survives(server: PostgresServer, end: Callable[[PostgresServer], None]) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE kept (value int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    end(server)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn)
    server.start()
    with psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(1,)]


def test_close_leaves_no_process(server: PostgresServer) -> None:
    processes = [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True))]
    server.close()
    assert not any(map(is_alive, processes))
