"""Definitions: what is refused, as early as it can be known."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from django_workflows import DuplicateDefinition, InvalidDefinition, RetryPolicy, WorkflowContext, WorkflowManager
from django_workflows.core.registry import registry
from tests.app import workflows as flows

workflow = flows.workflow
ROOT = Path(__file__).parents[2]


async def handler(step: WorkflowContext) -> None:
    """A handler."""


def test_the_name_is_module_and_qualname():
    assert flows.sums.name == "tests.app.workflows.sums"
    assert registry.get("tests.app.workflows.sums") is flows.sums


def test_two_of_one_name_are_refused_with_both_places():
    with pytest.raises(DuplicateDefinition) as caught:
        workflow.define(name="tests.app.workflows.sums")(handler)
    assert "tests/app/workflows.py:" in str(caught.value)
    assert "tests/engine/test_definitions.py:" in str(caught.value)
    assert registry.get("tests.app.workflows.sums") is flows.sums


def test_two_of_one_name_of_two_managers_are_refused_too():
    with pytest.raises(DuplicateDefinition):
        WorkflowManager().define(name="tests.app.workflows.sums")(handler)


def not_async(step):
    """Not a coroutine function."""


async def no_context() -> None:
    """Takes nothing."""


async def keyword_context(*, step) -> None:
    """Takes its context by keyword only."""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (not_async, "a handler must be an `async def`"),
        (no_context, "first parameter must take the WorkflowContext"),
        (keyword_context, "first parameter must take the WorkflowContext"),
        (lambda step: None, "a handler must be an `async def`"),
        (WorkflowManager, "`async def`"),
        ("text", "takes an `async def`"),
        (7, "takes an `async def`"),
    ],
)
def test_what_is_no_handler_is_refused(wrong, message):
    with pytest.raises(InvalidDefinition, match=message):
        workflow.define(wrong)
    with pytest.raises(InvalidDefinition, match=message):
        workflow.define(name="tests wrong")(wrong)
    assert registry.get("tests wrong") is None


@pytest.mark.parametrize("name", ["x" * 201, "nul \x00", "line\nbreak", 7])
def test_a_bad_name_is_refused(name):
    with pytest.raises(InvalidDefinition, match="1 to 200 printable characters"):
        workflow.define(name=name)(handler)


@pytest.mark.parametrize("limit", [0, -1, True, "many", 1.5])
def test_a_bad_limit_of_a_manager_is_refused(limit):
    with pytest.raises(InvalidDefinition, match="max_parallelism must be an int of at least 1"):
        WorkflowManager(max_parallelism=limit)


@pytest.mark.parametrize(
    "options",
    [{"max_attempts": 0}, {"max_attempts": 1.5}, {"base": 0.5}, {"jitter": 2}, {"initial_backoff": -1}],
)
def test_a_bad_policy_is_refused(options):
    with pytest.raises(Exception, match="RetryPolicy: "):
        RetryPolicy(**options)


def check(folder, source, *command, **environment):
    """``manage.py check`` in a process of its own, with an app that has ``source`` as its workflows.py."""
    app = folder / "broken_app"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "workflows.py").write_text(source)
    (folder / "broken_settings.py").write_text(
        'from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, "broken_app"]\n'
    )
    return subprocess.run(
        [sys.executable, *(command or ("-m", "django", "check"))],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
            "DJANGO_SETTINGS_MODULE": "broken_settings",
            "DJANGO_WORKFLOWS_TEST_DB": "sqlite",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import does_not_exist\n", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("def broken(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError"),
        (
            "from tests.app.workflows import workflow\n@workflow.define\ndef sums(step): ...\n",
            "a handler must be an `async def`",
        ),
    ],
)
def test_a_workflows_module_that_does_not_import_stops_the_start_and_names_the_file(tmp_path, source, message):
    result = check(tmp_path, source)
    assert result.returncode != 0
    assert f"{tmp_path}/broken_app/workflows.py" in result.stderr
    assert message in result.stderr


@pytest.mark.sqlite
def test_wrong_settings_stop_the_start_with_a_hint(tmp_path):
    result = check(tmp_path, "", DJANGO_WORKFLOWS_TEST_SETTINGS='{"LAESE": 3, "TURN_TIMEOUT": -1}')
    assert result.returncode != 0
    assert "(django_workflows.E001) DJANGO_WORKFLOWS: unknown setting 'LAESE'. Did you mean 'LEASE'?" in result.stderr
    assert "TURN_TIMEOUT must be a timedelta or a number of seconds, from 0.01 to 10**9, got -1" in result.stderr
    assert "HINT: The settings are DATABASE, LEASE" in result.stderr


TWICE = """
from tests.app import workflows as w

@w.workflow.define(name=w.sums.name)
async def sums(step): ...

@w.workflow.define
async def another(step): ...
"""
USE = """
import django
django.setup()
from broken_app import workflows
from django_workflows.core.registry import registry
from tests.app.workflows import sums, workflow

for use in (workflows.sums.start, lambda: sums.start([1]), lambda: workflow.start(sums.name, {"numbers": [1]}),
            lambda: sums.start_many([([1],)])):
    try:
        use()
    except Exception as error:
        print(type(error).__name__)
print(registry.get(sums.name), registry.get("broken_app.workflows.another") is workflows.another)
"""


@pytest.mark.sqlite
def test_two_workflows_of_one_name_are_a_check_that_names_both_places(tmp_path):
    result = check(tmp_path, TWICE)

    assert result.returncode == 1
    assert "(django_workflows.E019) Two workflows are named 'tests.app.workflows.sums': " in result.stderr
    assert f"{ROOT}/tests/app/workflows.py:" in result.stderr
    assert f" and {tmp_path}/broken_app/workflows.py:4.\n" in result.stderr
    assert "HINT: Give one of them another name: @workflow.define(name=" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.sqlite
def test_where_no_checks_are_run_neither_of_the_two_can_be_used(tmp_path):
    """As in a web server. What has a name of its own works."""
    result = check(tmp_path, TWICE, "-c", USE)

    assert result.stdout.split() == ["DuplicateDefinition"] * 4 + ["None", "True"]
    assert "Two workflows are named 'tests.app.workflows.sums', and neither can be used: " in result.stderr
