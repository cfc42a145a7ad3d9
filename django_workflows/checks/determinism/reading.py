"""Reads one function: what in it breaks which rule, and what it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType

from ...core.context import WorkflowContext
from . import awaits, database, instances
from .calls import Calls, called
from .names import instance_of, is_a, plain, ref_to, resolve
from .rules import Rule, Rules
from .scopes import Scope, Surroundings, scope_inside
from .sets import SetOrder
from .sources import Source
from .state import State

#: What a handler's first parameter stands for.
_CONTEXT = instance_of(ref_to(WorkflowContext))


@dataclass(frozen=True, slots=True)
class Sighting:
    """A rule that is broken at a line of a file, and how the code spells that."""

    rule: Rule
    line: int
    code: str


class Reading:
    """``sightings`` and ``calls`` of one function, with the functions inside of it."""

    def __init__(self, function: FunctionType, source: Source, rules: Rules, *, is_handler: bool = False) -> None:
        self.sightings: list[Sighting] = []
        self.calls: list[FunctionType] = []
        self._source = source
        looks = (Calls(rules).look, awaits.look, database.look, instances.look, SetOrder().look)
        self._looks = (*looks, State(source.rebound).look)
        node = source.function(function.__code__)
        if node is not None:
            scope = Scope(node, Surroundings(function), _CONTEXT if is_handler else None)
            for statement in node.body if isinstance(node.body, list) else []:
                self._read(statement, scope, (0, 0))

    def _read(self, node: ast.AST, scope: Scope, header: tuple[int, int]) -> None:
        """``header`` are the first and last line of the statement around, without what is indented under it."""
        if isinstance(node, ast.stmt):
            header = _header(node)
        self._judge(node, scope, header)
        inside = scope_inside(node, scope)
        for child in _children(node):
            self._read(child, inside, header)

    def _judge(self, node: ast.AST, scope: Scope, header: tuple[int, int]) -> None:
        rules = [rule for look in self._looks for rule in look(node, scope)]
        functions = list(_functions(node, scope))
        if not (rules or functions) or self._is_vouched(node, header):
            return
        self.calls += functions
        line, code = _place(node)
        self.sightings += [Sighting(rule, line, code) for rule in rules]

    def _is_vouched(self, node: ast.AST, header: tuple[int, int]) -> bool:
        line, end = _lines(node)
        return bool(self._source.vouched) and not self._source.vouched.isdisjoint({*range(line, end + 1), *header})


def _functions(node: ast.AST, scope: Scope) -> Iterator[FunctionType]:
    if isinstance(node, ast.Call):
        for target in called(node, scope):
            ref = resolve(target, scope)
            function = None if ref is None else plain(ref.value)
            if is_a(function, FunctionType) and function.__module__ != WorkflowContext.__module__:
                yield function  # type: ignore[misc]


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST))


def _header(node: ast.stmt) -> tuple[int, int]:
    body = getattr(node, "body", None)
    if body:
        return node.lineno, max(node.lineno, body[0].lineno - 1)
    return node.lineno, node.end_lineno or node.lineno


def _lines(node: ast.AST) -> tuple[int, int]:
    """First and last line; of a statement that has others under it, and of a loop, of what it iterates."""
    if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        node = node.iter
    line = getattr(node, "lineno", 0)
    return line, getattr(node, "end_lineno", None) or line


def _place(node: ast.AST) -> tuple[int, str]:
    shown = node.iter if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)) else node
    text = ast.unparse(shown)
    return _lines(node)[0], text if len(text) <= 60 else f"{text[:57]}..."
