"""The house stays as it was drawn: import contracts, and modules that can be read in one go."""

from pathlib import Path

import pytest
from importlinter import cli

import django_workflows

PACKAGE = Path(django_workflows.__file__).parent
ROOT = PACKAGE.parent
MAX_LINES = 250
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


def test_imports_keep_the_contracts(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT)
    status = cli.lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capfd.readouterr().out


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{lines} lines, {MAX_LINES} are the limit: split {path.name} by noun or verb"
