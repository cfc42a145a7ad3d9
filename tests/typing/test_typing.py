"""Type checkers see what steps, events and definitions take and give, and refuse wrong calls.

The files in ``cases`` are a user's code. Each line that ends in ``# refused: code, code`` must be refused by mypy with
just these codes, and by pyright for whatever reason; every other line must pass both. What calls give is said there by
``assert_type``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = sorted((HERE / "cases").glob("*.py"))
Refusals = set[tuple[str, int, str]]


def expected() -> Refusals:
    return {
        (case.name, number, code)
        for case in CASES
        for number, line in enumerate(case.read_text().splitlines(), start=1)
        for codes in re.findall(r"# refused: (.+)", line)
        for code in codes.split(", ")
    }


def without_codes(refusals: Refusals) -> set[tuple[str, int]]:
    return {(case, line) for case, line, _ in refusals}


def pyright() -> str | None:
    """The command, or that of basedpyright, its twin that needs no network, if one is beside Python or on the path.

    It is no requirement of the tests.
    """
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which("pyright", path=beside) or shutil.which("basedpyright", path=beside)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_case_has_what_passes_and_what_is_refused(case: Path) -> None:
    assert "assert_type(" in case.read_text()
    assert case.name in {name for name, _, _ in expected()}


def test_mypy_sees_types_and_refuses_wrong_calls(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    kept = getattr(pytestconfig, "cache", None)  # with it the next run takes half a second
    cache = kept.mkdir("mypy-of-the-typing-tests") if kept else tmp_path
    options = ["--config-file", str(HERE / "mypy.ini"), "--cache-dir", str(cache), "--output", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *map(str, CASES)], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 1, done.stdout + done.stderr
    problems = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [problem for problem in problems if problem["severity"] == "error"]
    assert {(Path(error["file"]).name, error["line"], error["code"]) for error in errors} == expected()


@pytest.mark.skipif(pyright() is None, reason="pyright is not installed")
def test_pyright_sees_types_and_refuses_wrong_calls() -> None:
    command = [str(pyright()), "--pythonpath", sys.executable, "--outputjson", *map(str, CASES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    problems: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    errors = [problem for problem in problems if problem["severity"] == "error"]
    found = {(Path(error["file"]).name, error["range"]["start"]["line"] + 1) for error in errors}
    assert found == without_codes(expected())


def test_package_says_that_it_is_typed() -> None:
    assert (ROOT / "django_workflows" / "py.typed").is_file()
