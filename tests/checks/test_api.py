"""The checks of the API: silent for what is closed, loud for what is open; and the app without the extra."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import ERROR, WARNING, CheckMessage
from django.test import override_settings
from django.urls import include, path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.routers import DefaultRouter

from django_workflows.api import WorkflowViewSet
from django_workflows.checks.api import check_api

ROOT = Path(__file__).parents[2]


class Urls:
    def __init__(self, *viewsets: Any) -> None:
        router = DefaultRouter()
        for number, viewset in enumerate(viewsets):
            router.register(f"w{number}", viewset, basename=f"w{number}")
        self.urlpatterns = [path("own/", include(router.urls))]


class Open(WorkflowViewSet):
    permission_classes = [AllowAny]


class Unguarded(WorkflowViewSet):
    permission_classes: list[Any] = []


class OpenToRead(WorkflowViewSet):
    permission_classes = [AllowAny]
    http_method_names = ["get"]


class Guarded(WorkflowViewSet):
    permission_classes = [IsAuthenticated]


def found(**settings: Any) -> list[tuple[str, int]]:
    with override_settings(**settings):
        return [_short(message) for message in check_api()]


def _short(message: CheckMessage) -> tuple[str, int]:
    assert message.hint
    return str(message.id).rpartition(".")[2], message.level


def test_what_is_mounted_as_it_is_passes() -> None:
    assert found() == []
    assert found(ROOT_URLCONF=Urls(Guarded)) == []


@pytest.mark.parametrize("viewset", [Open, Unguarded])
def test_an_open_view_is_an_error(viewset: Any) -> None:
    assert ("E040", ERROR) in found(ROOT_URLCONF=Urls(viewset))


def test_the_setting_counts() -> None:
    opened = {"API_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}
    assert ("E040", ERROR) in found(DJANGO_WORKFLOWS=opened)
    assert found(DJANGO_WORKFLOWS={"API_PERMISSION_CLASSES": ["nothing.here"]}) == [("E042", ERROR)]
    assert found(DJANGO_WORKFLOWS={"API_VISIBLE": "tests.nothing"}) == [("E042", ERROR)]


@pytest.mark.parametrize("path", [".", "..", "builtins.len", "sys.path", "django.http.HttpRequest", len])
def test_what_is_no_permission_class_is_said(path: Any) -> None:
    assert found(DJANGO_WORKFLOWS={"API_PERMISSION_CLASSES": [path]}) == [("E042", ERROR)]


def test_settings_that_cannot_be_read_are_left_to_their_own_check() -> None:
    assert found(DJANGO_WORKFLOWS=7) == []
    assert found(DJANGO_WORKFLOWS={"API_PERMISSION_CLASSES": 7}) == []


def test_a_view_that_everybody_may_read_is_a_warning() -> None:
    assert found(ROOT_URLCONF=Urls(OpenToRead)) == [("W041", WARNING)]


def test_missing_apps() -> None:
    from django.conf import settings

    apps = [name for name in settings.INSTALLED_APPS if name != "django_filters"]
    assert ("W043", WARNING) in found(INSTALLED_APPS=apps)


def test_the_app_works_without_the_extra(tmp_path: Path) -> None:
    """In a process where REST framework and its friends cannot be imported."""
    program = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("rest_framework", "django_filters", "drf_spectacular"):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_q", "django_workflows"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1], "OPTIONS": {
        "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}}},
    Q_CLUSTER={"orm": "default", "broker_class": "django_workflows.q2.JournalBroker", "timeout": 60, "retry": 90},
)
import django
django.setup()
import pkgutil, importlib, django_workflows
from django.core.management import call_command
call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
call_command("workflows", "definitions")
import django_workflows.api
assert not [name for name in sys.modules if name.startswith("rest_framework")]
print("fine")
"""
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "db.sqlite3")],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("fine\n")
