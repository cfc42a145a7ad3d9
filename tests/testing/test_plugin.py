"""The pytest plugin in projects of its own: with Django, without, and under Django's own test runner."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

SETTINGS = """
SECRET_KEY = "a fresh project"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_q", "django_workflows", "shop"]
Q_CLUSTER = {"name": "shop", "orm": "default", "timeout": 60, "retry": 90}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
STEPS = """
def send_email(user_id: int) -> str:
    raise AssertionError("a test must not send e-mail")
"""
WORKFLOWS = """
from datetime import timedelta

from django_workflows import WorkflowContext, WorkflowManager

from .steps import send_email

workflow = WorkflowManager()


@workflow.define
async def greeting(step: WorkflowContext, user_id: int) -> str:
    await step.sleep(timedelta(days=1))
    return await step.run_action(send_email, user_id)
"""
TEST = """
from datetime import timedelta
from unittest.mock import call

from django.test import TestCase
from django_q.models import OrmQ

from django_workflows import Completed
from django_workflows.testing import WorkflowTester, assert_replays
from shop.steps import send_email
from shop.workflows import greeting, workflow


def check(workflows):
    workflows.fake(send_email, returns="sent")
    workflow_id = greeting.start(1)
    workflows.advance(timedelta(days=1))
    assert workflow.status(workflow_id) == Completed("sent")
    assert workflows.calls(send_email) == [call(1)]
    assert_replays(greeting, workflows.history(workflow_id))
    assert not OrmQ.objects.exists()


class GreetingTests(TestCase):
    def test_greeting(self):
        with self.captureOnCommitCallbacks(execute=True):
            check(self.enterContext(WorkflowTester()))
"""
PYTEST_TEST = """

def test_greeting(db, workflows):
    check(workflows)


def test_greeting_with_commits(transactional_db, workflows):
    check(workflows)


def test_without_database(workflows):
    workflows.fake(send_email, returns="sent")
    assert workflows.calls(send_email) == []
"""


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("DJANGO_", "PYTEST_", "DATABASE_URL"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    package = pytester.mkpydir("shop")
    (package / "steps.py").write_text(STEPS)
    (package / "workflows.py").write_text(WORKFLOWS)
    pytester.makepyfile(settings=SETTINGS)
    return pytester


def test_the_package_brings_it_along() -> None:
    assert [found.value for found in entry_points(group="pytest11", name="django_workflows")] == [
        "django_workflows.testing.plugin"
    ]


def test_in_a_django_project(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=TEST + PYTEST_TEST)
    result = project.runpytest_subprocess("--ds=settings", "-W", "error", "-p", "no:cacheprovider", "-v")
    result.assert_outcomes(passed=4)


def test_under_djangos_own_test_runner(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=TEST)
    command = [sys.executable, "-W", "error", "-m", "django", "test", "--settings=settings", "--pythonpath=."]
    result = subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert "Ran 1 test" in result.stderr


def test_in_a_project_without_django(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_of_it_is_there():
            assert "django_workflows.testing.plugin" in sys.modules
            assert "django" not in sys.modules
            assert "django_workflows.testing.tester" not in sys.modules
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:django", "-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=1)
    assert "warning" not in result.stdout.str()
    assert not result.errlines


def test_a_projects_own_fixture_of_that_name_wins(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def workflows():
            return ["our own"]

        def test_it(workflows):
            assert workflows == ["our own"]
        """
    )
    pytester.runpytest_subprocess("-p", "no:django", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_asked_for_without_django_it_says_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(workflows): pass")
    result = pytester.runpytest_subprocess("-p", "no:django", "-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*settings are not configured*"])
