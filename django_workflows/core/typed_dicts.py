"""Lets ``typing.TypedDict`` be used before Python 3.12, where pydantic only takes that of ``typing_extensions``."""

from __future__ import annotations

import functools
import operator
import sys
import types
import typing
from typing import Any, get_args, get_origin

import typing_extensions


def portable(annotation: Any) -> Any:
    """``annotation`` with each ``typing.TypedDict`` in it, also in its own fields, replaced by an equal one."""
    return annotation if sys.version_info >= (3, 12) else _replaced(annotation)


def _replaced(annotation: Any) -> Any:
    if typing.is_typeddict(annotation):
        return _twin(annotation)
    arguments = get_args(annotation)
    if not arguments or get_origin(annotation) is typing.Literal:
        return annotation
    replaced = tuple(_replaced(argument) for argument in arguments)
    if all(new is old for new, old in zip(replaced, arguments, strict=True)):
        return annotation
    if isinstance(annotation, types.UnionType):
        return functools.reduce(operator.or_, replaced)
    if get_origin(annotation) is typing.Annotated:
        return typing.Annotated[replaced]
    return annotation.copy_with(replaced) if hasattr(annotation, "copy_with") else get_origin(annotation)[replaced]


@functools.cache
def _twin(cls: Any) -> Any:
    if type(cls).__module__ != "typing":
        return cls
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    fields = {
        name: typing_extensions.NotRequired[_replaced(_bare(hint))]
        if name in cls.__optional_keys__
        else typing_extensions.Required[_replaced(_bare(hint))]
        for name, hint in hints.items()
    }
    make: Any = typing_extensions.TypedDict
    twin = make(cls.__name__, fields)
    twin.__module__, twin.__doc__ = cls.__module__, cls.__doc__
    return twin


def _bare(hint: Any) -> Any:
    origin = get_origin(hint)
    return get_args(hint)[0] if origin in (typing_extensions.Required, typing_extensions.NotRequired) else hint
