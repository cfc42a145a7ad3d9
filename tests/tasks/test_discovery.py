"""Workers find every task of the installed apps, and what a row names leads to no other import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from django_workflows import DefinitionNotFound
from django_workflows.core.registry import registry
from django_workflows.models import Workflow
from django_workflows.tasks import discovery
from django_workflows.tasks.definitions import made
from tests.app import tasks
from tests.engine.driver import run

OURS = {"default": {"BACKEND": "django_workflows.tasks.WorkflowsBackend"}}


@pytest.fixture
def forgotten() -> Any:
    """Let a task be unknown, and its module not imported."""
    before = dict(made), dict(registry._definitions), dict(sys.modules)

    def forget(path: str) -> None:
        module = path.rpartition(".")[0]
        registry.remove(path)
        made.pop(path, None)
        sys.modules.pop(module, None)

    yield forget
    made.clear()
    made.update(before[0])
    registry._definitions = before[1]
    sys.modules.update(before[2])


@pytest.mark.parametrize("path", ["tests.app.tasks.add", "tests.app.lonely.lonely"])
def test_a_task_is_found_by_the_name_of_its_workflow(path: str, forgotten: Any) -> None:
    forgotten(path)
    assert registry.find(path).name == path


@pytest.mark.django_db(transaction=True)
def test_a_task_that_nobody_knows_yet_is_run(forgotten: Any) -> None:
    result = tasks.add.enqueue(1)
    forgotten("tests.app.tasks.add")
    run()
    assert Workflow.objects.get(id=result.id).state == "completed"


@pytest.mark.parametrize(
    "name",
    [
        "tests.app.trap.anything",  # raises when it is imported
        "tests.app.message_broker.Broker",
        "subprocess.check_output",
        "antigravity.fly",
        "tests.app..trap.x",
        "tests.app.tasks/../trap.x",
        "tests.app.tasks.nobody",
        "tests.app.tasks.import_module",
        "tests.app.no_such_module.task",
        "tests.app",
        "tasks",
        ".",
        "",
        "\x00.x",
    ],
)
def test_other_names_import_nothing(name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(DefinitionNotFound):
        registry.find(name)
    assert set(sys.modules) - before == set()


def test_a_module_that_cannot_be_imported_is_logged_and_ends_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("from django.tasks import task\nraise RuntimeError('half a module')")
    monkeypatch.setattr(discovery, "_file_of", lambda module: broken if module.endswith(".broken") else None)
    monkeypatch.setattr(discovery, "import_module", lambda name: exec(broken.read_text()))
    assert registry.get("tests.app.broken.task") is None
    assert "tests.app.broken, in which a task is defined, cannot be imported" in caplog.text


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        (OURS, True),
        ({"other": {"BACKEND": "tests.tasks.test_discovery.Derived"}}, True),
        ({"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}, False),
        ({"default": {"BACKEND": "no.such.module"}}, False),
        ({"default": {}}, False),
        ([], False),
    ],
)
def test_tasks_are_looked_for_where_a_backend_is_ours(backends: Any, expected: bool) -> None:
    with override_settings(TASKS=backends):
        assert discovery.are_tasks_ours() is expected


def __getattr__(name: str) -> Any:
    if name != "Derived":
        raise AttributeError(name)
    from django_workflows.tasks import WorkflowsBackend

    return type("Derived", (WorkflowsBackend,), {})


EARLY = """
import sys, django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", USE_TZ=True, TASKS={"default": {"BACKEND": "django_workflows.tasks.WorkflowsBackend"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "early", "django_q", "django_workflows"]
    + [each for each in sys.argv[1:]],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from early.apps import EarlyConfig, at_import
result = at_import.enqueue(1)
from django_workflows.engine.drain import drain
from django_workflows.engine.worker import Worker
drain(Worker(""), seconds=10, stop=lambda: False)
result.refresh()
print(result.status, result.return_value)
"""


def test_a_task_may_be_defined_before_django_has_models(tmp_path: Path) -> None:
    framework = settings.TASKS_FRAMEWORK
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "__init__.py").write_text("")
    (tmp_path / "early" / "apps.py").write_text(
        f"from django.apps import AppConfig\nfrom {framework} import task\n\n\n@task\ndef at_import(n):\n"
        "    return n\n\n\nclass EarlyConfig(AppConfig):\n    name = 'early'\n"
    )
    apps = ["django_tasks"] if framework == "django_tasks" else []
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", EARLY, *apps],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, str(tmp_path)]), "DJANGO_SETTINGS_MODULE": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split() == ["SUCCESSFUL", "1"], done.stderr
