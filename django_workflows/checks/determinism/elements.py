"""Tells which expressions are sets whose order differs between processes, by what is known of their elements."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from .names import MISSING, is_a, resolve
from .scopes import Binding, Scope, scope_inside, unquoted

_SETS = frozenset({"builtins.set", "builtins.frozenset"})
_SET_TYPES = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
#: These hash the same in every process; futures and tasks do on the workflow's loop.
_STEADY_TYPES = frozenset({"int", "float", "bool", "complex", "UUID", "Decimal", "Task", "Future"})
_STEADY_VALUES = (int, float, complex, Decimal, UUID)
_STEADY_CALLS = frozenset(
    {
        "builtins.int",
        "builtins.float",
        "builtins.bool",
        "builtins.len",
        "builtins.ord",
        "builtins.abs",
        "builtins.round",
        "uuid.UUID",
        "decimal.Decimal",
        "asyncio.create_task",
        "asyncio.ensure_future",
        "asyncio.tasks.create_task",
        "asyncio.tasks.ensure_future",
    }
)
#: Methods of tasks groups and of the context whose result is a future.
_FUTURE_METHODS = frozenset(
    {
        "create_task",
        "ensure_future",
        "create_future",
        "run_query",
        "run_mutation",
        "run_action",
        "run_workflow",
        "await_event",
        "sleep",
        "sleep_until",
        "create_event",
    }
)
_SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)


def is_unordered(node: ast.expr, scope: Scope) -> bool:
    """Whether that is a set which may iterate differently in another process."""
    judge = _JUDGES.get(type(node))
    return judge is not None and judge(node, scope)


def is_steady(node: ast.expr, scope: Scope) -> bool:
    """Whether that is a number, or something else that hashes the same everywhere."""
    if isinstance(node, ast.Constant):
        return is_a(node.value, _STEADY_VALUES)
    if isinstance(node, ast.UnaryOp):
        return is_steady(node.operand, scope)
    if isinstance(node, ast.BinOp):
        return is_steady(node.left, scope) and is_steady(node.right, scope)
    if isinstance(node, ast.Call):
        return _gives_steady(node, scope)
    if isinstance(node, ast.Name):
        owner = scope.owner(node.id)
        return owner is not None and all(_binds_steady(each, owner) for each in owner.bindings(node.id))
    return False


def _gives_steady(node: ast.Call, scope: Scope) -> bool:
    if isinstance(node.func, ast.Attribute) and node.func.attr in _FUTURE_METHODS:
        return True
    ref = resolve(node.func, scope)
    return ref is not None and not _STEADY_CALLS.isdisjoint(ref.paths)


def _binds_steady(binding: Binding, scope: Scope) -> bool:
    if binding.annotation is not None:
        return _type_name(binding.annotation) in _STEADY_TYPES
    if binding.value is not None:
        return is_steady(binding.value, scope)
    return binding.iterates is not None and _has_steady_elements(binding.iterates, scope)


def _has_steady_elements(node: ast.expr, scope: Scope) -> bool:
    """Whether iterating that gives only what hashes the same everywhere."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return all(is_steady(each, scope) for each in node.elts)
    if isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp)):
        return is_steady(node.elt, scope_inside(node, scope))
    if isinstance(node, ast.Call):
        ref = resolve(node.func, scope)
        if ref is not None and "builtins.range" in ref.paths:
            return True
        return len(node.args) == 1 and bool(_paths(ref) & _CONTAINERS) and _has_steady_elements(node.args[0], scope)
    if isinstance(node, ast.Name):
        owner = scope.owner(node.id)
        return owner is not None and all(_binds_steady_elements(each, owner) for each in owner.bindings(node.id))
    return False


_CONTAINERS = _SETS | {"builtins.list", "builtins.tuple", "builtins.sorted"}


def _binds_steady_elements(binding: Binding, scope: Scope) -> bool:
    if binding.annotation is not None:
        inside = _inside(binding.annotation)
        return bool(inside) and all(_type_name(each) in _STEADY_TYPES for each in inside)
    return binding.value is not None and _has_steady_elements(binding.value, scope)


def _paths(ref: Any) -> frozenset[str]:
    return frozenset() if ref is None else frozenset(ref.paths)


# -- kinds of expressions


def _literal(node: ast.Set, scope: Scope) -> bool:
    return not all(is_steady(each, scope) for each in node.elts)


def _comprehension(node: ast.SetComp, scope: Scope) -> bool:
    return not is_steady(node.elt, scope_inside(node, scope))


def _choice(node: ast.IfExp, scope: Scope) -> bool:
    return is_unordered(node.body, scope) or is_unordered(node.orelse, scope)


def _call(node: ast.Call, scope: Scope) -> bool:
    """``set(names)``, ``names.union(others)``; an empty ``set()`` has no order to lose."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in _SET_METHODS:
        return is_unordered(node.func.value, scope)
    if not node.args or _paths(resolve(node.func, scope)).isdisjoint(_SETS):
        return False
    return not _has_steady_elements(node.args[0], scope)


def _operation(node: ast.BinOp, scope: Scope) -> bool:
    sides = (node.left, node.right)
    return isinstance(node.op, _SET_OPERATORS) and any(is_unordered(each, scope) or _is_keys(each) for each in sides)


def _is_keys(node: ast.expr) -> bool:
    """``a.keys() & b.keys()`` is a set."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def _name(node: ast.Name, scope: Scope) -> bool:
    owner = scope.owner(node.id)
    if owner is None:
        return _known_set(node, scope)
    return all(_binds_unordered(each, node.id, owner) for each in owner.bindings(node.id))


def _known_set(node: ast.expr, scope: Scope) -> bool:
    """A set of the module, whose elements can be looked at."""
    ref = resolve(node, scope)
    if ref is None or ref.value is MISSING or not is_a(ref.value, (set, frozenset)):
        return False
    return not all(is_a(element, _STEADY_VALUES) for element in ref.value)


def _binds_unordered(binding: Binding, name: str, scope: Scope) -> bool:
    if binding.annotation is not None:
        inside = _inside(binding.annotation)
        return _type_name(binding.annotation) in _SET_TYPES and not all(
            _type_name(each) in _STEADY_TYPES for each in inside or [binding.annotation]
        )
    if binding.value is None:
        return False
    return is_unordered(binding.value, scope) or (_is_empty_set(binding.value, scope) and any(_additions(name, scope)))


def _is_empty_set(node: ast.expr, scope: Scope) -> bool:
    return isinstance(node, ast.Call) and not node.args and not _paths(resolve(node.func, scope)).isdisjoint(_SETS)


def _additions(name: str, scope: Scope) -> Iterator[bool]:
    """For each ``name.add(x)`` and ``name.update(xs)``: whether that brings in what has no fixed order."""
    for node in ast.walk(scope.node):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == name:
            if node.func.attr == "add":
                yield not all(is_steady(each, scope) for each in node.args)
            elif node.func.attr == "update":
                yield not all(_has_steady_elements(each, scope) for each in node.args)


def _type_name(annotation: ast.expr) -> str:
    """``set`` for ``set[str]``, ``Task`` for ``asyncio.Task[int]``."""
    node = unquoted(annotation)
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _inside(annotation: ast.expr) -> list[ast.expr]:
    """The types between the brackets, but for the dots of ``tuple[int, ...]``."""
    node = unquoted(annotation)
    if not isinstance(node, ast.Subscript):
        return []
    inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return [each for each in inside if not (isinstance(each, ast.Constant) and each.value is ...)]


_JUDGES: dict[type[ast.expr], Callable[[Any, Scope], bool]] = {
    ast.Set: _literal,
    ast.SetComp: _comprehension,
    ast.IfExp: _choice,
    ast.Call: _call,
    ast.BinOp: _operation,
    ast.Name: _name,
    ast.Attribute: _known_set,
}
