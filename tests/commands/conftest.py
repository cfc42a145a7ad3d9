"""Command tests call ``manage.py workflows`` in this process and read what it wrote; workflows run here too."""

import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from django_workflows.engine.drain import drain
from django_workflows.engine.live import live_handlers
from django_workflows.engine.worker import Worker
from django_workflows.models import Step
from tests.app import steps
from tests.engine.replays import assert_all_replay


@pytest.fixture(autouse=True)
def engine(transactional_db: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """A real database without rows, an engine without memories, and output of a known width."""
    monkeypatch.setenv("COLUMNS", "100")
    steps.calls.clear()
    steps.hooks.clear()
    live_handlers.clear()
    yield
    try:
        if request.node.get_closest_marker("by_hand") is None:
            assert_all_replay()
    finally:
        steps.hooks.clear()
        live_handlers.clear()


def fail_once(workflow_id: UUID) -> None:
    """Run a workflow until the first attempt of its first step has failed, however soon the next one is due."""

    def failed() -> bool:
        return Step.objects.filter(workflow_id=workflow_id, number=0).exclude(failures="[]").exists()

    drain(Worker(), stop=failed)
    assert Step.objects.get(workflow_id=workflow_id, number=0).attempt == 1


class Screen(io.StringIO):
    """An output that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        """What is left to see: live lines are drawn over."""
        return "\n".join(line.rpartition("\r\x1b[K")[2] for line in self.getvalue().split("\n"))


class AsciiPipe(io.StringIO):
    """An output that refuses all but ASCII."""

    encoding = "ascii"

    def write(self, text: str) -> int:
        text.encode("ascii")
        return super().write(text)


class Manage:
    """``manage.py workflows``: its output, its JSON, or how it failed."""

    def __call__(self, *arguments: object, out: io.StringIO | None = None) -> str:
        out = io.StringIO() if out is None else out
        call_command("workflows", *map(str, arguments), stdout=out)
        return out.getvalue()

    def json(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--json"))

    def error(self, *arguments: object, returncode: int, out: io.StringIO | None = None) -> str:
        """The message of a command that fails so."""
        with pytest.raises(CommandError) as caught:
            self(*arguments, out=out)
        assert caught.value.returncode == returncode, caught.value
        return str(caught.value)


@pytest.fixture
def manage() -> Manage:
    return Manage()
