"""Databases and clusters for the tests. Settings of both are in ``tests/settings.py``."""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.test import SimpleTestCase

from tests.cluster import Cluster
from tests.postgres import PostgresServer, PostgresUnavailable, connection_settings

VENDOR = {"postgres": "postgres"}.get(os.environ.get("DJANGO_WORKFLOWS_TEST_DB", ""), "sqlite")
MISSING = "DJANGO_WORKFLOWS_TEST_PG_MISSING"  # why there is no PostgreSQL; handed on to the xdist workers
CLUSTERS = pytest.StashKey[list[Cluster]]()
LOG_LINES = 200
ROOT = Path(__file__).parent
#: What takes long: a second per test is nothing, hundreds of deaths are.
BATTERY = (
    "battery/", "chaos/", "races/test_machine.py", "races/test_teeth.py", "api/test_fuzz.py", "api/test_hostile.py",
    "checks/test_fuzz_settings.py",
)  # fmt: skip
#: Folders whose tests make databases of their own, of the kind that is tested.
ITS_OWN_DATABASES = ("chaos", "q2")

# How long examples take to make or to run is a matter of the machine.
hypothesis.settings.register_profile(
    "tests", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Start one PostgreSQL for the whole run, in the process that starts the xdist workers."""
    config.addinivalue_line("markers", "by_hand: writes rows as no engine would, which are not replayed afterwards")
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts what runs in the background so, and processes of tests would be deaf to Ctrl-C as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if VENDOR != "postgres" or hasattr(config, "workerinput") or "DATABASE_URL" in os.environ:
        return
    server = PostgresServer()
    try:
        server.start()
    except PostgresUnavailable as error:
        if os.environ.get("CI"):
            raise pytest.UsageError(f"PostgreSQL cannot be skipped in CI: {error}") from None
        os.environ[MISSING] = str(error)
    else:
        os.environ["DATABASE_URL"] = server.dsn
        config.add_cleanup(server.close)


def pytest_report_header() -> str:
    return f"database: {VENDOR}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    elsewhere = {"postgres", "sqlite"} - {VENDOR}
    wanted, unwanted = [], []
    for item in items:
        names = {mark.name for mark in item.iter_markers()}
        once = VENDOR == "postgres" and not _is_about_a_database(item, names)
        (unwanted if once or elsewhere & names else wanted).append(item)
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
        if item.path.relative_to(ROOT).as_posix().startswith(BATTERY):
            item.add_marker(pytest.mark.battery)
        if MISSING in os.environ:
            item.add_marker(pytest.mark.skip(reason="there is no PostgreSQL"))
    items[:] = wanted
    config.hook.pytest_deselected(items=unwanted)


def _is_about_a_database(item: pytest.Item, marks: set[str]) -> bool:
    """Whether it may be another test on another database: pytest-django keeps all others from using one."""
    if marks & {"django_db", "postgres"} or item.path.relative_to(ROOT).parts[0] in ITS_OWN_DATABASES:
        return True
    cls = getattr(item, "cls", None)
    return (
        "db" in item.fixturenames
        or "transactional_db" in item.fixturenames
        or (cls is not None and issubclass(cls, SimpleTestCase))
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = itertools.chain.from_iterable(terminalreporter.stats.values())
    # The last report of a test has what its fixtures noted too.
    reports = [report for report in found if getattr(report, "when", "") == "teardown"]
    figures = [text for report in reports for key, text in getattr(report, "user_properties", ()) if key == "figures"]
    deaths = [count for report in reports for key, count in getattr(report, "user_properties", ()) if key == "deaths"]
    if deaths:
        figures.append(f"deaths at statements and commits: {sum(deaths)} in {len(deaths)} verbs")
    poison = Counter(
        text for report in reports for key, text in getattr(report, "user_properties", ()) if key == "poison"
    )
    if poison:
        figures.append(f"poison {dict(sorted(poison.items()))}")
    if figures:
        terminalreporter.section("figures")
    for text in sorted(set(figures)):
        terminalreporter.write_line(text)
    if MISSING in os.environ:
        terminalreporter.section("PostgreSQL was SKIPPED", red=True, bold=True)
        terminalreporter.write_line(os.environ[MISSING])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the clusters said where a test has failed."""
    report = yield
    if report.failed:
        for cluster in item.stash.get(CLUSTERS, []):
            lines = cluster.log.splitlines()[-LOG_LINES:]
            report.sections.append((f"{cluster.log_path}, last {LOG_LINES} lines", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Give this process its own SQLite file, or the PostgreSQL server that was started after the settings were read."""
    if VENDOR == "sqlite":
        settings.DATABASES["default"]["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    else:
        connection.settings_dict.update(connection_settings(os.environ["DATABASE_URL"]))


@pytest.fixture(autouse=True)
def _usual_clock() -> Iterator[None]:
    """The engine's clock, which tests move, goes right again: a cluster of a later test has one that nobody moved."""
    yield
    from tests.engine.driver import reset_clock  # Django is not set up when this module is read

    reset_clock()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Start real clusters: ``cluster()``, ``cluster(q={"workers": 1})``; see ``Cluster``. They end with the test."""
    started = request.node.stash.setdefault(CLUSTERS, [])

    def start(**options: object) -> Cluster:
        log = tmp_path / f"cluster-{len(started) + 1}.log"
        started.append(Cluster(log, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()
