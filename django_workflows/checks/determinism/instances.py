"""Sees what is read of model instances: a workflow function has references to them, which know their primary key."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any, Optional

from django.db.models import Model

from ...core.definitions import Definition
from ...core.hints import result_type
from ...engine.instances import key_names
from ...exceptions import InvalidStep
from .names import is_a, resolve
from .rules import INSTANCE, Rule
from .scopes import Binding, Scope, unquoted

_STEPS = frozenset({"run_query", "run_mutation", "run_action", "run_workflow"})


def look(node: ast.AST, scope: Scope) -> Iterator[Rule]:
    """INSTANCE, where a node reads or sets more of an argument or a step's result than its primary key."""
    if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
        model = _model_of(node.value, scope)
        if model is not None and node.attr not in key_names(model):
            yield INSTANCE


def _model_of(node: ast.expr, scope: Scope) -> type[Model] | None:
    """The model of an expression that is an annotated parameter, or what a step returned."""
    if isinstance(node, ast.Await):
        return _model_of_step(node.value, scope)
    owner = scope.owner(node.id) if isinstance(node, ast.Name) else None
    if owner is None:
        return None
    bindings = owner.bindings(node.id)  # type: ignore[attr-defined]
    return _model_bound(bindings[0], owner) if len(bindings) == 1 else None


def _model_bound(binding: Binding, scope: Scope) -> type[Model] | None:
    if binding.value is not None:
        return _model_of_step(binding.value.value, scope) if isinstance(binding.value, ast.Await) else None
    return None if binding.annotation is None else _annotated(unquoted(binding.annotation), scope)


def _annotated(annotation: ast.expr, scope: Scope) -> type[Model] | None:
    """The model of ``Order``, ``Order | None`` and ``Optional[Order]``."""
    if isinstance(annotation, ast.BinOp):
        return _annotated(annotation.left, scope) or _annotated(annotation.right, scope)
    if isinstance(annotation, ast.Subscript):
        ref = resolve(annotation.value, scope)
        return _annotated(annotation.slice, scope) if ref is not None and ref.value is Optional else None
    ref = resolve(annotation, scope)
    return _as_model(None if ref is None else ref.value)


def _model_of_step(node: ast.expr, scope: Scope) -> type[Model] | None:
    """The model that the function of ``step.run_query(fn, ...)`` and its like is annotated to return."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return None
    ref = resolve(node.args[0], scope) if node.func.attr in _STEPS else None
    if ref is None or not is_a(ref.value, (FunctionType, Definition)):
        return None
    function: Any = ref.value.handler if is_a(ref.value, Definition) else ref.value
    try:
        return _as_model(result_type(function, inspect.signature(function)))
    except (InvalidStep, TypeError, ValueError):
        return None


def _as_model(value: Any) -> type[Model] | None:
    return value if is_a(value, type) and issubclass(value, Model) else None
