"""Sees state that outlives the handler: what it changes outside of itself, and what others change under it."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator
from types import FunctionType, ModuleType

from .names import MISSING, is_a, resolve
from .rules import STATE, STATE_READ, Rule
from .scopes import Scope

_CONTAINERS = (list, dict, set, bytearray, deque)
_CHANGES = frozenset(
    {
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "insert",
        "add",
        "update",
        "setdefault",
        "pop",
        "popleft",
        "popitem",
        "remove",
        "discard",
        "clear",
        "sort",
        "reverse",
        "rotate",
    }
)


class State:
    """Looks at one node at a time. ``rebound`` are the module's names that functions bind anew."""

    def __init__(self, rebound: frozenset[str]) -> None:
        self._rebound = rebound

    def look(self, node: ast.AST, scope: Scope) -> Iterator[Rule]:
        if isinstance(node, ast.Global) or _changes_outside(node, scope):
            yield STATE
        elif isinstance(node, ast.Name) and self._reads_rebound(node, scope):
            yield STATE_READ

    def _reads_rebound(self, node: ast.Name, scope: Scope) -> bool:
        if node.id not in self._rebound or not isinstance(node.ctx, ast.Load) or scope.owner(node.id):
            return False
        ref = scope.lookup(node.id)
        return ref is not None and not is_a(ref.value, (FunctionType, ModuleType, type))


def _changes_outside(node: ast.AST, scope: Scope) -> bool:
    if isinstance(node, ast.Call):
        return _mutates(node, scope)
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        return _is_outside(node.value, scope)
    return False


def _mutates(node: ast.Call, scope: Scope) -> bool:
    """``CACHE.append(...)``, ``next(COUNTER)``."""
    if isinstance(node.func, ast.Attribute):
        if node.func.attr not in _CHANGES or not _is_outside(node.func.value, scope):
            return False
        ref = resolve(node.func.value, scope)
        return ref is not None and not ref.instance and is_a(ref.value, _CONTAINERS)
    return (
        isinstance(node.func, ast.Name)
        and node.func.id == "next"
        and bool(node.args)
        and isinstance(node.args[0], ast.Name)
        and _is_outside(node.args[0], scope)
    )


def _is_outside(node: ast.expr, scope: Scope) -> bool:
    """Whether an expression begins with a name that is not the handler's own."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    if not isinstance(node, ast.Name) or scope.owner(node.id):
        return False
    ref = scope.lookup(node.id)
    return ref is not None and ref.value is not MISSING
