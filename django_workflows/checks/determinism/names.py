"""What an expression names: resolved through imports, aliases and the module's own variables, without running code."""

from __future__ import annotations

import ast
import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import getattr_static
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Protocol

from django.contrib.auth import get_user_model
from django.core.cache import cache, caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from django.db.models import Model

from ...core.context import WorkflowContext

#: In place of an object that is not known.
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()


@dataclass(frozen=True, slots=True)
class Ref:
    """The dotted names by which a rule may know something, and the object, or ``MISSING``.

    With ``instance`` the object is a class, and something is meant that will be an instance of it.
    """

    paths: tuple[str, ...]
    value: Any = MISSING
    instance: bool = False


#: Objects that go by the name of their place, not of their class; by id, since these must not be asked.
_PLACES = {
    id(cache): "django.core.cache.cache",
    id(caches): "django.core.cache.caches",
    id(connection): "django.db.connection",
    id(connections): "django.db.connections",
    id(os.environ): "os.environ",
    id(sys.argv): "sys.argv",
}


class Lookup(Protocol):
    """Where names are looked up."""

    def lookup(self, name: str) -> Ref | None:
        """What a name stands for; ``None`` where only running the code would tell."""
        ...


def is_a(value: Any, kinds: type | tuple[type, ...]) -> bool:
    """``isinstance`` that never asks the object, which may be lazy and go to the database."""
    return issubclass(type(value), kinds)


def is_named(value: Any) -> bool:
    """Whether ``path_of`` names the object itself, and not its class."""
    return id(value) in _PLACES or is_a(value, (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType))


def path_of(value: Any) -> str:
    """The dotted name of a module, class, function or method; of most other objects, that of their class."""
    if id(value) in _PLACES:
        return _PLACES[id(value)]
    if is_a(value, ModuleType):
        return str(value.__name__)
    if is_a(value, (BuiltinFunctionType, MethodType)):
        return _path_of_method(value)
    named = value if is_a(value, (type, FunctionType)) else type(value)
    return f"{_public(named.__module__)}.{named.__qualname__}"


def _path_of_method(value: Any) -> str:
    owner = value.__self__
    if owner is None or is_a(owner, ModuleType):
        return f"{_public(value.__module__)}.{value.__qualname__}"
    return f"{path_of(owner)}.{value.__name__}"


def _public(module: object) -> str:
    """``_socket`` and ``posix`` are where Python keeps what it offers as ``socket`` and ``os``."""
    if not isinstance(module, str):  # functions made by hand, and attributes of classes that are named so
        return "builtins"
    if module in ("posix", "nt"):
        return "os"
    return module[1:] if module.startswith("_") and module in sys.stdlib_module_names else module


def plain(value: Any) -> Any:
    """What is inside of partials, caches, static, class and bound methods, and decorators that say what they wrap."""
    for _ in range(10):
        inner = _inside(value)
        if inner is MISSING:
            break
        value = inner
    return value


def _inside(value: Any) -> Any:
    if is_a(value, functools.partial):
        return value.func
    if is_a(value, (staticmethod, classmethod, MethodType)):
        return value.__func__
    if is_a(value, (FunctionType, functools._lru_cache_wrapper)):
        return value.__dict__.get("__wrapped__", MISSING)
    return MISSING


def ref_to(value: Any, *paths: str) -> Ref:
    """A known object, with names that it goes by beside its own."""
    inner = value if is_a(value, FunctionType) else plain(value)
    return Ref(tuple(dict.fromkeys((*paths, path_of(value), path_of(inner)))), inner)


def imported(path: str) -> Ref:
    """What a local import binds, without importing it."""
    module = sys.modules.get(path)
    if module is not None:
        return ref_to(module, path)
    home, _, name = path.rpartition(".")
    found = vars(sys.modules[home]).get(name, MISSING) if home in sys.modules else MISSING
    return Ref((path,)) if found is MISSING else ref_to(found, path)


def instance_of(ref: Ref | None) -> Ref | None:
    """What is known of an instance of a class: of models, paths and the context, whose methods matter."""
    if ref is None or not is_a(ref.value, type) or not issubclass(ref.value, (Model, PurePath, WorkflowContext)):
        return None
    return Ref(ref.paths, ref.value, instance=True)


def attribute(ref: Ref, name: str) -> Ref:
    """``ref.name``. Properties and the like are not run."""
    paths = [f"{path}.{name}" for path in ref.paths]
    if ref.value is MISSING:
        return Ref(tuple(paths))
    if is_a(ref.value, ModuleType):
        found = vars(ref.value).get(name, MISSING)
    else:
        owner = ref.value if is_a(ref.value, type) else type(ref.value)
        paths += [f"{path_of(each)}.{name}" for each in owner.__mro__[:-1]]
        found = getattr_static(owner, name, MISSING)
    return Ref(tuple(dict.fromkeys(paths))) if found is MISSING else ref_to(found, *paths)


def resolve(node: ast.AST, scope: Lookup) -> Ref | None:
    """What an expression names; ``None`` for what is the handler's own, or cannot be known before it runs."""
    resolver = _RESOLVERS.get(type(node))
    return None if resolver is None else resolver(node, scope)


def _name(node: ast.Name, scope: Lookup) -> Ref | None:
    return scope.lookup(node.id)


def _attribute(node: ast.Attribute, scope: Lookup) -> Ref | None:
    base = resolve(node.value, scope)
    return None if base is None else attribute(base, node.attr)


def _subscript(node: ast.Subscript, scope: Lookup) -> Ref | None:
    base = resolve(node.value, scope)
    return None if base is None else Ref(tuple(f"{path}[]" for path in base.paths))


def _call(node: ast.Call, scope: Lookup) -> Ref | None:
    """What a call gives: an instance of a class, the user model; ``with_options`` gives more of the same."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "with_options":
        return resolve(node.func.value, scope)
    called = resolve(node.func, scope)
    if called is not None and called.value is get_user_model:
        return _user_model()
    return instance_of(called)


def _user_model() -> Ref | None:
    try:
        return ref_to(get_user_model())
    except ImproperlyConfigured:
        return None


def _operation(node: ast.BinOp, scope: Lookup) -> Ref | None:
    """``path / "name"`` is a path."""
    left = resolve(node.left, scope) if isinstance(node.op, ast.Div) else None
    if left is None or left.value is MISSING:
        return None
    return left if left.instance or is_a(left.value, PurePath) else None


_RESOLVERS: dict[type[ast.AST], Callable[[Any, Lookup], Ref | None]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.BinOp: _operation,
}
