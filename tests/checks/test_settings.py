"""Checks of settings: each finds what is wrong, names a mend, and says nothing of the mended settings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import ERROR, WARNING, CheckMessage, run_checks
from django.test import override_settings

from django_workflows import checks
from django_workflows.checks.brokers import check_broker
from django_workflows.checks.cluster import check_cluster
from django_workflows.checks.database import check_database
from django_workflows.checks.settings import check_settings
from django_workflows.q2.broker import JournalBroker

Check = Callable[..., list[CheckMessage]]
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
}
POSTGRESQL: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "OPTIONS": {}}


class MyBroker(JournalBroker):
    """A project's own."""


def found(check: Check) -> list[str]:
    messages = check()
    assert all(message.hint for message in messages), "each says how to mend it"
    assert all((message.level == ERROR) == (".E" in str(message.id)) for message in messages)
    assert all(message.level in (ERROR, WARNING) for message in messages)
    return [str(message.id).rpartition(".")[2] for message in messages]


def with_cluster(**changes: Any) -> override_settings:
    cluster = {**settings.Q_CLUSTER, **changes}
    return override_settings(Q_CLUSTER={key: value for key, value in cluster.items() if value is not None})


@pytest.mark.parametrize("check", [check_settings, check_database, check_cluster, check_broker])
def test_the_tests_own_settings_pass(check: Check) -> None:
    assert found(check) == []


def test_all_checks_are_registered_under_the_apps_tag() -> None:
    with override_settings(USE_TZ=False), with_cluster(timeout=None, broker_class=None):
        messages = run_checks(tags=[checks.TAG])

    ids = {str(message.id).rpartition(".")[2] for message in messages}
    assert {"E007", "W024", "W009", "W010", "W013"} <= ids


@override_settings(DJANGO_WORKFLOWS={"LAESE": 30})
def test_unknown_setting_names_the_nearest() -> None:
    [message] = check_settings()

    assert message.id == "django_workflows.E001"
    assert "Did you mean 'LEASE'?" in message.msg
    assert "TURN_TIMEOUT" in str(message.hint)


@pytest.mark.parametrize(
    "value", [{"LEASE": -1}, {"LEASE": "30"}, {"MAX_DELIVERIES": 0}, {"DATABASE": "other"}, {"ON_MISMATCH": "x"}, "x"]
)
def test_wrong_setting_is_an_error(value: Any) -> None:
    with override_settings(DJANGO_WORKFLOWS=value):
        assert found(check_settings) == ["E001"]


@override_settings(USE_TZ=False)
def test_naive_datetimes_are_an_error() -> None:
    assert found(check_settings) == ["E007"]


@pytest.mark.parametrize(("lease", "turn", "ids"), [(30, 30, ["W008"]), (10, 20, ["W008"]), (30, 29, [])])
def test_turn_that_may_outlive_its_lease(lease: int, turn: int, ids: list[str]) -> None:
    with override_settings(DJANGO_WORKFLOWS={"LEASE": lease, "TURN_TIMEOUT": turn}):
        assert found(check_settings) == ids


def database(values: dict[str, Any], **options: Any) -> override_settings:
    left = {key: value for key, value in {**values["OPTIONS"], **options}.items() if value is not None}
    return override_settings(DATABASES={"default": {**values, "OPTIONS": left}})


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(
    ("values", "options", "ids"),
    [
        (SQLITE, {}, []),
        (SQLITE, {"transaction_mode": None}, ["W003"]),
        (SQLITE, {"transaction_mode": "DEFERRED"}, ["W003"]),
        (SQLITE, {"init_command": None}, ["W004"]),
        (POSTGRESQL, {}, []),
        (POSTGRESQL, {"pool": True}, ["E002"]),
        (POSTGRESQL, {"pool": {"min_size": 2}}, ["E002"]),
        (POSTGRESQL, {"pool": False}, []),
        ({"ENGINE": "django.db.backends.mysql", "OPTIONS": {}}, {}, ["E026"]),
        ({"ENGINE": "django.db.backends.oracle", "OPTIONS": {}}, {}, ["E026"]),
        ({"ENGINE": "somebodys.backend", "OPTIONS": {}}, {}, []),  # which is not installed: Django says so
    ],
)
def test_database_options(values: dict[str, Any], options: dict[str, Any], ids: list[str]) -> None:
    with database(values, **options):
        assert found(check_database) == ids


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(
    ("vendor", "ids"),
    [("cockroachdb", ["E026"]), ("microsoft", ["E026"]), ("postgresql", []), ("sqlite", ["W003", "W004"])],
)
def test_other_backends_go_by_what_they_are(vendor: str, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """PostGIS is PostgreSQL too, SpatiaLite SQLite, and so is what measures one of them."""
    base = ModuleType("somebodys.backend.base")
    base.DatabaseWrapper = type("DatabaseWrapper", (), {"vendor": vendor})  # type: ignore[attr-defined]
    for name, module in (
        ("somebodys", ModuleType("somebodys")),
        ("somebodys.backend", ModuleType("somebodys.backend")),
    ):
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "somebodys.backend.base", base)
    with database({"ENGINE": "somebodys.backend", "OPTIONS": {}}):
        assert found(check_database) == ids


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(("alias", "ids"), [("journal", ["E002"]), ("default", []), ("missing", [])])
def test_only_the_journals_database_matters(alias: str, ids: list[str]) -> None:
    databases = {"default": POSTGRESQL, "journal": {**POSTGRESQL, "OPTIONS": {"pool": True}}}
    with override_settings(DATABASES=databases, DJANGO_WORKFLOWS={"DATABASE": alias}):
        assert found(check_database) == ids


@override_settings(DJANGO_WORKFLOWS=["not a dict"])
def test_settings_that_cannot_be_read_are_left_to_their_own_check() -> None:
    assert found(check_settings) == ["E001"]
    for check in (check_database, check_cluster, check_broker):
        assert found(check) == []


@pytest.mark.parametrize("check", [check_cluster, check_broker])
def test_missing_django_q2_is_one_error(monkeypatch: pytest.MonkeyPatch, check: Check) -> None:
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "django_q")

    assert found(check) == (["E005"] if check is check_cluster else [])


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({"timeout": 10, "retry": 20}, ["W006"]),
        ({"timeout": 11, "retry": 20}, []),
        ({"timeout": 60, "retry": 60}, ["W021"]),
        ({"timeout": 59, "retry": None}, []),
        ({"timeout": 90, "retry": None}, ["W021"]),
        ({"timeout": None}, ["W024"]),
        ({"timeout": 1.5}, ["E022"]),
        ({"timeout": 0}, ["E022"]),
        ({"timeout": True}, ["E022"]),
        ({"timeout": "60"}, ["E022"]),
        ({"guard_cycle": 0.2}, ["W023"]),
        ({"guard_cycle": 2}, ["W023"]),
        ({"guard_cycle": 0.25}, []),
        ({"guard_cycle": None}, []),
        ({"guard_cycle": 0}, []),
        ({"guard_cycle": "0.5"}, []),
    ],
    ids=str,
)
def test_times_of_the_cluster(changes: dict[str, Any], ids: list[str]) -> None:
    with with_cluster(**changes):
        assert found(check_cluster) == ids


def test_times_of_other_clusters_are_looked_at_too() -> None:
    with with_cluster(ALT_CLUSTERS={"mail": {"timeout": 100}, "slow": {"timeout": 80}, "odd": None}):
        [message] = check_cluster()

    assert message.id == "django_workflows.W021"
    assert message.msg.startswith("Q_CLUSTER[\"ALT_CLUSTERS\"]['mail']: retry (90 s)")


@pytest.mark.parametrize("value", [None, "x", {"timeout": 60, "retry": 90, "ALT_CLUSTERS": "x"}])
def test_odd_cluster_settings_are_no_crash(value: Any) -> None:
    with override_settings(Q_CLUSTER=value):
        found(check_cluster)
        assert found(check_broker) == ["W009"]


@pytest.mark.parametrize(
    "path", ["django_workflows.q2.JournalBroker", "django_workflows.q2.broker.JournalBroker", f"{__name__}.MyBroker"]
)
def test_journal_broker_passes_by_any_path(path: str) -> None:
    with with_cluster(broker_class=path):
        assert found(check_broker) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"broker_class": None, "poll": 3}, "every 3 s"),
        ({"broker_class": None, "orm": None, "redis": {"host": "x"}}, "up to a minute late"),
        ({"broker_class": "django_q.brokers.redis_broker.Redis"}, "up to a minute late"),
        ({"broker_class": "no.such.Broker"}, "up to a minute late"),
        ({"broker_class": "django_workflows.q2.tasks.drain"}, "up to a minute late"),
    ],
    ids=str,
)
def test_brokers_with_which_work_begins_late(changes: dict[str, Any], said: str) -> None:
    with with_cluster(**changes):
        [message] = check_broker()

    assert message.id == "django_workflows.W009"
    assert said in message.msg
    assert "JournalBroker" in str(message.hint)


@pytest.mark.parametrize("orm", [None, "other"])
def test_journal_broker_whose_own_queue_is_elsewhere(orm: str | None) -> None:
    with with_cluster(orm=orm):
        [message] = check_broker()

    assert message.id == "django_workflows.W020"
    assert "\"orm\": 'default'" in str(message.hint)
