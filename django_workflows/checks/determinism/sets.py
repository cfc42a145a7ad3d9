"""Sees iteration over sets whose elements hash differently in each process: strings, and most things but numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .elements import is_unordered
from .names import resolve
from .rules import SET_ORDER, Rule
from .scopes import Scope

#: What takes the elements in their order: the first positional argument that is iterated.
_IN_ORDER = {
    **dict.fromkeys(("list", "tuple", "enumerate", "iter", "zip", "reversed"), 0),
    **dict.fromkeys(("map", "filter"), 1),
}
_IN_ORDER = {f"builtins.{name}": first for name, first in _IN_ORDER.items()} | {"builtins.dict.fromkeys": 0}
#: What gives the same for any order.
_ANY_ORDER = frozenset(f"builtins.{name}" for name in ("sorted", "len", "sum", "min", "max", "any", "all", "set"))
_ANY_ORDER |= {"builtins.frozenset"}
_COMPREHENSIONS = (ast.GeneratorExp, ast.ListComp, ast.SetComp)
#: Awaiting or asking for steps takes an order even where the result does not show it.
_EFFECTS = (ast.Await, ast.Yield, ast.YieldFrom)


class SetOrder:
    """Looks at one node at a time, outer ones first."""

    def __init__(self) -> None:
        self._harmless: set[int] = set()

    def look(self, node: ast.AST, scope: Scope) -> Iterator[Rule]:
        self._excuse(node, scope)
        if id(node) in self._harmless:
            return
        if any(is_unordered(each, scope) for each in _iterated(node, scope)):
            yield SET_ORDER

    def _excuse(self, node: ast.AST, scope: Scope) -> None:
        """``sum(len(x) for x in names)`` and ``{len(x) for x in names}`` come to the same for any order."""
        taken: list[ast.expr] = []
        if isinstance(node, ast.SetComp):
            taken = [node]
        elif isinstance(node, ast.Call) and _paths(node.func, scope) & _ANY_ORDER:
            taken = node.args
        for each in taken:
            if isinstance(each, _COMPREHENSIONS) and not _has_effects(each):
                self._harmless |= {id(generator) for generator in each.generators}


def _iterated(node: ast.AST, scope: Scope) -> Iterator[ast.expr]:
    """The expressions that a node iterates in their order."""
    if isinstance(node, (ast.For, ast.comprehension)):
        yield node.iter
    elif isinstance(node, ast.Starred) and isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Call):
        yield from _taken_in_order(node, scope)


def _taken_in_order(node: ast.Call, scope: Scope) -> Iterator[ast.expr]:
    if isinstance(node.func, ast.Attribute) and node.func.attr == "pop" and not node.args:
        yield node.func.value
    elif isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        yield from node.args[:1]
    else:
        first = next((_IN_ORDER[path] for path in _paths(node.func, scope) if path in _IN_ORDER), None)
        if first is not None:
            yield from node.args[first:]


def _paths(node: ast.expr, scope: Scope) -> set[str]:
    ref = resolve(node, scope)
    return set() if ref is None else set(ref.paths)


def _has_effects(node: ast.AST) -> bool:
    return any(isinstance(inner, _EFFECTS) for inner in ast.walk(node))
