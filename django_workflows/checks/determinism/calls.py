"""Sees calls that a rule knows by name, and looks into the environment."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from typing import Any

from ...core.definitions import Definition, is_task
from ...manager import WorkflowManager
from .names import Ref, is_a, ref_to, resolve
from .rules import ENGINE, TASK, THREAD, Rule, Rules
from .scopes import Scope

#: What runs a function that it is given, at once: which of its positional arguments that is, or which keyword.
_RUNNERS: dict[str, int | str] = {
    "builtins.map": 0,
    "builtins.filter": 0,
    "builtins.iter": 0,
    "functools.partial": 0,
    "functools.reduce": 0,
    "builtins.sorted": "key",
    "builtins.min": "key",
    "builtins.max": "key",
}
_ENGINE_VERBS = frozenset(
    f"{prefix}{verb}"
    for verb in ("start", "status", "result", "watch", "list", "steps", "cancel", "restart", "cleanup")
    for prefix in ("", "a")
) | {"send_event", "asend_event", "create_event", "acreate_event", "retry_now", "aretry_now"}


def called(node: ast.Call, scope: Scope) -> Iterator[ast.expr]:
    """What a call calls: its function, and what ``map``, ``sorted(key=...)`` and the like are given to call."""
    yield node.func
    ref = resolve(node.func, scope)
    where = next((_RUNNERS[path] for path in ref.paths if path in _RUNNERS), None) if ref else None
    if isinstance(where, int):
        yield from node.args[where : where + 1]
    elif where is not None:
        yield from (keyword.value for keyword in node.keywords if keyword.arg == where)


class Calls:
    """Looks at one node at a time; says which rules it breaks."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def look(self, node: ast.AST, scope: Scope) -> Iterator[Rule]:
        if isinstance(node, ast.Call):
            yield from self._call(node, scope)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            ref = resolve(node, scope)
            rule = self._rules.of_reference(ref) if ref else None
            if rule:
                yield rule

    def _call(self, node: ast.Call, scope: Scope) -> Iterator[Rule]:
        if isinstance(node.func, ast.Attribute):
            yield from _by_attribute(node.func, scope)
        for target in called(node, scope):
            ref = resolve(target, scope)
            if ref is not None:
                # What is handed to somebody else to call gets arguments that nobody sees here.
                count = len(node.args) + len(node.keywords) if target is node.func else 0
                rules = (self._rules.of_call(ref, count), *self._factories(ref, node))
                yield from (rule for rule in rules if rule)

    def _factories(self, ref: Ref, node: ast.Call) -> Iterator[Rule | None]:
        """What making a dataclass or a pydantic model calls for the fields that it is not given."""
        given = {keyword.arg for keyword in node.keywords}
        if None in given:
            return
        for index, (name, factory) in enumerate(_fields(ref.value)):
            if factory is not None and name not in given and index >= len(node.args):
                yield self._rules.of_call(ref_to(factory), 0)


def _by_attribute(node: ast.Attribute, scope: Scope) -> Iterator[Rule]:
    if node.attr == "run_in_executor":
        yield THREAD
    elif node.attr in _ENGINE_VERBS:
        base = resolve(node.value, scope)
        if base is not None and is_a(base.value, (Definition, WorkflowManager)):
            yield ENGINE
    elif node.attr in ("enqueue", "aenqueue"):
        base = resolve(node.value, scope)
        if base is not None and is_task(base.value):
            yield TASK


def _fields(cls: Any) -> list[tuple[str, Any]]:
    """Name and default factory of each field, in order; ``None`` for a field without one."""
    if not is_a(cls, type):
        return []
    if dataclasses.is_dataclass(cls):
        return [
            (field.name, None if field.default_factory is dataclasses.MISSING else field.default_factory)
            for field in dataclasses.fields(cls)
            if field.init
        ]
    fields = vars(cls).get("__pydantic_fields__")
    return [(field.alias or name, field.default_factory) for name, field in fields.items()] if fields else []
