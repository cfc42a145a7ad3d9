"""``manage.py workflows definitions``."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import pytest

from django_workflows import WorkflowContext, WorkflowManager
from django_workflows.core.registry import registry
from tests.commands.conftest import Manage


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Order:
    sku: str
    size: Size


async def orders(
    step: WorkflowContext,
    lines: list[Order],
    size: Size,
    mode: Literal["fast", "slow"] = "fast",
    note: str | None = None,
    anything=None,
    deep: list[list[list[list[list[int]]]]] | None = None,
    **others: int,
) -> Order:
    """Handle \x1b[31m orders.

    With a second paragraph.
    """
    raise NotImplementedError


async def unreadable(step: WorkflowContext, order: "NotThere") -> None:  # type: ignore[name-defined]  # noqa: F821
    raise NotImplementedError


@pytest.fixture(autouse=True)
def definitions() -> Iterator[None]:
    manager = WorkflowManager()
    for handler in (orders, unreadable):
        manager.define(name=f"a.{handler.__name__}")(handler)
    yield
    registry.remove("a.orders")
    registry.remove("a.unreadable")


def test_names_arguments_and_docs_are_listed(manage: Manage) -> None:
    lines = manage("definitions").splitlines()
    assert lines[0] == (
        'a.orders(lines: array of Order, size: "s" or "l", mode: "fast" or "slow" = "fast", '
        "note: string or null = null, anything: anything = null, "
        "deep: array of array of array of ... or null = null, others: object = ..., ...)"
    )
    assert lines[1] == r"    Handle \x1b[31m orders."
    assert lines[2].startswith("a.unreadable(what cannot be read: ")
    assert "NotThere" in lines[2]
    assert "tests.app.workflows.sums(numbers: array of integer)" in lines


def test_one_definition_is_shown_by_name(manage: Manage) -> None:
    assert manage("definitions", "tests.app.workflows.sums") == "tests.app.workflows.sums(numbers: array of integer)\n"
    assert "Did you mean tests.app.workflows.sums" in manage.error(
        "definitions", "tests.app.workflows.sum", returncode=2
    )


def test_json_has_the_schema_of_the_arguments(manage: Manage) -> None:
    (found,) = manage.json("definitions", "tests.app.workflows.sums")["definitions"]
    assert found["name"] == "tests.app.workflows.sums"
    assert found["arguments"]["properties"] == {"numbers": {"items": {"type": "integer"}, "type": "array"}}
    assert found["arguments"]["required"] == ["numbers"]
    assert found["result"] == {"type": "integer"}
    assert found["problem"] is None


def test_a_definition_that_cannot_be_read_is_no_reason_to_stop(manage: Manage) -> None:
    found = {each["name"]: each for each in manage.json("definitions")["definitions"]}
    assert found["a.unreadable"]["arguments"] is None
    assert "NotThere" in found["a.unreadable"]["problem"]
    assert found["a.orders"]["doc"] == "Handle \x1b[31m orders.\n\nWith a second paragraph."


def test_a_project_without_workflows_is_told_where_they_belong(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_definitions", {})
    assert "No workflows are defined." in manage("definitions")
