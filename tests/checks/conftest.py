"""Handlers from source text, and what the checks say of them."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage

from django_workflows.checks.determinism import Inspection
from django_workflows.core.definitions import Definition

_numbers = itertools.count()
Modules = Callable[..., Any]
Findings = Callable[..., list[CheckMessage]]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Write source text to a file and import it: ``module(text)``, ``module(text, "name")``."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def write(text: str, name: str = "") -> Any:
        names.append(name or f"checked_{next(_numbers)}")
        (tmp_path / f"{names[-1]}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        return importlib.import_module(names[-1])

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def inspected(module: Modules) -> Findings:
    """What is found in ``handler`` of a module with that source."""

    def inspect(text: str, name: str = "") -> list[CheckMessage]:
        inspection = Inspection()
        inspection.inspect(Definition(name="shop.order", handler=module(text, name).handler))
        return inspection.messages()

    return inspect


@pytest.fixture
def agrees(inspected: Findings) -> Callable[[str], None]:
    """Assert that just the lines that end in ``#! W0xx`` are warned of, each of that."""

    def check(text: str) -> None:
        text = textwrap.dedent(text)
        wanted = {
            (number, identity)
            for number, line in enumerate(text.splitlines(), start=1)
            for marks in re.findall(r"#!(.*)", line)
            for identity in marks.split()
        }
        assert {(line_of(each), short_id(each)) for each in inspected(text)} == wanted

    return check


def line_of(message: CheckMessage) -> int:
    return int(str(message.obj).rpartition(":")[2])


def short_id(message: CheckMessage) -> str:
    return str(message.id).rpartition(".")[2]
