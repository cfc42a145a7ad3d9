"""Which names are a function's own, and what the others stand for."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from types import FunctionType
from typing import Any

from .names import MISSING, Ref, imported, instance_of, ref_to, resolve

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Binding:
    """One place at which a function binds a name: to an expression, to what an expression iterates, by an import.

    With nothing of these: to something that is only known when it runs.
    """

    value: ast.expr | None = None
    annotation: ast.expr | None = None
    iterates: ast.expr | None = None
    ref: Ref | None = None


class Surroundings:
    """The names around a function: its closure's, its module's, Python's own."""

    def __init__(self, function: FunctionType) -> None:
        self._globals = function.__globals__
        self.package = str(self._globals.get("__package__") or "")
        self._closure = dict(_cells(function))

    def lookup(self, name: str) -> Ref | None:
        for names in (self._closure, self._globals, vars(builtins)):
            if name in names:
                value = names[name]
                return None if value is MISSING else ref_to(value)
        return None


def _cells(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not bound yet
            yield name, MISSING


class Scope:
    """The names of one function or comprehension. Functions and comprehensions inside have scopes of their own."""

    def __init__(
        self, node: FunctionNode | Comprehension, around: Surroundings | Scope, first: Ref | None = None
    ) -> None:
        """``first`` is what its first parameter stands for, where it has no annotation."""
        self.node = node
        self._around = around
        self.package: str = around.package
        self._bindings: dict[str, list[Binding]] = {}
        self._resolving: set[str] = set()
        for argument in () if isinstance(node, COMPREHENSIONS) else _arguments(node.args):
            known = first if argument.annotation is None else None
            self._bind(argument.arg, Binding(annotation=argument.annotation, ref=known))
            first = None
        elsewhere: set[str] = set()
        for inner in own_nodes(node):
            if isinstance(inner, (ast.Global, ast.Nonlocal)):
                elsewhere |= set(inner.names)
            for name, binding in _bindings_of(inner, self.package):
                self._bind(name, binding)
        for name in elsewhere:
            self._bindings.pop(name, None)

    def _bind(self, name: str, binding: Binding) -> None:
        self._bindings.setdefault(name, []).append(binding)

    def lookup(self, name: str) -> Ref | None:
        if name not in self._bindings:
            return self._around.lookup(name)
        bindings = self._bindings[name]
        if len(bindings) > 1 or name in self._resolving:
            return None
        self._resolving.add(name)
        try:
            return self._meaning(bindings[0])
        finally:
            self._resolving.remove(name)

    def _meaning(self, binding: Binding) -> Ref | None:
        if binding.ref is not None:
            return binding.ref
        if binding.value is not None:
            return resolve(binding.value, self)
        return None if binding.annotation is None else instance_of(resolve(unquoted(binding.annotation), self))

    def owner(self, name: str) -> Scope | None:
        """The scope that binds a name, this one or one around it; ``None`` for a module's names."""
        if name in self._bindings:
            return self
        return self._around.owner(name) if isinstance(self._around, Scope) else None

    def bindings(self, name: str) -> list[Binding]:
        """Where this scope itself binds a name."""
        return self._bindings.get(name, [])


def scope_inside(node: ast.AST, scope: Scope) -> Scope:
    """The scope of what is under a node: one of its own, or the scope that it stands in."""
    return Scope(node, scope) if isinstance(node, (*FUNCTIONS, *COMPREHENSIONS)) else scope


def own_nodes(node: FunctionNode | Comprehension) -> Iterator[ast.AST]:
    """The nodes of a scope, other scopes inside of it themselves but not what is in them."""
    waiting: list[ast.AST] = []
    if isinstance(node, COMPREHENSIONS):
        waiting.extend(node.generators)
    else:
        waiting.extend(node.body if isinstance(node.body, list) else [node.body])
    while waiting:
        inner = waiting.pop()
        yield inner
        if isinstance(inner, COMPREHENSIONS):
            # Their walruses bind in the function around.
            yield from (each for each in ast.walk(inner) if isinstance(each, ast.NamedExpr))
        elif not isinstance(inner, FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(inner))


def unquoted(annotation: ast.expr) -> ast.expr:
    """The expression of an annotation, also where it is written as a string."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return annotation
    return annotation


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    # These hold a tuple and a dict of what their annotation says.
    yield from (ast.arg(each.arg) for each in (arguments.vararg, arguments.kwarg) if each is not None)


Found = Iterator[tuple[str, Binding]]


def _bindings_of(node: ast.AST, package: str) -> Found:
    if isinstance(node, ast.ImportFrom):
        yield from _import_from(node, package)
    elif type(node) in _BINDERS:
        yield from _BINDERS[type(node)](node)


def _assignment(node: ast.Assign) -> Found:
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, Binding(node.value)
        else:
            yield from _opaque(target)


def _annotated(node: ast.AnnAssign) -> Found:
    if isinstance(node.target, ast.Name):
        yield node.target.id, Binding(node.value, node.annotation)


def _augmented(node: ast.AugAssign) -> Found:
    yield from _opaque(node.target)


def _walrus(node: ast.NamedExpr) -> Found:
    yield node.target.id, Binding(node.value)


def _loop(node: ast.For | ast.AsyncFor | ast.comprehension) -> Found:
    if isinstance(node.target, ast.Name):
        yield node.target.id, Binding(iterates=node.iter)
    else:
        yield from _opaque(node.target)


def _with(node: ast.withitem) -> Found:
    if node.optional_vars is not None:
        yield from _opaque(node.optional_vars)


def _opaque(target: ast.AST) -> Found:
    for inner in ast.walk(target):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id, Binding()


def _import(node: ast.Import) -> Found:
    for alias in node.names:
        root = alias.name.partition(".")[0]
        yield alias.asname or root, Binding(ref=imported(alias.name if alias.asname else root))


def _import_from(node: ast.ImportFrom, package: str) -> Found:
    try:
        home = resolve_name("." * node.level + (node.module or ""), package)
    except ImportError:
        home = ""
    for alias in node.names:
        yield alias.asname or alias.name, Binding(ref=imported(f"{home}.{alias.name}") if home else None)


def _definition(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler) -> Found:
    if node.name:
        yield node.name, Binding()


def _pattern(node: ast.MatchAs | ast.MatchStar) -> Found:
    if node.name:
        yield node.name, Binding()


def _rest(node: ast.MatchMapping) -> Found:
    if node.rest:
        yield node.rest, Binding()


_BINDERS: Mapping[type[ast.AST], Callable[[Any], Found]] = {
    ast.Assign: _assignment,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.NamedExpr: _walrus,
    ast.For: _loop,
    ast.AsyncFor: _loop,
    ast.comprehension: _loop,
    ast.withitem: _with,
    ast.Import: _import,
    ast.FunctionDef: _definition,
    ast.AsyncFunctionDef: _definition,
    ast.ClassDef: _definition,
    ast.ExceptHandler: _definition,
    ast.MatchAs: _pattern,
    ast.MatchStar: _pattern,
    ast.MatchMapping: _rest,
}
