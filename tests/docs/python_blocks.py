"""Executes the Python blocks of a page: files as modules, snippets in one namespace, what awaits as a handler."""

from __future__ import annotations

import ast
import doctest
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib import admin
from django.core.checks import CheckMessage
from django.dispatch import Signal
from django.test import override_settings
from prometheus_client import REGISTRY

from django_workflows import WorkflowContext, WorkflowManager, signals
from django_workflows.checks.brokers import check_broker
from django_workflows.checks.cluster import check_cluster
from django_workflows.checks.database import check_database
from django_workflows.checks.settings import check_settings
from django_workflows.core.definitions import Definition
from django_workflows.core.registry import registry
from django_workflows.models import Step
from tests.docs.blocks import Block
from tests.engine.driver import advance, run

workflow = WorkflowManager()

#: Settings that a block may show; they are looked at by our own checks.
_SETTINGS = ("DJANGO_WORKFLOWS", "Q_CLUSTER", "DATABASES", "SILENCED_SYSTEM_CHECKS", "TASKS")


def _check_tasks() -> list[CheckMessage]:
    if not django_settings.TASKS_FRAMEWORK:
        return []
    backends = import_module(django_settings.TASKS_FRAMEWORK).task_backends
    return [problem for backend in backends.all() for problem in backend.check()]


_CHECKS = (check_settings, check_cluster, check_broker, check_database, _check_tasks)
_MOVES = 60


class Page:
    """The Python of one page. ``samples`` are the arguments and event values with which its workflows are run.

    A block may set ``SAMPLES = {...}``, hidden, for what is not known here.
    """

    def __init__(self, name: str, samples: Mapping[str, Any]) -> None:
        self._samples = dict(samples)
        self.module = _new_module(f"docs_{name}")
        self.module.__dict__.update(samples)

    def run(self, block: Block) -> None:
        module = self._file(block.file) if block.file.endswith(".py") and "/" in block.file else self.module
        tree = _parsed(block)
        if _awaits(tree):
            self._run_handler(block, tree)
        else:
            exec(compile(tree, block.place, "exec"), module.__dict__)
        if module is not self.module:
            shown = {key: value for key, value in module.__dict__.items() if not key.startswith("__")}
            self.module.__dict__.update(shown)
        self._samples.update(self.module.__dict__.get("SAMPLES", {}))
        _look_at_settings(_bound_names(tree), module)

    def run_doctest(self, block: Block) -> None:
        parsed = doctest.DocTestParser().get_doctest(block.code, self.module.__dict__, block.place, None, block.line)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        said: list[str] = []
        runner.run(parsed, out=said.append, clear_globs=False)
        assert not runner.summarize(verbose=False).failed, "".join(said)

    def run_workflows(self, definitions: list[Definition[Any, Any]]) -> None:
        """Start what the page defines, and see each to its end."""
        for definition in definitions:
            needed = list(inspect.signature(definition.handler).parameters.values())[1:]
            missing = [each.name for each in needed if each.default is each.empty and each.name not in self._samples]
            assert not missing, f"{definition.name}: no sample for {missing}; set SAMPLES in a hidden block"
            arguments = {each.name: self._samples[each.name] for each in needed if each.name in self._samples}
            self._see_through(workflow.start(definition.name, arguments))

    def _file(self, path: str) -> ModuleType:
        name = ".".join(PurePosixPath(path).with_suffix("").parts)
        known = sys.modules.get(name)
        if known is None or not getattr(known, "__of_a_page__", False):
            known = _new_module(name)
            for definition in [each for each in registry if each.name.startswith(f"{name}.")]:
                registry.remove(definition.name)  # the shop's own, in whose place the page has another
        return known

    def _run_handler(self, block: Block, tree: ast.Module) -> None:
        name = f"block_{block.line}"
        source = ast.parse(f"async def {name}(step): ...")
        handler = source.body[0]
        assert isinstance(handler, ast.AsyncFunctionDef)
        handler.body = tree.body
        exec(compile(ast.fix_missing_locations(source), block.place, "exec"), self.module.__dict__)
        function = self.module.__dict__[name]
        function.__annotations__["step"] = WorkflowContext
        definition = workflow.define(name=f"{self.module.__name__}.{name}")(function)
        self._see_through(definition.start())
        registry.remove(definition.name)

    def _see_through(self, workflow_id: UUID) -> None:
        """Run to the end, moving the clock over whatever it waits for, and sending what it asks for."""
        for _ in range(_MOVES):
            run()
            status = workflow.status(workflow_id)
            if status.type == "in_progress":
                assert status.blocked is None, status.blocked
                self._send_what_is_awaited()
                advance(86_400)
                continue
            assert status.type in ("completed", "canceled"), status
            return
        raise AssertionError(f"{workflow_id} does not end: {workflow.status(workflow_id)}")

    def _send_what_is_awaited(self) -> None:
        for step in Step.objects.filter(kind="event", state="waiting"):
            if step.name in self._samples:
                workflow.send_event(step.workflow_id, step.name, self._samples[step.name])


def _new_module(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(__of_a_page__=True, __file__=f"{name.replace('.', '/')}.py")
    sys.modules[name] = module
    package, _, last = name.rpartition(".")
    if package in sys.modules:
        setattr(sys.modules[package], last, module)
    return module


def _parsed(block: Block) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile("\n" * block.line + block.code, block.place, "exec", flags=flags)
    assert isinstance(tree, ast.Module)
    return tree


def _awaits(tree: ast.AST) -> bool:
    """Whether something is awaited outside of a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and _awaits(node):
            return True
    return False


def _bound_names(tree: ast.Module) -> set[str]:
    """The names that are bound at the top level."""
    targets = (target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _look_at_settings(names: set[str], module: ModuleType) -> None:
    shown = {key: module.__dict__[key] for key in _SETTINGS if key in names}
    if "DATABASES" in shown:
        databases = shown.pop("DATABASES")
        shown["DATABASES"] = {**django_settings.DATABASES, **databases}
    if shown:
        with override_settings(**shown):
            problems = [problem for check in _CHECKS for problem in check() if not problem.is_silenced()]
        assert not problems, problems


@contextmanager
def undone() -> Iterator[None]:
    """What a page does to the process is undone at the end: modules, definitions, receivers, collectors, admin."""
    admins = dict(admin.site._registry)
    if django_settings.TASKS_FRAMEWORK == "django_tasks":  # under the name that Django has given it since
        sys.modules["django.tasks"] = import_module("django_tasks")
    modules, definitions, functions = dict(sys.modules), dict(registry._definitions), dict(registry.functions)
    collectors = set(REGISTRY._collector_to_names)
    receivers = {signal: list(signal.receivers) for signal in vars(signals).values() if isinstance(signal, Signal)}
    try:
        yield
    finally:
        for collector in set(REGISTRY._collector_to_names) - collectors:
            REGISTRY.unregister(collector)
        for signal, before in receivers.items():
            signal.receivers = before
        admin.site._registry = admins
        _restore_modules(modules)
        registry._definitions, registry.functions = definitions, functions
        if django_settings.TASKS_FRAMEWORK == "django_tasks":
            del sys.modules["django.tasks"]


def _restore_modules(modules: Mapping[str, ModuleType]) -> None:
    for name in [name for name, module in sys.modules.items() if getattr(module, "__of_a_page__", False)]:
        del sys.modules[name]
        if name in modules:
            sys.modules[name] = modules[name]
            package, _, last = name.rpartition(".")
            setattr(sys.modules[package], last, modules[name])
