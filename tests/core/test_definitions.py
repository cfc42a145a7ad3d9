"""A workflow's code is checked when it is defined; names are claimed once; step functions have a path."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from django_workflows.core.definitions import Definition, step_function_path
from django_workflows.core.registry import Registry
from django_workflows.exceptions import DefinitionNotFound, DuplicateDefinition, InvalidDefinition, InvalidStep

from . import steps


async def flow(step: Any, city: str = "Paris") -> str:
    return city


def define(handler: Any = flow, name: str = "shop.flow", **options: Any) -> Definition[Any, Any]:
    return Definition(name=name, handler=handler, **options)


def traced(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await handler(*args, **kwargs)

    return wrapper


@traced
async def first_traced(step: Any) -> None: ...


@traced
async def second_traced(step: Any) -> None: ...


# -- handlers


def not_async(step: Any) -> None: ...
async def without_context() -> None: ...
async def keyword_only(*, step: Any) -> None: ...
async def rest_only(*args: Any) -> None: ...
async def generator(step: Any) -> Any:
    yield step


class Callables:
    async def __call__(self, step: Any) -> None: ...


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (not_async, "a handler must be an `async def` whose first parameter is the WorkflowContext"),
        (generator, "a handler must be an `async def`"),
        (lambda step: None, "a handler must be an `async def`"),
        (Callables(), "a handler must be an `async def`"),
        (functools.partial(flow, city="Rome"), "a handler must be an `async def`"),
        (None, "a handler must be an `async def`"),
        (without_context, "the handler's first parameter must take the WorkflowContext"),
        (keyword_only, "the handler's first parameter must take the WorkflowContext"),
        (rest_only, "the handler's first parameter must take the WorkflowContext"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_handler_is_refused(handler: Any, said: str) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        define(handler)
    assert str(raised.value).startswith(f"shop.flow: {said}")


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines", None, 3])
def test_a_definition_needs_a_name(name: Any) -> None:
    with pytest.raises(InvalidDefinition, match="the name of a workflow definition: 1 to 200 printable characters"):
        define(name=name)


def test_the_signature_is_that_of_the_handler_without_its_context() -> None:
    signature = define().signature
    text = signature.encode_arguments((), {}, what="arguments", max_bytes=100, apply_defaults=True)
    assert text == '{"city":"Paris"}'
    assert define(first_traced).signature.decode_arguments("{}") == ((), {})


def test_definitions_are_themselves_and_can_be_kept_in_sets() -> None:
    assert len({define(), define()}) == 2


# -- the registry


def test_definitions_are_found_by_name_and_listed_in_order() -> None:
    registry = Registry()
    for name in ("shop.b", "shop.a"):
        registry.add(define(name=name))
    assert [each.name for each in registry] == ["shop.a", "shop.b"]
    assert registry.find("shop.a") is registry.get("shop.a")
    registry.remove("shop.a")
    registry.remove("shop.a")
    assert registry.get("shop.a") is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("shop.ordr", r"Did you mean shop.order\?"),
        ("something else entirely", r"Is its app in INSTALLED_APPS\?"),
        ("x" * 100_000, r"Is its app in INSTALLED_APPS\?"),
        (None, r"Is its app in INSTALLED_APPS\?"),
    ],
    ids=["near", "far", "long", "none"],
)
def test_an_unknown_name_is_refused_with_the_nearest_ones(name: Any, hint: str) -> None:
    registry = Registry()
    registry.add(define(name="shop.order"))
    with pytest.raises(DefinitionNotFound, match=hint) as raised:
        registry.find(name)
    assert len(str(raised.value)) < 600


def test_two_handlers_of_one_name_are_refused_and_both_places_are_named() -> None:
    async def another(step: Any) -> None: ...

    registry = Registry()
    first = define()
    registry.add(first)
    with pytest.raises(DuplicateDefinition) as raised:
        registry.add(define(another))
    for handler in (flow, another):
        assert f"{__file__}:{handler.__code__.co_firstlineno}" in str(raised.value)
    assert registry.get("shop.flow") is first


def test_where_duplicates_are_noted_nothing_is_found_under_their_name() -> None:
    async def another(step: Any) -> None: ...

    registry = Registry()
    with registry.noting_duplicates():
        registry.add(define())
        registry.add(define(another))
        registry.add(define(name="shop.other"))
    assert registry.get("shop.flow") is None
    assert [each.name for each in registry] == ["shop.other"]
    for use in (registry.find, registry.refuse_duplicate):
        with pytest.raises(DuplicateDefinition, match="another name") as raised:
            use("shop.flow")
        assert registry.duplicates["shop.flow"] in str(raised.value)
    with pytest.raises(DuplicateDefinition):
        registry.add(define(another, name="shop.other"))


def test_two_handlers_of_one_name_are_told_apart_behind_a_decorator() -> None:
    registry = Registry()
    registry.add(define(first_traced))
    with pytest.raises(DuplicateDefinition):
        registry.add(define(second_traced))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "reloaded_flows.py").write_text("async def flow(step): ...\ndef work(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("reloaded_flows")
    del sys.modules["reloaded_flows"]


def test_a_module_that_is_loaded_again_replaces_its_own(module: ModuleType) -> None:
    registry = Registry()
    registry.add(define(module.flow))
    reloaded = define(importlib.reload(module).flow)
    registry.add(reloaded)
    assert registry.find("shop.flow") is reloaded


def test_managers_of_one_module_have_pools_of_their_own() -> None:
    registry = Registry()
    assert [registry.new_pool_name(module) for module in ("a", "b", "a")] == ["a", "b", "a#2"]


# -- step functions


def test_a_step_function_is_known_by_its_path(module: ModuleType) -> None:
    assert step_function_path(steps.echo) == "tests.core.steps.echo"
    assert step_function_path(module.work) == "reloaded_flows.work"


def test_a_function_that_its_module_no_longer_has_is_refused(module: ModuleType) -> None:
    old = module.work
    importlib.reload(module)
    with pytest.raises(InvalidStep, match="would run something else"):
        step_function_path(old)


def test_a_function_of_a_module_that_is_not_loaded_is_refused() -> None:
    def orphan() -> None: ...

    orphan.__module__, orphan.__qualname__ = "nowhere", "orphan"
    with pytest.raises(InvalidStep, match="is not the function that `from nowhere import orphan` gives"):
        step_function_path(orphan)


def test_what_cannot_be_shown_briefly_is_shown_cut_off() -> None:
    with pytest.raises(InvalidStep) as raised:
        step_function_path("x" * 10_000)
    assert len(str(raised.value)) < 400


def test_a_decorated_step_function_is_itself_what_its_module_has() -> None:
    assert step_function_path(second_traced) == "tests.core.test_definitions.second_traced"
