"""The house stays as it was drawn: import contracts."""

from pathlib import Path

import pytest
from importlinter import cli

import django_workflows

PACKAGE = Path(django_workflows.__file__).parent
ROOT = PACKAGE.parent


def test_imports_keep_the_contracts(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT)
    status = cli.lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capfd.readouterr().out
