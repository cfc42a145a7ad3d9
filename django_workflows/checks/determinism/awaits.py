"""Sees calls whose outcome is dropped: steps that nobody awaits are canceled when the workflow ends."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from ...core.context import WorkflowContext
from .names import plain, resolve
from .rules import NEVER_AWAITED, Rule
from .scopes import Scope

_METHODS = (
    *("run_query", "run_mutation", "run_action", "run_workflow", "map"),
    *("await_event", "create_event", "sleep", "sleep_until"),
)
_STEPS = frozenset(f"{WorkflowContext.__module__}.{WorkflowContext.__qualname__}.{name}" for name in _METHODS)
#: What makes one future of several.
_GROUPS = frozenset({"asyncio.gather", "asyncio.tasks.gather"})


def look(node: ast.AST, scope: Scope) -> Iterator[Rule]:
    dropped = _dropped(node, scope)
    if isinstance(dropped, ast.Call) and _is_to_be_awaited(dropped, scope):
        yield NEVER_AWAITED


def _dropped(node: ast.AST, scope: Scope) -> ast.expr | None:
    """The expression of a statement whose value nothing in the function can reach any more."""
    if isinstance(node, ast.Expr):
        return node.value
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    is_dropped = bool(targets) and all(_is_unused(target, scope) for target in targets)
    return node.value if is_dropped and isinstance(node, (ast.Assign, ast.AnnAssign)) else None


def _is_unused(target: ast.expr, scope: Scope) -> bool:
    """Whether this is a name of the function's own that nothing in it ever reads."""
    if not isinstance(target, ast.Name) or scope.owner(target.id) is not scope:
        return False
    names = (inner for inner in ast.walk(scope.node) if isinstance(inner, ast.Name))
    reads = any(inner.id == target.id and not isinstance(inner.ctx, ast.Store) for inner in names)
    return not reads and not _may_be_read_by_name(scope)


def _may_be_read_by_name(scope: Scope) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in ("locals", "eval", "exec") for inner in ast.walk(scope.node))


def _is_to_be_awaited(call: ast.Call, scope: Scope) -> bool:
    ref = resolve(call.func, scope)
    if ref is None:
        return False
    if not _STEPS.isdisjoint(ref.paths) or inspect.iscoroutinefunction(plain(ref.value)):
        return True
    return not _GROUPS.isdisjoint(ref.paths)
