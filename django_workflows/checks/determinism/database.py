"""Sees the ORM: managers, querysets, and model instances that are saved or deleted."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from django.db.models import Manager, Model
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.db.models.manager import BaseManager, ManagerDescriptor
from django.db.models.query import QuerySet

from .names import is_a, resolve
from .rules import DATABASE, Rule
from .scopes import Scope

_MANAGERS = (ManagerDescriptor, BaseManager, Manager, QuerySet)
_RELATED = (ReverseManyToOneDescriptor, ReverseOneToOneDescriptor, ForwardManyToOneDescriptor)
_INSTANCE_METHODS = frozenset({"save", "delete", "refresh_from_db", "asave", "adelete", "arefresh_from_db"})
#: What only Django's querysets and models have, so that awaiting it on anything unknown is telling enough.
_ASYNC_METHODS = frozenset(
    {
        "aget",
        "acreate",
        "aget_or_create",
        "aupdate_or_create",
        "abulk_create",
        "abulk_update",
        "acount",
        "aaggregate",
        "afirst",
        "alast",
        "alatest",
        "aearliest",
        "ain_bulk",
        "aexists",
        "acontains",
        "aupdate",
        "adelete",
        "asave",
        "arefresh_from_db",
    }
)


def look(node: ast.AST, scope: Scope) -> Iterator[Rule]:
    """DATABASE, where a node goes there."""
    if _uses_manager(node, scope) or _changes_instance(node, scope) or _awaits_queryset(node, scope):
        yield DATABASE


def _uses_manager(node: ast.AST, scope: Scope) -> bool:
    """``Model.objects``, a queryset or manager of the module, ``instance.related``."""
    if not isinstance(node, (ast.Attribute, ast.Name)) or not isinstance(node.ctx, ast.Load):
        return False
    ref = resolve(node, scope)
    if ref is None or ref.instance:
        return False
    if is_a(ref.value, _MANAGERS):
        return True
    if not isinstance(node, ast.Attribute):
        return False
    if node.attr in ("_default_manager", "_base_manager"):
        return True
    if not is_a(ref.value, _RELATED):
        return False
    base = resolve(node.value, scope)
    return base is not None and base.instance


def _changes_instance(node: ast.AST, scope: Scope) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr not in _INSTANCE_METHODS:
        return False
    base = resolve(node.func.value, scope)
    if base is None:
        return False
    return issubclass(base.value, Model) if base.instance else is_a(base.value, Model)


def _awaits_queryset(node: ast.AST, scope: Scope) -> bool:
    if not isinstance(node, ast.Await) or not isinstance(node.value, ast.Call):
        return False
    func = node.value.func
    return isinstance(func, ast.Attribute) and func.attr in _ASYNC_METHODS and resolve(func.value, scope) is None
